import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.near import MIN_RECALL, NO_BAND, BandShape, SignatureFiles, candidate_pairs, jaccard, sign
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


def candidates(texts, folder):
    files = SignatureFiles(folder)
    half = len(texts) // 2
    files.append(sign(texts[:half], PARAMS))
    files.append(sign(texts[half:], PARAMS))
    return {tuple(pair) for pair in files.candidates(np.arange(len(texts)), PARAMS).tolist()}


def with_words_changed(words, n, generator):
    changed = list(words)
    for place in generator.sample(range(len(words)), n):
        changed[place] = f"other{generator.random()}"
    return " ".join(changed)


def pairs_of_similarity(low, high, n_changed, seed):
    """300 texts, and as many others, each as similar to its own as is asked for."""
    generator = random.Random(seed)
    pairs = []
    while len(pairs) < 300:
        words = generator.choices(WORDS, k=60)
        n = generator.randrange(n_changed.start, n_changed.stop)
        one, other = " ".join(words), with_words_changed(words, n, generator)
        if low <= jaccard(one, other, 3) <= high:
            pairs.append((one, other))
    return (list(texts) for texts in zip(*pairs, strict=True))


def test_one_changed_word_in_sixty_is_found_and_other_texts_are_not(tmp_path):
    texts = [long_text(seed) for seed in range(200)]
    copies = [f"{text} indeed" for text in texts[:100]]
    assert candidates([*texts, *copies], tmp_path) == {(row, 200 + row) for row in range(100)}


def test_most_pairs_just_above_the_threshold_are_found(tmp_path):
    first, second = pairs_of_similarity(0.70, 0.75, n_changed=range(2, 6), seed=3)
    found = candidates([*first, *second], tmp_path)
    assert len(found & {(row, 300 + row) for row in range(300)}) > 300 * MIN_RECALL


def test_few_pairs_far_below_the_threshold_must_be_compared_though_many_share_a_band(tmp_path):
    first, second = pairs_of_similarity(0.35, 0.45, n_changed=range(8, 16), seed=4)
    share_a_band = (sign(first, PARAMS).bands == sign(second, PARAMS).bands).any(axis=1)
    assert share_a_band.mean() > 0.2
    assert len(candidates([*first, *second], tmp_path)) < 0.05 * 300


def test_the_signature_of_a_text_depends_on_nothing_else():
    texts = [long_text(seed) for seed in range(5)]
    among_others, alone = sign(texts, PARAMS), sign([texts[3]], PARAMS)
    assert (among_others.bands[3] == alone.bands[0]).all()
    assert (among_others.places[3] == alone.places[0]).all()


def test_bands_never_change():
    (bands,) = sign(["the quick brown fox jumps over the lazy dog"], PARAMS).bands
    assert bands[0] == 10826370113297575374


def test_texts_shorter_than_a_shingle_have_no_bands():
    assert (sign(["too short", ""], PARAMS).bands == NO_BAND).all()
    assert candidate_pairs(np.array([NO_BAND, NO_BAND]), np.arange(2)).shape == (0, 2)


def test_no_texts_have_no_bands():
    assert sign([], PARAMS).bands.shape == (0, BandShape.of(PARAMS).n_bands)


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
