"""Where the marks of a small chart go, in the units of its SVG; ``templates/charts.html`` draws them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 460.0, 240.0
"""Of the drawing, in SVG units; the page scales it to the column."""
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 24.0, 34.0
"""Margins, in SVG units, that hold the labels of the axes and the name of a series above its first mark."""
N_TICKS = 4
"""About as many labels on the upright axis."""


@dataclass(frozen=True)
class Tick:
    """A label and where it stands along its axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A point of a line or the top of a bar; ``note`` is said on hovering."""

    x: float
    y: float
    note: str


@dataclass(frozen=True)
class Series:
    """Marks that belong together."""

    name: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> str:
        """The line through the marks, as SVG writes it."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True)
class Chart:
    """A chart of one or several series over the same places."""

    title: str
    x_title: str
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    slot: float
    """Distance of two neighbouring places, in SVG units."""
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def make_chart(title: str, x_title: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> Chart:
    """Lay out ``series``, each with one value of 0 or more, in stars, for each of ``places``."""
    ticks = _ticks(max((value for values in series.values() for value in values), default=0.0))
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(places))
    x = [LEFT + slot * (i + 0.5) for i in range(len(places))]
    step = math.ceil(len(places) / 10) or 1  # more labels than that run into one another

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / ticks[-1])

    return Chart(
        title=title,
        x_title=x_title,
        series=tuple(
            Series(
                name,
                tuple(
                    Mark(at, y(value), f"{name}, {x_title} {place}: {value:.3f} stars")
                    for at, place, value in zip(x, places, values, strict=True)
                ),
            )
            for name, values in series.items()
        ),
        x_ticks=tuple(Tick(at, place) for at, place in list(zip(x, places, strict=True))[::step]),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in ticks),
        slot=slot,
    )


def tick_step(length: float) -> float:
    """1, 2 or 5 times a power of ten, so that about ``N_TICKS`` steps make an axis of that ``length``, above 0."""
    rough = length / N_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _ticks(largest: float) -> list[float]:
    """Round numbers from 0 to at least ``largest``, a step of 1, 2 or 5 times a power of ten apart."""
    largest = max(largest, 0.01)  # a model without errors still has an axis
    step = tick_step(largest)
    return [round(i * step, 9) for i in range(math.ceil(largest / step - 1e-9) + 1)]
