"""What every test may ask for: a tiny checkpoint, and a folder in which stages can run."""

import os
import signal
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, settings
from miniature import make_reviews, tiny_params, tiny_regressor, tiny_tokenizer

from starsight.layout import Layout

# On a busy machine a slow example is no failure. The same examples every time: a commit passes or it does not;
# STARSIGHT_FUZZ=1 draws others.
settings.register_profile(
    "starsight",
    deadline=None,
    derandomize="STARSIGHT_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("starsight")


def pytest_configure() -> None:
    """Heed Ctrl-C, as tests of it need: a shell that starts a command in the background has it ignored, and so would
    every process that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks of two layers are faster on one thread, and the tests themselves share the processors."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``from_pretrained`` reads it: a two-layer BERT with a tokenizer that knows the made-up reviews."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = tiny_tokenizer("bert")
    tiny_regressor("bert", tokenizer).backbone.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for its package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def workspace(tmp_path: Path, tiny_checkpoint: Path) -> Layout:
    """A folder with made-up reviews and cut-down settings, in which stages can run."""
    source = tmp_path / "data/raw/reviews.csv"
    source.parent.mkdir(parents=True)
    make_reviews(150).to_csv(source, index=False)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params(tiny_checkpoint, "data/raw/reviews.csv")))
    return Layout(root=tmp_path, home=tmp_path)
