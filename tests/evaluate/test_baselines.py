import numpy as np
import pytest

from starsight.errors import DataError
from starsight.evaluate.baselines import best_constant, ridge_on_states, ridge_predictions
from starsight.metrics import accuracy, macro_mae, mae, rmse, skill, spearman, within_one

PRAISE, COMPLAINT, FILLER = (
    ["lovely", "perfect", "great"],
    ["awful", "broken", "cheap"],
    ["the", "dress", "was", "in", "my", "size"],
)


def make_reviews(n, seed):
    generator = np.random.default_rng(seed)
    stars = generator.integers(1, 6, n).astype(float)
    texts = [
        " ".join(
            [
                *generator.choice(FILLER, 4),
                *(generator.choice(PRAISE if generator.random() < (s - 1) / 4 else COMPLAINT) for _ in range(8)),
            ]
        )
        for s in stars
    ]
    return texts, stars


@pytest.fixture(scope="module")
def reviews():
    return [make_reviews(n, seed) for seed, n in enumerate((400, 100, 100))]


@pytest.mark.parametrize(
    ("metric", "constant"),
    [(mae, 4.5), (rmse, 3.75), (macro_mae, 4.0), (skill, 3.75), (accuracy, 4.5), (within_one, 4.5), (spearman, 4.5)],
)
def test_the_best_constant_is_that_of_the_metric(metric, constant):
    assert best_constant(metric, np.array([1.0, 5.0, 5.0, 4.0])) == constant


def test_training_reviews_without_a_word_in_common_are_one_line():
    stars = np.array([1.0, 5.0])
    for texts in (["one", "two"], ["☺", "☹"]):
        with pytest.raises(DataError, match="no word stands in two of the 2 training reviews"):
            ridge_predictions(texts, stars, texts, stars, texts, [1.0])


def test_ridge_beats_the_best_constants(reviews):
    train, validation, (texts, stars) = reviews
    ridge = ridge_predictions(*train, *validation, texts, [0.1, 1.0, 10.0])
    assert mae(stars, ridge.stars_pred) < 0.7 * mae(stars, np.full(100, best_constant(mae, train[1])))
    assert rmse(stars, ridge.stars_pred_rmse) < 0.7 * rmse(stars, np.full(100, best_constant(rmse, train[1])))


def test_ridge_stays_between_one_and_five_stars(reviews):
    train, validation, _ = reviews
    ridge = ridge_predictions(*train, *validation, ["lovely " * 50, "awful " * 50, ""], [0.01])
    assert ridge.stars_pred.shape == (3,)
    assert ridge.stars_pred.min() >= 1
    assert ridge.stars_pred.max() <= 5


def test_the_strength_is_the_one_that_does_best_on_validation(reviews):
    train, validation, (texts, _) = reviews
    ridge = ridge_predictions(*train, *validation, texts, [1.0, 1e6])
    assert (ridge.alpha, ridge.alpha_rmse) == (1.0, 1.0)


def test_ridge_gives_the_same_numbers_twice(reviews):
    train, validation, (texts, _) = reviews
    first, again = (ridge_predictions(*train, *validation, texts, [1.0]) for _ in range(2))
    assert np.array_equal(first.stars_pred, again.stars_pred)


def make_states(n, seed):
    """States of which one direction, on a scale of its own, says the stars."""
    generator = np.random.default_rng(seed)
    states = generator.normal(size=(n, 6)).astype(np.float32)
    stars = np.clip(3 + 1.2 * states[:, 2], 1, 5).astype(float)
    states[:, 2] *= 1e-3
    return states, stars


def test_ridge_on_states_finds_what_they_know_of_the_stars_whatever_its_scale():
    train, validation, (states, stars) = (make_states(n, seed) for seed, n in enumerate((300, 100, 100)))
    ridge = ridge_on_states(*train, *validation, states, [1.0, 1e6])
    assert (ridge.alpha, ridge.alpha_rmse) == (1.0, 1.0)
    assert mae(stars, ridge.stars_pred) < 0.2
    assert ridge.stars_pred.min() >= 1
    assert ridge.stars_pred.max() <= 5
