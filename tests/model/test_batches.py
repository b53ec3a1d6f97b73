"""Batches: each review once, like lengths together, the same order for the same seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from starsight.model.batches import WIDTH_STEP, batches_by_length, pad, shuffled_batches

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=300).map(np.array)


@given(lengths=LENGTHS, batch_size=st.integers(1, 40), seed=st.integers(0, 9), epoch=st.integers(1, 5))
def test_every_review_is_in_exactly_one_batch(lengths, batch_size, seed, epoch):
    for batches in (shuffled_batches(lengths, batch_size, seed, epoch), batches_by_length(lengths, batch_size)):
        assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
        assert all(1 <= len(rows) <= batch_size for rows in batches)


def test_the_same_seed_and_epoch_give_the_same_batches_and_another_epoch_others():
    lengths = np.random.default_rng(0).integers(5, 100, 500)
    first, again, next_epoch = (shuffled_batches(lengths, 16, 3, epoch) for epoch in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, next_epoch, strict=True))


def test_sorting_by_length_saves_most_of_the_padding():
    lengths = np.random.default_rng(0).integers(5, 128, 4096)
    padded = sum(lengths[rows].max() * len(rows) for rows in shuffled_batches(lengths, 16, 0, 1))
    assert padded / lengths.sum() < 1.05


def test_padding_goes_to_the_right_and_is_masked():
    ids, mask = pad([np.array([7, 8, 9]), np.array([5])], pad_id=1)
    assert ids[:, :4].tolist() == [[7, 8, 9, 1], [5, 1, 1, 1]]
    assert mask.sum(1).tolist() == [3, 1]
    assert mask[:, :2].tolist() == [[True, True], [True, False]]


@given(lengths=st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_batches_come_in_few_widths_and_hold_the_longest_review(lengths):
    ids, mask = pad([np.ones(n, dtype=np.int64) for n in lengths], pad_id=0)
    assert ids.shape == mask.shape
    assert ids.shape[1] % WIDTH_STEP == 0
    assert max(lengths) <= ids.shape[1] < max(lengths) + WIDTH_STEP
