"""Error against cost: which models no other beats on both, and where they stand in an SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from starsight.evaluate.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Tick, tick_step
from starsight.intervals import Estimate

_LABEL_HEIGHT = 12.0
_LABEL_WIDTH = 6.2
"""Of a letter, in SVG units, a little too much."""
_MANY = 12
"""From so many points on only those of the front are named."""


@dataclass(frozen=True)
class Point:
    """A model by its cost and its error."""

    name: str
    cost: float
    """Above 0."""
    error: Estimate
    """In stars; NaN bounds are not drawn."""


@dataclass(frozen=True)
class Dot:
    """A point, in SVG units; ``note`` is said on hovering."""

    x: float
    y: float
    low: float | None
    """Where its interval ends below and above; None where it has none."""
    high: float | None
    on_front: bool
    label: str
    label_x: float
    label_y: float
    anchor: str
    """``start`` or ``end``: on which side of the dot the label stands."""
    note: str


@dataclass(frozen=True)
class Scatter:
    """A chart of dots over a logarithmic axis of cost; read by the same macro as ``evaluate.charts.Chart``."""

    title: str
    x_title: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM

    @property
    def front(self) -> str:
        """The line through the front, as SVG writes it."""
        dots = sorted((dot for dot in self.dots if dot.on_front), key=lambda dot: dot.x)
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in dots)


def pareto_front(costs: Sequence[float], errors: Sequence[float]) -> list[bool]:
    """Whether each point is on the front: no other is as good in both and better in one."""
    points = list(zip(costs, errors, strict=True))
    return [
        not any(
            cost <= own_cost and error <= own_error and (cost, error) != (own_cost, own_error) for cost, error in points
        )
        for own_cost, own_error in points
    ]


def make_scatter(title: str, x_title: str, unit: str, points: Sequence[Point]) -> Scatter:
    """Lay out one point or more; ``unit`` of the cost is said on hovering."""
    ends = [[value for value in _ends(point.error) if not math.isnan(value)] for point in points]
    y_ticks = _linear_ticks(min(map(min, ends)), max(map(max, ends)))
    left, right = min(point.cost for point in points) / 1.3, max(point.cost for point in points) * 1.3

    def x(cost: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(cost / left) / math.log(right / left)

    def y(error: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (y_ticks[-1] - error) / (y_ticks[-1] - y_ticks[0])

    fronts = pareto_front([point.cost for point in points], [point.error.value for point in points])
    dots: list[Dot] = []
    for point, on_front in sorted(zip(points, fronts, strict=True), key=lambda each: each[0].error.value):
        at, bounded = x(point.cost), not math.isnan(point.error.low)
        label = point.name if on_front or len(points) < _MANY else ""
        anchor = "end" if at > (LEFT + WIDTH) / 2 else "start"
        label_x = at - 8 if anchor == "end" else at + 8
        dots.append(
            Dot(
                x=at,
                y=y(point.error.value),
                low=y(point.error.low) if bounded else None,
                high=y(point.error.high) if bounded else None,
                on_front=on_front,
                label=label,
                label_x=label_x,
                label_y=_free_height(label, label_x, y(point.error.value) - 5, anchor, dots),
                anchor=anchor,
                note=f"{point.name}: {point.error.value:.3f} stars, {point.cost:,.4g} {unit}",
            )
        )
    return Scatter(
        title=title,
        x_title=x_title,
        dots=tuple(dots),
        x_ticks=tuple(Tick(x(cost), f"{cost:g}") for cost in _logarithmic_ticks(left, right)),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in y_ticks),
    )


def _ends(error: Estimate) -> tuple[float, float, float]:
    return error.low, error.value, error.high


def _free_height(label: str, x: float, y: float, anchor: str, placed: Sequence[Dot]) -> float:
    """The height for a label that no other label is written over: lower and lower until it is free."""
    begin, end = _span(label, x, anchor)
    for other in sorted(placed, key=lambda dot: dot.label_y):
        other_begin, other_end = _span(other.label, other.label_x, other.anchor)
        if begin < other_end and other_begin < end and abs(other.label_y - y) < _LABEL_HEIGHT:
            y = other.label_y + _LABEL_HEIGHT
    return y


def _span(label: str, x: float, anchor: str) -> tuple[float, float]:
    width = _LABEL_WIDTH * len(label)
    return (x - width, x) if anchor == "end" else (x, x + width)


def _linear_ticks(low: float, high: float) -> list[float]:
    """Round numbers around ``low`` and ``high``, a step of 1, 2 or 5 times a power of ten apart."""
    step = tick_step(max(high - low, 0.01))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 9) for i in range(first, max(last, first + 1) + 1)]


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    """Costs between ``low`` and ``high``: powers of ten, with 2 and 5 times them where few would be left."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5), tuple(1 + i / 10 for i in range(90))):
        ticks = [float(f"{factor * 10.0**power:.3g}") for power in powers for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 2:
            break
    return ticks[:: math.ceil(len(ticks) / 6) or 1]
