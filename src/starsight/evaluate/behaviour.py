"""Behavioural tests: what a rating must do when a text says something plain, or changes in a known way.

Ribeiro et al. 2020, Beyond Accuracy: Behavioral Testing of NLP Models with CheckList. The texts are made from
templates, and where the thing occurs the changes are also made to reviews of the test split.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from starsight.evaluate import phrases
from starsight.intervals import Estimate
from starsight.metrics import Stars

Kind = Literal["minimum", "invariance", "direction", "negation"]
KINDS: Final[dict[Kind, str]] = {
    "minimum": "Minimum ability",
    "invariance": "Invariance",
    "direction": "Direction",
    "negation": "Negation",
}
"""What a reader calls each kind."""

CLEARLY_GOOD: Final = 3.5
"""Stars above which a rating is 4 or 5 when rounded."""
CLEARLY_BAD: Final = 2.5
"""Stars below which a rating is 1 or 2 when rounded."""
SAME: Final = 0.5
"""Most stars that a rating may move by a change without meaning: half a star is what makes another whole one."""
SLACK: Final = 0.1
"""Stars that a rating may move the wrong way: less is not seen where one decimal is shown (CheckList has the same)."""

TEMPLATE_CASES: Final = 60
"""Most cases of a test that come from templates."""
REVIEW_CASES: Final = 100
"""Most that come from reviews: the interval of a pass rate is then at most 20 points wide."""
MAX_WORDS: Final = 60
"""Longer reviews are not changed: a model reads only so many tokens, and what stands behind them would not count."""
N_EXAMPLES: Final = 2
"""Failed cases that are shown of a test."""

Item = TypeVar("Item")
Passes = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""From stars ``(cases, texts)`` to whether each case is passed, ``(cases,)``."""


@dataclass(frozen=True)
class Case:
    """A text, or a text before and after a change."""

    texts: tuple[str, ...]
    change: str = ""
    """What was changed, in words."""


@dataclass(frozen=True)
class Example:
    """A failed case."""

    text: str
    """After the change, if there was one."""
    change: str
    stars: tuple[float, ...]
    """Of the text, or before and after the change; 1 to 5."""


@dataclass(frozen=True)
class BehaviourTest:
    """One thing that ratings must do."""

    name: str
    """What must hold, in words."""
    kind: Kind
    cases: Sequence[Case]
    passes: Passes
    from_reviews: bool = False
    """Whether the texts are people's reviews, which must not go into files that git tracks."""


@dataclass(frozen=True)
class BehaviourResult:
    """How many cases of a test were passed."""

    name: str
    kind: Kind
    from_reviews: bool
    n: int
    """Cases; 0 where no review holds what the test changes."""
    n_passed: int
    examples: tuple[Example, ...]
    """Some that failed; people's own words if ``from_reviews``."""

    @property
    def pass_rate(self) -> Estimate | None:
        """Share of the cases that were passed, with Wilson's 95 % interval, 0 to 1; None without cases."""
        return pass_rate(self.n_passed, self.n) if self.n else None


def run_behaviour(predict: Callable[[Sequence[str]], Stars], texts: Sequence[str], seed: int) -> list[BehaviourResult]:
    """Run every test.

    Args:
        predict: From texts to stars, ``(texts,)``, 1 to 5; called once.
        texts: Reviews of the test split. The short ones among them are changed.
        seed: Of what is drawn: reviews, names, the places of typos.
    """
    tests = make_tests(texts, seed)
    distinct = list(dict.fromkeys(text for test in tests for case in test.cases for text in case.texts))
    stars = dict(zip(distinct, predict(distinct), strict=True))
    return [_result(test, stars) for test in tests]


def make_tests(texts: Sequence[str], seed: int) -> list[BehaviourTest]:
    """Every test with its cases, from templates and from reviews ``texts``; the same for the same ``seed``."""
    generator = np.random.default_rng(seed)

    def templates(cases: Iterable[Case]) -> list[Case]:
        return _sample(list(cases), TEMPLATE_CASES, generator)

    def reviews(change: Callable[[str], Case | None]) -> list[Case]:
        short = [text for text in texts if len(text.split()) <= MAX_WORDS]
        changed = (change(short[i]) for i in generator.permutation(len(short)))
        found = (case for case in changed if case is not None)
        return [case for case, _ in zip(found, range(REVIEW_CASES), strict=False)]

    good, bad = (list(_fill(phrases.CLEAR, words)) for words in (phrases.GOOD, phrases.BAD))
    tests = [
        BehaviourTest("Plain praise is above 3.5 stars", "minimum", templates(map(_alone, good)), _is_good),
        BehaviourTest("A plain complaint is below 2.5", "minimum", templates(map(_alone, bad)), _is_bad),
    ]

    words = phrases.GOOD + phrases.BAD
    named = [text for name in chain(*phrases.NAMES) for text in _fill(phrases.NAMED, words, name=name)]
    branded = [
        text
        for kind, brands in phrases.BRANDS.items()
        for brand in brands
        for text in _fill(phrases.BRANDED, words, [kind], brand=brand)
    ]
    brands = [*phrases.BRANDS.values(), phrases.SHOPS]
    invariances: list[tuple[str, Iterable[str], Callable[[str], Case | None]]] = [
        ("another first name", named, lambda text: _exchange(text, phrases.NAMES, generator)),
        ("another brand", branded, lambda text: _exchange(text, brands, generator)),
        ("all in lower case", good + bad, lambda text: _rewritten(text, text.lower(), "lower case")),
        ("all in capitals", good + bad, lambda text: _rewritten(text, text.upper(), "capitals")),
        ("a typo in a neutral word", _fill(phrases.MISSPELT, words), lambda text: _slip(text, generator)),
    ]
    for what, made, change in invariances:
        chosen = _sample(list(made), TEMPLATE_CASES, generator)
        made_cases = [case for case in map(change, chosen) if case is not None]
        name = f"Half a star at most: {what}"
        tests.append(BehaviourTest(name, "invariance", made_cases, _stays))
        tests.append(BehaviourTest(name, "invariance", reviews(change), _stays, from_reviews=True))

    def complain(text: str) -> Case:
        return _followed_by(text, str(generator.choice(phrases.COMPLAINTS)))

    def praise(text: str) -> Case:
        return _followed_by(text, str(generator.choice(phrases.PRAISE)))

    tests += [
        BehaviourTest("A complaint after praise lowers the stars", "direction", templates(map(complain, good)), _falls),
        BehaviourTest("Praise after a complaint raises the stars", "direction", templates(map(praise, bad)), _rises),
        BehaviourTest("A complaint does not raise the stars", "direction", reviews(complain), _does_not_rise, True),
        BehaviourTest("Praise does not lower the stars", "direction", reviews(praise), _does_not_fall, True),
        BehaviourTest("“not good” is below “good”", "negation", templates(_denied(phrases.MILD)), _falls),
        BehaviourTest("“not bad” is above “bad”", "negation", templates(_denied(phrases.SHARP)), _rises),
    ]
    return tests


