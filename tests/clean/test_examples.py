import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.examples import EXAMPLES_A_RULE, changed_place, few, first_changes
from starsight.clean.text import normalise


def test_the_change_is_shown_with_a_little_around_it():
    before = "x" * 60 + " good<br />bad " + "y" * 60
    shown, after = changed_place(before, before.replace("<br />", "\n"))
    assert shown.startswith("…x")
    assert "good<br />bad" in shown
    assert "good⏎bad" in after


def test_what_cannot_be_seen_is_made_visible():
    assert changed_place("zero\u200bwidth", "zerowidth") == ("zero\\u200bwidth", "zerowidth")


def test_each_rule_shows_its_first_few_changes():
    texts = [f"number {n} &amp; <b>more</b>" for n in range(10)]
    found = few(first_changes(texts, [normalise(text) for text in texts]))
    assert [example.rule for example in found] == ["entities"] * EXAMPLES_A_RULE + ["markup"] * EXAMPLES_A_RULE
    assert str(found[0]) == "number 0 &amp; <b>more</b> → number 0 & <b>more</b>"


@pytest.mark.parametrize("text", ["plain", ""])
def test_a_text_that_no_rule_changes_is_no_example(text):
    assert first_changes([text], [normalise(text)]) == []


@given(st.text(), st.text())
def test_any_two_texts_can_be_shown_in_few_printable_characters(before, after):
    for shown in changed_place(before, after):
        assert shown.isprintable()
        assert len(shown) <= 6 * 130 + 2
