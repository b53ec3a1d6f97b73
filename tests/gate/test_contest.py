"""Both models rate the same reviews, in turn, and what they cost is told apart from what the machine does."""

import time

import numpy as np
import pytest

from starsight.gate.contest import rate_in_turn


class Sleeper:
    """Gives the number of a text as its stars, and takes its time."""

    def __init__(self, seconds, log):
        self.seconds, self.log = seconds, log

    def rate_clean_texts(self, texts):
        time.sleep(self.seconds * len(texts))
        self.log.append((self, len(texts)))
        return np.array([float(text) for text in texts])


def test_every_text_is_rated_once_by_each_in_its_own_place_and_the_first_one_changes():
    log = []
    models = [Sleeper(0.0, log), Sleeper(0.0, log)]
    stars, _ = rate_in_turn(models, [str(i) for i in range(100)])
    assert all(list(each) == list(range(100)) for each in stars)
    timed = [models.index(model) for model, _ in log[2:]]  # the first two warm up
    assert timed == [0, 1, 1, 0] * 4


def test_the_seconds_of_a_slow_model_are_its_own():
    _, seconds = rate_in_turn([Sleeper(0.001, []), Sleeper(0.004, [])], ["1"] * 40)
    assert np.median(seconds[1] / seconds[0]) == pytest.approx(4, rel=0.5)


def test_fewer_texts_than_blocks_are_rated_one_by_one():
    (stars,), (seconds,) = rate_in_turn([Sleeper(0.0, [])], ["1", "2", "3"])
    assert list(stars) == [1, 2, 3]
    assert len(seconds) == 3
    assert (seconds > 0).all()
