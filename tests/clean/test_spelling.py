"""A made-up corpus in which the words of the field are in use, and a few are misspelt."""

import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starsight.clean.corrections import WORD, correct_spelling
from starsight.clean.lexicon import Lexicon
from starsight.clean.slips import slip_between
from starsight.clean.spelling import LARGE, WordCounts, count_words, find_corrections
from starsight.params import SpellingParams

PARAMS = SpellingParams(enabled=True, max_count=10, min_length=4, min_ratio=20.0)

COMMON = ["the dress was comfortable and definitely a beautiful color with a straight length for the wedding"] * 400
FIELD = ["colors favorite flowy strappy spanx xs didn't didn decolletage boatneck"] * 30
FIELD_ONCE = ["unflattering dressy re-wear weddings colorful lengthwise comfortableness"]


def corrections_of(
    *texts: str, params: SpellingParams = PARAMS, veto: frozenset[str] = frozenset(), field: bool = True
) -> dict[str, str]:
    counts = count_words([*COMMON, *(FIELD if field else []), *FIELD_ONCE, *texts])
    return {found.word: found.correction for found in find_corrections(counts, params, veto=veto)}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("comfirtable", "comfortable"),  # the key beside it
        ("confortable", "comfortable"),
        ("lengh", "length"),  # the last letter dropped
        ("weding", "wedding"),  # one of a pair dropped
        ("staight", "straight"),  # another dropped
        ("colorr", "color"),  # doubled at the end
        ("beauutiful", "beautiful"),  # doubled inside
        ("drses", "dress"),  # swapped
        ("lenght", "length"),
        ("definately", "definitely"),  # a vowel for another
        ("definetly", "definitely"),
        ("beautuful", "beautiful"),
        ("wirh", "with"),  # short
        ("defnitley", "definitely"),  # two edits
    ],
)
def test_a_plain_slip_is_corrected(written, meant):
    assert corrections_of(f"a {written} thing") == {written: meant}


@pytest.mark.parametrize("word", ["colors", "favorite", "flowy", "strappy", "spanx", "xs", "didn't"])
def test_a_word_of_the_field_survives_beside_a_frequent_neighbour_though_it_is_used_once(word):
    neighbours = ["color favourite flow strapped span extra did"] * 5_000
    corrections = corrections_of(*neighbours, f"one {word} more", field=False)
    assert correct_spelling(f"one {word} more", corrections) == f"one {word} more"


def test_the_fields_own_words_survive_without_a_misspelling():
    assert corrections_of() == {}


@pytest.mark.parametrize(
    "text",
    [
        "a loooovely beeeautiful comfortablllle dress",  # emphasis carries stars
        "we met Comfortabel and Weddin",  # names
        "wouldnt couldn theyre wouldve",  # contractions without their sign
        "comfort4ble comfor-table wed'ding café d*ess #weding",
        "6ft 34ddd 10inch",  # sizes and units
        "brd wth",  # short: nearly every short string is one slip from a word
        "hott fitt",  # more often meant than not
        "bodylength dressin dressto",  # two words written as one
        "platье платье удобное 尺寸",
        "favourite colour centre travelled jewellery",  # the other English
    ],
)
def test_what_is_no_plain_slip_stays(text):
    assert corrections_of(text) == {}


def test_a_word_in_use_is_a_word_whatever_the_dictionary_says():
    often = ["confortable"] * (PARAMS.max_count + 1)
    assert "confortable" not in corrections_of(*often)


def test_in_a_large_corpus_a_word_must_be_used_more_often_to_be_a_word():
    total = Counter({"comfortable": 2 * LARGE, "confortable": 2 * PARAMS.max_count})
    (found,) = find_corrections(WordCounts(total), PARAMS)
    assert found.word == "confortable"
    assert find_corrections(WordCounts(Counter({**total, "confortable": 3 * PARAMS.max_count})), PARAMS) == []


def test_a_word_between_two_common_words_stays():
    rivals = ["bathing"] * 300 + ["batting"] * 300
    assert "bating" not in corrections_of("bathting", *rivals)
    assert "bathting" not in corrections_of("bathting", *rivals)


def test_a_wrong_first_letter_is_not_believed_and_forbids_a_second_guess():
    assert "mazing" not in corrections_of("mazing", *["amazing"] * 3_000, *["making"] * 3_000)


def test_a_correction_must_be_far_more_frequent():
    assert "gorgeuos" not in corrections_of("gorgeuos", *["gorgeous"] * 40)
    assert "gorgeuos" in corrections_of("gorgeuos", *["gorgeous"] * 60)


