"""Show what a rule does: the place that it changed, before and after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from starsight.clean.text import RULES, Normalised

EXAMPLES_A_RULE: Final = 3
_AROUND: Final = 24
"""Characters shown on each side of the change."""
_LONGEST: Final = 80
"""Characters shown of the change itself."""


@dataclass(frozen=True)
class Example:
    """A change, with a little of what stands around it."""

    rule: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


def first_changes(texts: Sequence[str], normalised: Sequence[Normalised]) -> list[Example]:
    """The first few changes by each rule.

    Args:
        texts: as they came.
        normalised: what became of each.
    """
    found: list[Example] = []
    wanted = dict.fromkeys(RULES, EXAMPLES_A_RULE)
    for text, result in zip(texts, normalised, strict=True):
        if not any(wanted[rule] for rule in result.changed_by):
            continue
        for name, rule in RULES.items():
            before, text = text, rule(text)
            if text != before and wanted[name]:
                wanted[name] -= 1
                found.append(Example(name, *changed_place(before, text)))
    return found


def few(examples: Iterable[Example]) -> list[Example]:
    """The first of ``examples`` for each rule, in the order of the rules."""
    by_rule: dict[str, list[Example]] = {rule: [] for rule in RULES}
    for example in examples:
        if len(by_rule[example.rule]) < EXAMPLES_A_RULE:
            by_rule[example.rule].append(example)
    return [example for rule in by_rule.values() for example in rule]


def changed_place(before: str, after: str) -> tuple[str, str]:
    """The stretch in which two texts differ, in each of them, with control characters made visible."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    left = shorter - start
    end = next((i for i in range(left) if before[-1 - i] != after[-1 - i]), left)
    return _cut(before, start, len(before) - end), _cut(after, start, len(after) - end)


def _cut(text: str, start: int, end: int) -> str:
    end = min(end, start + _LONGEST)
    first, last = max(start - _AROUND, 0), min(end + _AROUND, len(text))
    shown = "".join(sign if sign.isprintable() else _visible(sign) for sign in text[first:last])
    return ("…" if first else "") + shown + ("…" if last < len(text) else "")


def _visible(sign: str) -> str:
    return "⏎" if sign == "\n" else f"\\u{ord(sign):04x}"
