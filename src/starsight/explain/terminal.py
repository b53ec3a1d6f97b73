"""What ``starsight explain`` prints: the stars, the text in the colours of its words, and the numbers behind them."""

import numpy as np
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from starsight.explain.cards import NOT_READ
from starsight.explain.single import METHODS, Explanation
from starsight.explain.words import WordScores
from starsight.pages import interval, signed, stars

N_STRONGEST = 10
"""Words listed below the text."""

_RAISES, _LOWERS, _PALE = (45, 118, 229), (240, 128, 12), (255, 255, 255)
"""Blue and orange, which the colour-blind tell apart; black letters are legible on each, on any terminal."""
_FAINTEST = 0.08
"""Share of the strongest word's contribution below which a word stays as it is."""


def print_explanation(explanation: Explanation, console: Console | None = None) -> None:
    """Print to the terminal; to a file or pipe, or where ``NO_COLOR`` is set, without colours."""
    console = console or Console(highlight=False)
    review = explanation.review
    console.print(Text(_verdict(explanation), style="bold"))
    console.print(
        f"Base {stars(review.base_stars, 2)}, words {signed(float(review.words.contributions.sum()), 2)}, "
        f"marks of the tokenizer {signed(review.words.special_contribution, 2)}: {METHODS[explanation.method]}"
        + ("." if explanation.convergence_delta is None else f"; they miss {abs(explanation.convergence_delta):.3f}.")
    )
    if not review.words.words:
        console.print("There is no word to read in this text.")
        return
    console.print()
    console.print(_colour(review.text, review.words))
    console.print()
    console.print(_strongest(explanation))
    if unread := int((~review.words.was_read).sum()):
        console.print(f"{unread:,} of {len(review.words.words):,} words were not {NOT_READ}.")


def _verdict(explanation: Explanation) -> str:
    rated = f"{stars(explanation.review.stars_pred, 2)} stars"
    if explanation.stars_low is None or explanation.stars_high is None or explanation.coverage is None:
        return f"{rated}; this model has no intervals"
    between = interval(explanation.stars_low, explanation.stars_high, 1)
    return f"{rated} ({explanation.coverage:.0%} interval {between})"


def _colour(text: str, words: WordScores) -> Text:
    shown = Text(text)
    full = max(float(np.abs(words.contributions).max()), 1e-6)
    for start, end, contribution in zip(words.starts, words.ends, words.contributions, strict=True):
        strength = abs(float(contribution)) / full
        if strength >= _FAINTEST:
            full_colour = _RAISES if contribution > 0 else _LOWERS
            shade = [round(p + (c - p) * strength) for p, c in zip(_PALE, full_colour, strict=True)]
            style = Style(color="black", bgcolor=f"rgb({shade[0]},{shade[1]},{shade[2]})")
            shown.stylize(style, int(start), int(end))
    return shown


def _strongest(explanation: Explanation) -> Table:
    words = explanation.review.words
    table = Table(box=None, pad_edge=False)
    table.add_column("strongest words")
    table.add_column("stars", justify="right")
    if explanation.has_weights:
        table.add_column("attention" if explanation.head == "attention" else "weight", justify="right")
    for i in np.argsort(-np.abs(words.contributions), kind="stable")[:N_STRONGEST]:
        cells = [words.words[i], signed(float(words.contributions[i]))]
        table.add_row(*map(Text, cells + ([f"{words.weights[i]:.1%}"] if explanation.has_weights else [])))
    return table
