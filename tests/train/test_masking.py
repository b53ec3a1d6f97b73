import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from starsight.model.tokens import SPECIAL
from starsight.train.masking import hide_words

MASK = 999


def hide(word_ids, share, seed=0):
    ids = np.arange(len(word_ids))
    return hide_words(ids, np.array(word_ids, dtype=np.int32), share, MASK, np.random.default_rng(seed))


@given(st.lists(st.integers(-1, 6), min_size=1, max_size=30), st.floats(0, 0.5), st.integers(0, 100))
def test_whole_words_are_hidden_and_the_tokenizers_own_marks_never(word_ids, share, seed):
    hidden = hide(sorted(word_ids), share, seed) == MASK
    by_word = {}
    for word, is_hidden in zip(sorted(word_ids), hidden, strict=True):
        by_word.setdefault(word, set()).add(bool(is_hidden))
    assert all(len(states) == 1 for states in by_word.values())
    assert by_word.get(SPECIAL, {False}) == {False}


def test_no_share_hides_nothing():
    assert (hide(range(20), 0.0) == np.arange(20)).all()


def test_the_share_is_that_of_all_words_on_average_and_differs_between_reviews():
    shares = [(hide(range(100), 0.2, seed) == MASK).mean() for seed in range(400)]
    assert abs(np.mean(shares) - 0.2) < 0.02
    assert min(shares) < 0.05
    assert 0.35 < max(shares) < 0.55
