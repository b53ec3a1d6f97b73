import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.near import MIN_RECALL, NO_BAND, BandShape, band_hashes, candidate_pairs, jaccard
from starsight.clean.words import WORD, split_words
from starsight.params import DuplicateParams

PARAMS = DuplicateParams(min_similarity=0.7, shingle_words=3, permutations=64)
WORDS = [f"word{i}" for i in range(400)]


def long_text(seed, n=60):
    return " ".join(random.Random(seed).choices(WORDS, k=n))


def test_similarity_is_the_share_of_common_shingles():
    # a b c, b c d, c d e against a b c, b c d, c d f
    assert jaccard("a b c d e", "A b, c d f!", 3) == pytest.approx(2 / 4)
    assert jaccard("a b c d", "a b c d", 3) == 1
    assert jaccard("a b c d", "e f g h", 3) == 0


def test_texts_shorter_than_a_shingle_are_compared_by_what_words_they_have():
    assert jaccard("great", "great!", 3) == 1
    assert jaccard("great", "awful", 3) == 0
    assert jaccard("", "", 3) == 0


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.95])
@pytest.mark.parametrize("permutations", [16, 64, 128])
def test_bands_find_enough_of_the_pairs_at_the_threshold_where_any_shape_does(threshold, permutations):
    shape = BandShape.of(DuplicateParams(min_similarity=threshold, shingle_words=3, permutations=permutations))
    assert shape.n_bands * shape.rows <= permutations
    assert 1 - (1 - threshold**shape.rows) ** shape.n_bands >= MIN_RECALL


def test_one_changed_word_in_sixty_is_found_and_other_texts_are_not():
    texts = [long_text(seed) for seed in range(200)]
    copies = [f"{text} indeed" for text in texts[:100]]
    bands = band_hashes([*texts, *copies], PARAMS)
    found = {tuple(pair) for band in bands.T for pair in candidate_pairs(band, np.arange(300)).tolist()}
    assert found == {(row, 200 + row) for row in range(100)}


def test_most_pairs_just_above_the_threshold_are_found():
    generator = random.Random(3)
    pairs = []
    while len(pairs) < 300:
        words = generator.choices(WORDS, k=60)
        changed = list(words)
        for place in generator.sample(range(60), generator.randrange(2, 6)):
            changed[place] = "other"
        one, other = " ".join(words), " ".join(changed)
        if 0.70 <= jaccard(one, other, 3) <= 0.75:
            pairs.append((one, other))
    first, second = (band_hashes(list(texts), PARAMS) for texts in zip(*pairs, strict=True))
    assert (first == second).any(axis=1).mean() > MIN_RECALL


def test_bands_of_a_text_depend_on_nothing_else():
    texts = [long_text(seed) for seed in range(5)]
    assert (band_hashes(texts, PARAMS)[3] == band_hashes([texts[3]], PARAMS)[0]).all()


def test_bands_never_change():
    (bands,) = band_hashes(["the quick brown fox jumps over the lazy dog"], PARAMS)
    assert bands[0] == 10826370113297575374


def test_texts_shorter_than_a_shingle_have_no_bands():
    assert (band_hashes(["too short", ""], PARAMS) == NO_BAND).all()
    assert candidate_pairs(np.array([NO_BAND, NO_BAND]), np.arange(2)).shape == (0, 2)


def test_no_texts_have_no_bands():
    assert band_hashes([], PARAMS).shape == (0, BandShape.of(PARAMS).n_bands)


def test_a_bucket_of_thousands_makes_few_pairs():
    pairs = candidate_pairs(np.full(5000, 7, dtype=np.uint64), np.arange(5000))
    assert len(pairs) < 2 * 5000
    assert {0, 4999} <= set(pairs.ravel().tolist())


@given(st.lists(st.integers(1, 5), max_size=30))
def test_pairs_join_all_that_share_a_bucket_and_nothing_else(band):
    rows = np.arange(len(band)) * 3
    pairs = candidate_pairs(np.array(band, dtype=np.uint64), rows)
    group = {int(row): value for row, value in zip(rows, band, strict=True)}
    assert all(one < other and group[one] == group[other] for one, other in pairs.tolist())
    joined = {row for pair in pairs.tolist() for row in pair}
    assert joined == {row for row, value in group.items() if band.count(value) > 1}


@given(st.text())
def test_every_word_that_may_be_corrected_is_among_the_words(text):
    assert set(WORD.findall(text.lower())) <= set(split_words(text.lower()))


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_words_of_plain_texts_are_split_as_those_of_others(text):
    assert split_words(text) == split_words(text + " é")[:-1]


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_within_0_and_1(one, other):
    assert jaccard(one, other, 3) == jaccard(other, one, 3)
    assert 0 <= jaccard(one, other, 3) <= 1
