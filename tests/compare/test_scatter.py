"""The front of error against cost, and where its dots stand."""

import math
from itertools import pairwise

import pytest

from starsight.compare.scatter import Point, make_scatter, pareto_front
from starsight.intervals import Estimate


def point(name, cost, error):
    return Point(name, cost, Estimate(error, error - 0.02, error + 0.02))


def test_the_front_holds_what_nothing_else_beats_in_both():
    costs, errors = [1.0, 2.0, 3.0, 4.0, 2.0], [0.5, 0.4, 0.45, 0.3, 0.6]
    assert pareto_front(costs, errors) == [True, True, False, True, False]


def test_of_two_equals_both_are_on_the_front():
    assert pareto_front([1.0, 1.0, 1.0], [0.4, 0.4, 0.5]) == [True, True, False]


def test_cheaper_stands_further_left_and_closer_further_down():
    chart = make_scatter("t", "ms", "ms", [point("dear", 100.0, 0.3), point("cheap", 1.0, 0.5)])
    dots = {dot.label: dot for dot in chart.dots}
    assert dots["cheap"].x < dots["dear"].x
    assert dots["cheap"].y < dots["dear"].y  # SVG counts downwards
    assert all(dot.high < dot.y < dot.low for dot in chart.dots)
    assert chart.front.count(",") == 2


@pytest.mark.parametrize("costs", [[5.0], [5.0, 5.0], [0.001, 1e6], [3.0, 3.1]])
def test_a_scatter_can_be_drawn_of_anything(costs):
    chart = make_scatter("t", "s", "s", [point(str(i), cost, 0.4) for i, cost in enumerate(costs)])
    assert 1 <= len(chart.x_ticks) <= 7
    assert all(chart.left <= tick.at <= chart.right for tick in chart.x_ticks)
    assert all(chart.left < dot.x < chart.right for dot in chart.dots)


def test_no_label_is_written_over_another():
    chart = make_scatter("t", "s", "s", [point(f"model {i}", 10.0 + i / 100, 0.4) for i in range(6)])
    heights = sorted(dot.label_y for dot in chart.dots)
    assert all(below - above >= 11.9 for above, below in pairwise(heights))


def test_a_run_without_an_interval_has_a_dot_alone():
    chart = make_scatter("t", "s", "s", [Point("a", 1.0, Estimate(0.4, math.nan, math.nan))])
    assert chart.dots[0].low is None