def behaviour_metrics(results: Sequence[BehaviourResult]) -> dict[str, float]:
    """``behaviour_<kind>_pass_rate`` of all cases of a kind, 0 to 1, with ``_low`` and ``_high``."""
    metrics: dict[str, float] = {}
    for kind in KINDS:
        mine = [result for result in results if result.kind == kind]
        n_passed, n = sum(result.n_passed for result in mine), sum(result.n for result in mine)
        metrics |= pass_rate(n_passed, n).named(f"behaviour_{kind}_pass_rate")
    return metrics


def pass_rate(n_passed: int, n: int) -> Estimate:
    """Share of ``n`` cases, 1 or more, with its 95 % interval (Wilson 1927, Probable Inference, the Law of Succession,
    and Statistical Inference), as though the cases were independent."""
    interval = binomtest(n_passed, n).proportion_ci(0.95, method="wilson")
    return Estimate(n_passed / n, float(interval.low), float(interval.high))


def _result(test: BehaviourTest, stars_of: dict[str, float]) -> BehaviourResult:
    stars = np.array([[stars_of[text] for text in case.texts] for case in test.cases])
    passed = test.passes(stars) if test.cases else np.empty(0, dtype=bool)
    examples = tuple(
        Example(test.cases[i].texts[-1], test.cases[i].change, tuple(float(star) for star in stars[i]))
        for i in np.flatnonzero(~passed)[:N_EXAMPLES]
    )
    return BehaviourResult(test.name, test.kind, test.from_reviews, len(test.cases), int(passed.sum()), examples)


# --- what makes a case passed -----------------------------------------------------------------------------------


def _is_good(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return stars[:, 0] > CLEARLY_GOOD


def _is_bad(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return stars[:, 0] < CLEARLY_BAD


def _stays(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(_move(stars)) <= SAME


def _falls(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _move(stars) < 0


def _rises(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _move(stars) > 0


def _does_not_rise(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _move(stars) <= SLACK


def _does_not_fall(stars: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _move(stars) >= -SLACK


def _move(stars: NDArray[np.float64]) -> Stars:
    return np.round(stars[:, 1] - stars[:, 0], 9)  # a move of exactly the limit passes, however it is rounded


# --- how cases are made -----------------------------------------------------------------------------------------


def _fill(
    templates: Sequence[str], words: Sequence[str], products: Sequence[str] = phrases.PRODUCTS, **others: str
) -> Iterable[str]:
    for template, thing, word in product(templates, products, words):
        yield template.format(product=thing, word=word, **others)


def _denied(words: Sequence[str]) -> Iterable[Case]:
    for (plain, denied), thing, word in product(phrases.NEGATED, phrases.PRODUCTS, words):
        before, after = (template.format(product=thing, word=word) for template in (plain, denied))
        yield Case((before, after), f"before: {before}")


def _alone(text: str) -> Case:
    return Case((text,))


def _followed_by(text: str, sentence: str) -> Case:
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return Case((text, f"{ended} {sentence}"), "the last sentence was added")


def _rewritten(text: str, after: str, change: str) -> Case | None:
    return Case((text, after), change) if after != text else None


def _exchange(text: str, groups: Iterable[Sequence[str]], generator: np.random.Generator) -> Case | None:
    """Every mention of a word of a group becomes another word of that group; None where none is mentioned."""
    for group in groups:
        found = re.search(rf"(?<!\w)(?:{'|'.join(map(re.escape, group))})(?!\w)", text)
        if found:
            old = found[0]
            new = str(generator.choice([word for word in group if word != old]))
            after = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, text)
            return Case((text, after), f"{old} became {new}")
    return None


def _slip(text: str, generator: np.random.Generator) -> Case | None:
    """Two neighbouring letters inside a neutral word change places; None where the text has no such word."""
    mentions = list(re.finditer(rf"\b(?:{'|'.join(phrases.NEUTRAL)})\b", text, re.IGNORECASE))
    if not mentions:
        return None
    found = mentions[generator.integers(len(mentions))]
    word = found[0]
    places = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
    i = int(generator.choice(places))
    slipped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return Case((text, text[: found.start()] + slipped + text[found.end() :]), f"{word} became {slipped}")


def _sample(items: Sequence[Item], n: int, generator: np.random.Generator) -> list[Item]:
    return [items[i] for i in generator.permutation(len(items))[:n]]
