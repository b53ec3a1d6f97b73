from hypothesis import given
from hypothesis import strategies as st

from starsight.ingest.wording import MESSAGE_CHARACTERS, complaint, listed, printable


@given(st.text())
def test_whatever_is_shown_is_one_line_of_printable_characters(text):
    for shown in (printable(text), listed([text, text]), complaint(ValueError(text))):
        assert shown.isprintable()


def test_long_lists_are_cut_and_say_so():
    assert listed(["text", "stars"]) == "text, stars"
    assert listed(["text"] * 100) == f"{', '.join(['text'] * 100)[:MESSAGE_CHARACTERS]}…"


def test_a_complaint_is_one_line_without_a_full_stop():
    assert complaint(ValueError("no such\n  table: reviews.")) == "no such table: reviews"
    assert complaint(ValueError()) == "ValueError"
    assert complaint(ValueError("all of it"), "a part") == "a part"
    assert len(complaint(ValueError("x" * 9_999))) == MESSAGE_CHARACTERS
