"""How fast cleaning is, how much memory it takes, and how both grow; beside the usual ways to do the same.

    python -m benchmarks.cleaning

Prints a table and, as its last line, a JSON object. What is timed of ours is the whole stage as a user starts it
(``python -m stages.clean``: the start of the interpreter and of its workers, reading, writing and the report too), on
the 192,544 RentTheRunway reviews. Memory is the resident memory of the stage and all its workers added up, sampled;
pages that they share count more than once.

Growth is measured on made-up tables of 200 thousand and 2 million reviews, whose reviews are sentences of the real ones
in a new order, each as long as a real one. Ratios compare throughput in reviews a second in this run. The rivals are
slow, so they get a sample, and are given one process, as in the notebooks that they are taken from.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.rivals import RIVALS, text_dedup
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import load_params
from starsight.records import REVIEW_SCHEMA
from starsight.workers import processors

REPOSITORY = Path(__file__).resolve().parents[1]
_SAMPLED_EVERY_S = 0.05
_BATCH = 10_000
SMALL, LARGE = 200_000, 2_000_000


@dataclass(frozen=True)
class Measured:
    """One run of the stage."""

    n_reviews: int
    seconds: float
    peak_rss_mib: float

    @property
    def reviews_per_s(self) -> float:
        """Throughput."""
        return self.n_reviews / self.seconds


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=int, default=LARGE, help="reviews of the large table (default: %(default)s)")
    parser.add_argument("--without-rivals", action="store_true", help="measure ours alone")
    options = parser.parse_args()

    scratch = REPOSITORY / "scratch/benchmarks"
    real = _real_reviews(scratch)
    ours = measure_stage(real, scratch)
    small = measure_stage(_made_up(real, SMALL, scratch), scratch)
    large = measure_stage(_made_up(real, options.large, scratch), scratch)
    rows = [
        ("starsight, the whole stage", ours),
        (f"starsight, {SMALL:,} made-up reviews", small),
        (f"starsight, {options.large:,} made-up reviews", large),
    ]
    out = sys.stdout
    out.write(f"{processors()} processes\n\n{'what':<60}{'reviews':>11}{'s':>9}{'reviews/s':>11}{'peak MiB':>10}\n")
    for name, run in rows:
        out.write(
            f"{name:<60}{run.n_reviews:>11,}{run.seconds:>9.1f}{run.reviews_per_s:>11,.0f}{run.peak_rss_mib:>10,.0f}\n"
        )
        out.flush()
    result = {
        "reviews_per_s": round(ours.reviews_per_s),
        "peak_rss_mib": round(ours.peak_rss_mib),
        "rss_growth": round(large.peak_rss_mib / small.peak_rss_mib - 1, 3),
        "time_growth_per_row": round(small.reviews_per_s / large.reviews_per_s, 3),
        "processes": processors(),
    }
    if not options.without_rivals:
        texts = pq.read_table(real, columns=["text"])["text"].to_pylist()
        for name, (rival, n) in RIVALS.items():
            seconds = _timed(rival, texts[:n])
            out.write(f"{name:<60}{n:>11,}{seconds:>9.1f}{n / seconds:>11,.0f}\n")
            out.flush()
            result[f"ratio_vs_{name.partition(':')[0]}"] = round(ours.reviews_per_s / (n / seconds), 1)
        out.write(f"text-dedup: {text_dedup(real, scratch)}\n")
    out.write(json.dumps(result) + "\n")


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


def _made_up(real: Path, n: int, scratch: Path) -> Path:
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
            columns["text"] = pc.binary_join(pa.ListArray.from_arrays(offsets, sentences), ". ")
            columns["review_id"] = pa.array([f"m{first + row}" for row in range(size)])
            file.write_table(pa.table(columns).cast(REVIEW_SCHEMA))
    return path


def _timed(work: Callable[[list[str]], object], texts: list[str]) -> float:
    started = time.perf_counter()
    work(texts)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
