from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starsight.layout import Layout
from starsight.params import Columns, CsvDataset, RatingColumn


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path, home=tmp_path)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., CsvDataset]:
    """Writes a table to data/raw/reviews.csv and says how to read it."""

    def write(content: str | bytes, name: str = "data/raw/reviews.csv", **settings: Any) -> CsvDataset:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        columns = Columns(
            text="text",
            rating=RatingColumn(column="stars", scale=settings.pop("scale", [1.0, 5.0])),
            **settings.pop("columns", {}),
        )
        return CsvDataset(**{"format": "csv", "source": name, "columns": columns} | settings)

    return write
