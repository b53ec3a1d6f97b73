"""Words of the clean text are found again in the text as it came in."""

import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.text import clean_text
from starsight.explain.origins import Piece, align, find_origins, longest_common
from starsight.explain.words import find_words

CORRECTIONS = {"teh": "the", "drss": "dress", "alot": "lot"}


def origins(raw):
    """Pairs of a word as the model reads it and of what it was."""
    clean = clean_text(raw, CORRECTIONS)
    words = np.array(find_words(clean), dtype=np.int64).reshape(-1, 2)
    found = find_origins(raw, clean, words, lambda piece: clean_text(piece, CORRECTIONS))
    return [(clean[a:b], raw[c:d]) for (a, b), (c, d) in zip(words, found, strict=True)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", []),
        ("great", [("great", "great")]),
        ("  a \t great  ", [("a", "a"), ("great", "great")]),
        ("<b>great</b> dress", [("great", "great"), ("dress", "dress")]),
        ("so<br/>so <a href='x'>great</a>", [("so", "so"), ("so", "so"), ("great", "great")]),
        ("<script>alert('great')</script> great", [("great", "great")]),
        ("this &amp; that &lt;3", [("this", "this"), ("&", "&amp;"), ("that", "that"), ("<", "&lt;"), ("3", "3")]),
        ("caf&eacute;!", [("café", "caf&eacute;"), ("!", "!")]),
        ("AT&T; ok", [("AT", "AT"), ("&", "&"), ("T", "T"), (";", ";"), ("ok", "ok")]),
        ("I donâ€™t, really", [("I", "I"), ("don’t", "donâ€™t"), (",", ","), ("really", "really")]),
        ("Teh drss, teh end", [("The", "Teh"), ("dress", "drss"), (",", ","), ("the", "teh"), ("end", "end")]),
        ("<i>teh</i> gre\u200bat", [("the", "teh"), ("great", "gre\u200bat")]),
        ("cafe\u0301 &#128077;", [("café", "cafe\u0301"), ("👍", "&#128077;")]),
        ("<p>פריט נהדר</p> 👩‍👩‍👧", [("פריט", "פריט"), ("נהדר", "נהדר"), ("👩‍👩‍👧", "👩‍👩‍👧")]),
    ],
)
def test_words_are_found_in_the_text_as_it_came_in(raw, expected):
    assert origins(raw) == expected


def test_what_an_address_became_shares_its_place_and_moves_no_other_word():
    found = origins("See https://shop.com/a.b. Then buy")
    assert found[0] == ("See", "See")
    assert found[-2:] == [("Then", "Then"), ("buy", "buy")]
    assert {origin for word, origin in found if word in ("[", "link", "]")} == {"https://shop.com/a.b"}


def long_text(word):
    raw = "<p>" + word * 10_000
    clean = clean_text(raw, CORRECTIONS)
    words = np.array(find_words(clean), dtype=np.int64).reshape(-1, 2)
    return raw, clean, words, lambda piece: clean_text(piece, CORRECTIONS)


@pytest.mark.parametrize("word", ["good ", "good <br>", "teh &amp; <b>drss</b>. ", "x&nbsp;"])
def test_ten_thousand_words_are_found_in_seconds(word):
    text = long_text(word)
    started = time.process_time()
    found = find_origins(*text)
    assert time.process_time() - started < 20  # a table of 10,000 by 10,000 takes minutes
    assert (np.diff(found[:, 0]) >= 0).all()
    first, last = (text[0][slice(*found[i])] for i in (0, -1))
    assert (first, last) in {("good", "good"), ("teh", "."), ("x", "x")}


def test_memory_does_not_grow_with_the_square_of_the_text():
    raw = [Piece(i, i + 1, "ab"[i % 2]) for i in range(40_000)]
    clean = [Piece(i, i + 1, "a") for i in range(20_000)]
    tracemalloc.start()
    runs = list(align(raw, [*clean, Piece(20_000, 20_001, "c")]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(run.clean.stop - run.clean.start for run in runs) == 20_001
    assert peak < 30_000_000  # a bit for each pair of pieces would be 100 MB


@given(st.text(alphabet="ab<>&;/ é👍.", max_size=60))
def test_places_ascend_and_lie_in_the_text_whatever_it_is(raw):
    clean = clean_text(raw, CORRECTIONS)
    words = np.array(find_words(clean), dtype=np.int64).reshape(-1, 2)
    found = find_origins(raw, clean, words, lambda piece: clean_text(piece, CORRECTIONS))
    assert found.shape == words.shape
    assert (found >= 0).all()
    assert (found <= len(raw)).all()
    assert (found[:, 0] <= found[:, 1]).all()
    assert (np.diff(found[:, 0]) >= 0).all()


@given(st.text(alphabet="abc", max_size=12), st.text(alphabet="abc", max_size=12))
def test_the_longest_common_subsequence_is_as_long_as_the_table_says(first, second):
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    found = longest_common(first, second)
    assert len(found) == table[-1, -1]
    assert all(first[i] == second[j] for i, j in found)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(found))
