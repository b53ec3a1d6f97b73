"""A store of a test's own."""

import pytest

from starsight.layout import Layout


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Layout(tmp_path, tmp_path)
