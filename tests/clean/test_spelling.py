"""A made-up corpus in which the words of the field are in use, and a few are misspelt."""

import pytest

from starsight.clean.corrections import WORD, correct_spelling
from starsight.clean.spelling import count_words, find_corrections
from starsight.params import SpellingParams

PARAMS = SpellingParams(enabled=True, max_count=10, min_length=6, min_ratio=20.0)

COMMON = ["the dress was comfortable and definitely a beautiful color with a straight length for the wedding"] * 400
FIELD = ["colors favorite flowy strappy spanx xs didn't didn decolletage boatneck"] * 30
FIELD_ONCE = ["unflattering dressy re-wear weddings colorful lengthwise comfortableness"]


def corrections_of(*texts: str, params: SpellingParams = PARAMS) -> dict[str, str]:
    counts = count_words([*COMMON, *FIELD, *FIELD_ONCE, *texts])
    return {correction.word: correction.correction for correction in find_corrections(counts, params)}


def test_plain_slips_are_corrected():
    found = corrections_of("a confortable dress, definately beautifull, strait lenght, a staight one")
    expected = {"confortable": "comfortable", "definately": "definitely", "lenght": "length", "staight": "straight"}
    assert expected.items() <= found.items()


def test_the_fields_own_words_survive_without_a_misspelling():
    assert corrections_of() == {}


@pytest.mark.parametrize(
    "text",
    [
        "a loooovely beeeautiful comfortablllle dress",  # emphasis carries stars
        "by Comfortabel and Weddin",  # always capitalised: names
        "wouldnt couldn theyre",  # contractions without their sign
        "comfort4ble comfor-table wed'ding café",
        "brd wth",  # short: nearly every short string is one slip from a word
        "платье удобное",
    ],
)
def test_what_is_no_plain_slip_stays(text):
    assert corrections_of(text) == {}


def test_a_word_in_use_is_a_word_whatever_the_dictionary_says():
    often = ["confortable"] * (PARAMS.max_count + 1)
    assert "confortable" not in corrections_of(*often)


def test_a_word_between_two_common_words_stays():
    rivals = ["bathing"] * 300 + ["batting"] * 300
    assert "bating" not in corrections_of("bathting", *rivals)
    assert "bathting" not in corrections_of("bathting", *rivals)


def test_a_correction_must_be_far_more_frequent():
    assert "gorgeuos" not in corrections_of("gorgeuos", *["gorgeous"] * 40)
    assert "gorgeuos" in corrections_of("gorgeuos", *["gorgeous"] * 60)


def test_reviews_in_another_language_are_left_alone():
    german = ["das kleid sitzt hervorragend und die farbe gefällt mir sehr gut"] * 200
    assert find_corrections(count_words([*german, "hervoragend farbr dress"]), PARAMS) == []


def test_disabled_spelling_corrects_nothing():
    assert corrections_of("confortable", params=PARAMS.model_copy(update={"enabled": False})) == {}


def test_each_correction_says_how_often_and_why():
    counts = count_words([*COMMON, "confortable Confortable confortable"])
    (found,) = find_corrections(counts, PARAMS)
    assert (found.n, found.why) == (3, "edits 1, used 400 times")


def test_case_is_kept():
    corrections = {"lenght": "length"}
    assert correct_spelling("lenght Lenght LENGHT lenghty", corrections) == "length Length LENGTH lenghty"


def test_words_inside_codes_and_contractions_are_not_words():
    assert WORD.findall("don't re-wear B2B a.dress navy/black it’s @name café dress.") == ["dress"]
