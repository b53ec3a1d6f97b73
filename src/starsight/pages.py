"""Turn a template into a self-contained page: no network, no scripts from elsewhere, every value escaped."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from starsight.tables import write_text


def write_page(template: str, path: Path, **values: Any) -> None:
    """Fill the template of that name with ``values`` and write it as UTF-8."""
    write_text(_environment().get_template(template).render(values), path)


def stars(value: float, digits: int = 3) -> str:
    """A number of stars: 0.372."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A change in stars, with a true minus sign: +0.012, −0.012."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")  # + 0.0 turns -0.0 into 0.0


def interval(low: float, high: float, digits: int = 3, show: Callable[[float, int], str] = stars) -> str:
    """Two ends of stars, or with ``signed`` of a change in them: 0.351 to 0.393."""
    return f"{show(low, digits)} to {show(high, digits)}"


def p_figure(p: float) -> str:
    """A P value under a heading that says so: 0.012, or < 0.001."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_value(p: float) -> str:
    """A P value: P = 0.012, or P < 0.001."""
    return f"P {p_figure(p)}" if p < 0.001 else f"P = {p_figure(p)}"


def percent(share: float, digits: int = 1) -> str:
    """A share of a whole, 0 to 1: 91.0 %."""
    return f"{100 * share:.{digits}f} %"


def count(value: float) -> str:
    """A whole number in groups of three digits: 12,345."""
    return f"{value:,.0f}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("starsight"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        stars=stars, signed=signed, p_figure=p_figure, p_value=p_value, percent=percent, count=count
    )
    return environment
