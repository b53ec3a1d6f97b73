"""The objectives: losses known on paper, and contributions that add up to the stars whatever the logits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from starsight.model.head import HeadOutput
from starsight.model.objective import make_objective, median_stars
from starsight.model.target import StarScale, spread_stars

SCALE = StarScale(mean=4.0, spread=0.5)
STARS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])


def output(token_scores, bias):
    """What a head would say with these scores ``(batch, tokens, outputs)`` and bias ``(outputs,)``."""
    token_scores, bias = (torch.as_tensor(each, dtype=torch.float32) for each in (token_scores, bias))
    weights = torch.full(token_scores.shape[:2], 1 / token_scores.shape[1])
    return HeadOutput(token_scores.sum(1) + bias, bias, weights, token_scores)


@pytest.mark.parametrize(("name", "loss"), [("mse", (1 + 16) / 2), ("mae", (1 + 4) / 2), ("huber", (0.5 + 3.5) / 2)])
def test_errors_are_measured_in_spreads_from_the_mean(name, loss):
    logits = torch.tensor([[1.0], [-2.0]])  # 4.5 and 3 stars
    assert make_objective(name, SCALE).loss(logits, torch.tensor([4.0, 5.0])).item() == pytest.approx(loss)


def test_the_loss_of_a_distribution_is_its_cross_entropy_with_the_two_neighbouring_stars():
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1, 0.6]]).log()
    objective = make_objective("distribution", SCALE)
    expected = (-0.75 * math.log(0.3) - 0.25 * math.log(0.2) - math.log(0.6)) / 2
    assert objective.loss(logits, torch.tensor([3.25, 5.0])).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "distribution"])
def test_stars_and_their_targets_give_the_same_loss(name):
    objective = make_objective(name, SCALE)
    logits, stars = torch.randn(3, objective.n_outputs), torch.tensor([1.0, 3.5, 5.0])
    assert objective.target(stars).shape == (3, objective.n_outputs)
    assert torch.equal(objective.loss(logits, stars), objective.loss(logits, objective.target(stars)))


def test_a_mix_of_two_reviews_keeps_both_their_stars():
    objective = make_objective("distribution", SCALE)
    one, five = objective.target(torch.tensor([1.0, 5.0]))
    mixed = (0.5 * one + 0.5 * five)[None]
    logits = torch.tensor([[0.4, 0.1, 0.1, 0.1, 0.3]]).log()
    expected = -(math.log(0.4) + math.log(0.3)) / 2
    assert objective.loss(logits, mixed).item() == pytest.approx(expected)


@given(st.lists(st.floats(1, 5, width=32), min_size=1, max_size=8))
def test_spread_stars_are_a_distribution_with_their_mean(stars):
    shares = spread_stars(torch.tensor(stars))
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(len(stars)))
    torch.testing.assert_close(shares @ STARS, torch.tensor(stars))


def test_stars_outside_the_scale_count_as_its_ends():
    assert spread_stars(torch.tensor([0.3, 5.4])).tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]


def test_a_score_becomes_stars_and_so_do_its_shares():
    rating = make_objective("mae", SCALE).rate(output([[[1.0], [-3.0]]], [0.5]))
    assert rating.stars.tolist() == [3.25]
    assert rating.contributions.tolist() == [[0.5, -1.5]]
    assert rating.bias_stars.item() == 4.25
    assert rating.distribution is None


def test_a_distribution_becomes_its_mean():
    rating = make_objective("distribution", SCALE).rate(output(torch.zeros(1, 1, 5), [0.0, 0.0, 0.0, 0.0, math.log(4)]))
    torch.testing.assert_close(rating.distribution, torch.tensor([[1, 1, 1, 1, 4]]) / 8)
    torch.testing.assert_close(rating.stars, torch.tensor([30 / 8]))
    torch.testing.assert_close(rating.bias_stars, torch.tensor(30 / 8))


def test_tokens_that_pull_the_same_way_share_the_change_as_they_pull():
    way = torch.tensor([-2.0, 0.0, 1.0, 0.0, 3.0])
    rating = make_objective("distribution", SCALE).rate(output(torch.stack([way, 3 * way])[None], torch.zeros(5)))
    change = rating.stars - rating.bias_stars
    torch.testing.assert_close(rating.contributions[0], change * torch.tensor([0.25, 0.75]))


def test_a_token_that_raises_all_logits_alike_contributes_nothing():
    scores = torch.tensor([[[7.0] * 5, [-1.0, 0.0, 0.0, 2.0, 0.0]]])
    rating = make_objective("distribution", SCALE).rate(output(scores, torch.zeros(5)))
    assert rating.contributions[0, 0].abs() < 1e-6
    assert rating.contributions[0, 1] > 0.1


def test_tokens_that_nearly_cancel_keep_their_contributions():
    way = torch.tensor([0.0, 0.0, 0.0, 0.0, 10.0])
    scores = torch.stack([way, torch.tensor([0.0, 0.0, 3e-6, 0.0, 0.0]) - way])[None]
    rating = make_objective("distribution", SCALE).rate(output(scores, [0.1, 0.1, 0.1, 0.1, 0.1]))
    torch.testing.assert_close(rating.contributions, torch.tensor([[4.0, -4.0]]))  # (5 - 3) / 5 stars a logit


def test_contributions_are_the_integral_of_the_gradient_from_the_bias_to_the_logits():
    generator = torch.Generator().manual_seed(4)
    scores, bias = 4 * torch.randn(3, 6, 5, generator=generator), torch.randn(5, generator=generator)
    rating = make_objective("distribution", SCALE).rate(output(scores, bias))

    way, sums = scores.sum(1).double(), torch.zeros(3, 5, dtype=torch.float64)
    for at in (np.arange(4000) + 0.5) / 4000:  # the midpoint rule, and autograd in place of the written-out gradient
        logits = (bias + at * way).requires_grad_()
        (gradient,) = torch.autograd.grad((logits.softmax(-1) @ STARS.double()).sum(), logits)
        sums += gradient / 4000
    expected = (scores.double() * sums[:, None, :]).sum(-1)
    torch.testing.assert_close(rating.contributions.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("largest", [1.0, 30.0, 1000.0])
@given(data=st.data())
def test_contributions_add_up_to_the_stars_whatever_the_logits(largest, data):
    values = st.floats(-largest, largest, width=32)
    scores, bias = (data.draw(arrays(np.float32, shape, elements=values)) for shape in ((2, 4, 5), 5))
    rating = make_objective("distribution", SCALE).rate(output(scores, bias))
    assert torch.isfinite(rating.contributions).all()
    sums = rating.bias_stars + rating.contributions.sum(1)
    torch.testing.assert_close(sums, rating.stars, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("distribution", "median"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.6], 5),
        ([0.6, 0.1, 0.1, 0.1, 0.1], 1),
        ([0.2, 0.2, 0.2, 0.2, 0.2], 3),
        ([0.5, 0.0, 0.0, 0.0, 0.5], 1),  # any star between is as good; the lower end is taken
        ([0.1, 0.1, 0.3, 0.25, 0.25], 3),  # the two halves of 0.1 + 0.1 + 0.3 are rounded below a half
    ],
)
def test_the_median_is_a_star_with_the_smallest_expected_absolute_error(distribution, median):
    shares = torch.tensor([distribution])
    assert median_stars(shares).tolist() == [median]
    errors = (STARS[:, None] - STARS).abs() @ shares[0]
    assert errors[median - 1] <= errors.min() + 1e-6


def test_the_head_of_a_distribution_starts_at_the_mix_of_the_training_stars():
    stars = np.array([5.0] * 6 + [4.0, 4.0, 1.0], dtype=np.float32)
    unit = torch.nn.Linear(3, 5)
    make_objective("distribution", StarScale.fit(stars)).start(unit)
    torch.testing.assert_close(unit.bias.detach().exp(), torch.tensor([2, 1, 1, 3, 7]) / 14)  # one review more each


def test_the_head_of_a_score_starts_as_it_was_drawn():
    unit = torch.nn.Linear(3, 1)
    drawn = unit.bias.detach().clone()
    make_objective("mse", SCALE).start(unit)
    assert torch.equal(unit.bias, drawn)