def test_a_doubled_letter_may_be_missing_before_an_ending():
    assert corrections_of("fiting", *["fit fitting"] * 300) == {"fiting": "fitting"}


def test_reviews_in_another_language_are_left_alone():
    german = ["das kleid sitzt hervorragend und die farbe gefällt mir sehr gut"] * 200
    assert find_corrections(count_words([*german, "hervoragend farbr dress"]), PARAMS) == []


def test_no_reviews_have_no_corrections():
    assert find_corrections(WordCounts(), PARAMS) == []


def test_disabled_spelling_corrects_nothing():
    assert corrections_of("confortable", params=PARAMS.model_copy(update={"enabled": False})) == {}


def test_a_veto_keeps_a_word():
    text = "a confortable dress of a great lenght"
    assert corrections_of(text, veto=frozenset({"confortable"})) == {"lenght": "length"}


def test_each_correction_says_how_often_and_why():
    counts = count_words([*COMMON, "a confortable Confortable confortable"])
    (found,) = find_corrections(counts, PARAMS)
    assert (found.word, found.n, found.why) == ("confortable", 3, "neighbouring key, used 400 times")


def test_the_same_counts_in_another_order_give_the_same_corrections():
    counts = count_words([*COMMON, "confortable lenght staight definately drses"])
    turned = WordCounts(Counter(dict(reversed(counts.total.items()))), counts.named)
    assert find_corrections(turned, PARAMS) == find_corrections(counts, PARAMS) != []


def test_counts_of_parts_add_up_and_dropped_reviews_leave_no_trace():
    whole, part, dropped = count_words([*COMMON, "in Pariss"]), count_words(COMMON), count_words(["a lenght of Pariss"])
    part.update(pickle.loads(pickle.dumps(count_words(["in Pariss"]))))  # noqa: S301 - made a moment ago
    assert part == whole
    part.update(dropped)
    part.subtract(dropped)
    assert find_corrections(part, PARAMS) == []


def test_a_capital_makes_a_name_only_inside_a_sentence():
    counts = count_words(["Dress by Weddin. Lovely! Perfect\nGreat (Spanx) THE END of Rebecca Taylor's"])
    assert set(counts.named) == {"weddin", "spanx", "rebecca"}


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("Recieved!", "Received!"),
        ("RECIEVED", "RECEIVED"),
        ("“recieved”, (Recieved) recieved…", "“received”, (Received) received…"),
        ("recievedd recieved's re-recieved", "recievedd recieved's re-recieved"),
    ],
)
def test_case_and_punctuation_are_kept(text, corrected):
    assert correct_spelling(text, {"recieved": "received"}) == corrected


def test_words_inside_codes_and_contractions_are_not_words():
    assert WORD.findall("don't re-wear B2B a.dress navy/black it’s @name café f*cking dress.") == ["dress"]


@pytest.mark.parametrize(
    ("meant", "written", "name"),
    [
        ("this", "thsi", "letters swapped"),
        ("this", "thhis", "letter doubled"),
        ("dress", "dresss", "last letter doubled"),
        ("dress", "dres", "double letter written once"),
        ("dress", "drss", "letter dropped"),
        ("right", "righ", "last letter dropped"),
        ("wear", "weat", "neighbouring key"),
        ("elegant", "elegent", "other vowel"),
        ("fabric", "fabrin", "other letter"),
        ("casual", "causual", "letter added"),
        ("dress", "dressy", "letter added at the end"),
        ("dress", "fress", "first letter wrong"),
        ("amazing", "mazing", "first letter wrong"),
        ("have", "ahve", "letters swapped"),
    ],
)
def test_each_slip_has_its_name(meant, written, name):
    assert slip_between(meant, written).name == name


DICTIONARY = sorted(word for word in Lexicon(Counter(), often=1).dictionary if word.isalpha() and word.isascii())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(DICTIONARY), max_size=60), st.integers(1, 500))
def test_a_corpus_of_dictionary_words_is_never_changed(words, often):
    assert find_corrections(count_words([*COMMON, *[" ".join(words)] * often]), PARAMS) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["lenght", "Lenght", "LENGHT"]) | st.text(max_size=12), max_size=12))
def test_all_but_the_corrected_words_stays_byte_for_byte(parts):
    text = " ".join(parts)
    corrected = correct_spelling(text, {"lenght": "length"})
    assert WORD.split(corrected) == WORD.split(text)
    changes = {pair for pair in zip(WORD.findall(text), WORD.findall(corrected), strict=True) if pair[0] != pair[1]}
    assert all(before.lower() == "lenght" and after.lower() == "length" for before, after in changes)
