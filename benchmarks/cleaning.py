"""How fast cleaning is, how much memory it takes, and how both grow; beside the usual ways to do the same.

    python -m benchmarks.cleaning

Prints a table and, as its last line, a JSON object. What is timed of ours is the whole stage as a user starts it
(``python -m stages.clean``: the start of the interpreter and of its workers, reading, writing and the report too), on
the 192,544 RentTheRunway reviews. Memory is the resident memory of the stage and all its workers added up, sampled;
pages that they share count more than once.

Growth is measured on made-up tables of 200 thousand and 2 million reviews, whose reviews are sentences of the real ones
in a new order, each as long as a real one, and every tenth a near copy of the one before. Their words are those of the
real reviews, so the vocabulary does not grow with them.

Ratios compare throughput in reviews a second in this run: ours on all processors, start and all, with theirs on a
sample, in one process as in the notebooks that they are taken from (text-dedup uses all processors, and its start is
not counted). pandas_notebook drops tags, signs, case and exact copies and corrects spelling; nearly all of its time is
spelling, so the same without it stands beside it. datasketch and text_dedup look for near copies and do nothing
else.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.rivals import DidNotRunError, datasketch, pandas_notebook, pandas_without_spelling, text_dedup
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import load_params
from starsight.records import REVIEW_SCHEMA
from starsight.workers import processors

REPOSITORY = Path(__file__).resolve().parents[1]
_SAMPLED_EVERY_S = 0.05
_BATCH = 10_000
_COPIED = 0.1
"""Share of the made-up reviews that are the review before them, one word longer."""


@dataclass(frozen=True)
class Measured:
    """One run."""

    n_reviews: int
    seconds: float
    peak_rss_mib: float = math.nan

    @property
    def reviews_per_s(self) -> float:
        """Throughput."""
        return self.n_reviews / self.seconds

    def say(self, name: str) -> None:
        """Print it as a row of the table."""
        peak = "" if math.isnan(self.peak_rss_mib) else f"{self.peak_rss_mib:,.0f}"
        _say(f"{name:<58}{self.n_reviews:>11,}{self.seconds:>8.1f}{self.reviews_per_s:>11,.0f}{peak:>10}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, default=200_000, help="reviews of the small table (%(default)s)")
    parser.add_argument("--large", type=int, default=2_000_000, help="reviews of the large table (%(default)s)")
    parser.add_argument("--without-rivals", action="store_true", help="measure ours alone")
    options = parser.parse_args()

    scratch = REPOSITORY / "scratch/benchmarks"
    real = _real_reviews(scratch)
    _say(f"{processors()} processes\n\n{'what':<58}{'reviews':>11}{'s':>8}{'reviews/s':>11}{'peak MiB':>10}")
    ours = measure_stage(real, scratch)
    ours.say("starsight, the whole stage")
    small, large = (measure_stage(make_up(real, n, scratch), scratch) for n in (options.small, options.large))
    small.say("starsight, made-up reviews")
    large.say("starsight, made-up reviews")
    result: dict[str, float] = {
        "reviews_per_s": round(ours.reviews_per_s),
        "peak_rss_mib": round(ours.peak_rss_mib),
        "rss_growth": round(large.peak_rss_mib / small.peak_rss_mib - 1, 3),
        "time_growth_per_row": round(small.reviews_per_s / large.reviews_per_s, 3),
        "processes": processors(),
    }
    if not options.without_rivals:
        result |= {f"ratio_vs_{name}": ratio for name, ratio in _ratios(ours, real, scratch)}
    _say(json.dumps(result))


def _ratios(ours: Measured, real: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """How many times a rival's throughput ours is, by the rival's name."""
    params = load_params(REPOSITORY / "params.yaml").clean.duplicates
    texts = pq.read_table(real, columns=["text"])["text"].to_pylist()
    rivals: dict[str, tuple[int, Callable[[int], float]]] = {
        "pandas_notebook": (100, lambda n: _timed(pandas_notebook, texts[:n])),
        "pandas_without_spelling": (20_000, lambda n: _timed(pandas_without_spelling, texts[:n])),
        "datasketch": (20_000, lambda n: _timed(partial(datasketch, params=params), texts[:n])),
        "text_dedup": (20_000, lambda n: text_dedup(real, n, params, scratch)),
    }
    for name, (n, measure) in rivals.items():
        try:
            rival = Measured(n, measure(n))
        except DidNotRunError as reason:
            _say(str(reason))
            continue
        rival.say(name)
        yield name, round(ours.reviews_per_s / rival.reviews_per_s, 1)


def measure_stage(reviews: Path, scratch: Path) -> Measured:
    """Run the clean stage on a table in a folder of its own."""
    folder = scratch / "run"
    interim = folder / "data/interim"
    interim.mkdir(parents=True, exist_ok=True)
    (interim / "reviews.parquet").unlink(missing_ok=True)
    (interim / "reviews.parquet").hardlink_to(reviews)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params |= {"model": "none", "models": {"none": {"family": "bert", "checkpoint": "scratch"}}}  # none is read here
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    environment["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'src'}"
    started = time.perf_counter()
    stage = psutil.Popen([sys.executable, "-m", "stages.clean"], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    peak = 0
    while stage.poll() is None:
        peak = max(peak, _resident(stage))
        time.sleep(_SAMPLED_EVERY_S)
    seconds = time.perf_counter() - started
    if stage.returncode:
        raise SystemExit(f"the clean stage failed; see {folder / 'scratch/logs/clean.log'}")
    return Measured(pq.read_metadata(reviews).num_rows, seconds, peak / 2**20)


def _resident(stage: psutil.Process) -> int:
    """Bytes that the stage and its workers hold now."""
    total = 0
    try:
        for process in [stage, *stage.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:  # ended between the two looks
        pass
    return total


def _real_reviews(scratch: Path) -> Path:
    """The ingested RentTheRunway reviews."""
    layout = Layout(root=scratch / "real", home=REPOSITORY)
    params = load_params(REPOSITORY / "params.yaml")
    ingest(params.datasets["renttherunway"], layout, params.ingest)
    return layout.reviews


def make_up(real: Path, n: int, scratch: Path) -> Path:
    """``n`` reviews whose sentences come from the real ones, in a new order."""
    path = scratch / f"made-up-{n}.parquet"
    generator = np.random.default_rng(n)
    table = pq.read_table(real)
    per_review = [text.split(". ") for text in table["text"].to_pylist()]
    lengths = np.array([len(sentences) for sentences in per_review])
    pool = pa.array([sentence for sentences in per_review for sentence in sentences])
    with pq.ParquetWriter(path, REVIEW_SCHEMA, compression="zstd") as file:
        for first in range(0, n, _BATCH):
            size = min(_BATCH, n - first)
            chosen = generator.choice(lengths, size)
            offsets = pa.array(np.concatenate([[0], np.cumsum(chosen)]), pa.int32())
            sentences = pool.take(pa.array(generator.integers(0, len(pool), int(chosen.sum()))))
            batch = table.take(pa.array(generator.integers(0, table.num_rows, size)))
            columns = {name: batch[name] for name in REVIEW_SCHEMA.names}
            texts = pc.binary_join(pa.ListArray.from_arrays(offsets, sentences), ". ").to_pylist()
            for row in np.flatnonzero(generator.random(size - 1) < _COPIED) + 1:
                texts[row] = f"{texts[row - 1]} indeed"
            columns["text"] = pa.array(texts)
            columns["review_id"] = pa.array([f"m{first + row}" for row in range(size)])
            file.write_table(pa.table(columns).cast(REVIEW_SCHEMA))
    return path


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _timed(work: Callable[[list[str]], object], texts: list[str]) -> float:
    started = time.perf_counter()
    work(texts)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
