"""What each family of backbones makes of the same reviews: the pipeline's own stages, one row of ``models`` after the
other.

    python -m benchmarks.families REVIEWS WEIGHTS

REVIEWS is a file of reviews in SNAP's format (plain or packed). WEIGHTS is a folder with a checkpoint in each
subfolder, named as in ``ROWS``; a checkpoint that is not there is left out, and said. Prints a row a family as it
comes, and as the last line a JSON object: for each row its errors on the test reviews with their intervals, training
reviews a second, and peak memory of the training. Reports and logs stay in scratch/benchmarks/families.

All learn from the same reviews for the same number of epochs, at the rates of ``params.yaml``; the best epoch is kept.
Backbones of random weights learn at ten times that rate. A small comparison: it shows that every family works, not
which is best. ``--faithfulness-reviews N`` also explains, and asks of N reviews how
far each kind of explanation is true.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from starsight.tables import read_csv, read_json

REPOSITORY = Path(__file__).resolve().parents[1]

ROWS: Final = {
    "minilm": {"family": "bert"},
    "bert-tiny": {"family": "bert"},
    "roberta": {"family": "roberta"},
    "t5": {"family": "t5"},
    "esm": {"family": "esm"},
    "mpnet": {"family": "mpnet"},
    "smollm2": {"family": "llama"},
    "xlnet-scratch": {"family": "xlnet", "checkpoint": "scratch"},
    "gpt-scratch": {"family": "gpt2", "checkpoint": "scratch"},
}
"""Rows of ``models``, by their name."""

_PREPARE = ("ingest", "clean", "validate")
_MEASURE = ("tokenize", "adapt", "finetune", "evaluate")
_SCRATCH_RATE = 2.0e-4


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reviews", type=Path, help="a file in SNAP's format")
    parser.add_argument("weights", type=Path, help="a folder of checkpoints")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--train-reviews", type=int, default=1000, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--faithfulness-reviews", type=int, default=0, help="explain, too (%(default)s: no)")
    options = parser.parse_args()

    root = REPOSITORY / "scratch/benchmarks/families"
    shared = root / "reviews"
    _write_params(shared, _params("minilm", ROWS["minilm"], options))
    for stage in _PREPARE:
        _run(stage, shared)
    _say(f"{'row':<16}{'MAE':>22}{'RMSE':>22}{'reviews/s':>11}{'peak MiB':>10}{'epochs':>8}")
    results = {}
    for name in options.rows:
        if "checkpoint" not in ROWS[name] and not (options.weights / name).is_dir():
            _say(f"{name:<16} left out: {options.weights / name} does not exist")
            continue
        results[name] = measure(name, root / name, shared, options)
        _say(_row(name, results[name]))
    _say(json.dumps(results))


def measure(name: str, folder: Path, shared: Path, options: argparse.Namespace) -> dict[str, float]:
    """Fine-tune and evaluate one row, in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_params(folder, _params(name, ROWS[name], options))
    shutil.copytree(shared / "data", folder / "data", copy_function=os.link)
    shutil.copytree(shared / "reports", folder / "reports")
    for stage in (*_MEASURE, "explain") if options.faithfulness_reviews else _MEASURE:
        _run(stage, folder)
    metrics, training = read_json(folder / "reports/metrics.json"), read_json(folder / "reports/training.json")
    errors = {key: value for key, value in metrics.items() if key.startswith(("test_mae", "test_rmse", "ridge_"))}
    if options.faithfulness_reviews:
        _say(f"\n{name}, {options.faithfulness_reviews} reviews\n{_faithfulness(folder)}\n")
    return errors | {key: training[key] for key in ("reviews_per_s", "peak_memory_mib", "n_parameters", "epochs")}


def _params(name: str, row: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["datasets"]["chosen"] = {"format": "snap", "source": str(options.reviews.resolve())}
    params["models"][name] = {"checkpoint": str((options.weights / name).resolve())} | row
    params |= {"dataset": "chosen", "model": name}
    params["finetune"] |= {
        "max_train_reviews": options.train_reviews,
        "max_validation_reviews": 300,
        "epochs": options.epochs,
        "patience": options.epochs,
        "warmup_steps": 20,
    }
    if options.faithfulness_reviews:
        n = options.faithfulness_reviews
        params["explain"] |= {"faithfulness_reviews": n, "shap_reviews": max(2, n // 5), "shap_evaluations": 200}
    if row.get("checkpoint") == "scratch":
        params["finetune"] |= {"learning_rate": _SCRATCH_RATE, "head_learning_rate": _SCRATCH_RATE}
    return params


def _faithfulness(folder: Path) -> str:
    """The table of methods, with 95 % intervals."""
    table = read_csv(folder / "reports/explanations/faithfulness.csv")
    shown = pd.DataFrame({"method": table["label"]})
    for measure in ("comprehensiveness_10", "sufficiency_10", "tau"):
        ends = table[[measure, f"{measure}_low", f"{measure}_high"]].itertuples(index=False)
        shown[measure] = ["{:.3f} ({:.3f} to {:.3f})".format(*each) for each in ends]
    return shown.to_string(index=False)


def _write_params(folder: Path, params: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def _run(stage: str, folder: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC", "MLFLOW"))}
    environment["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'src'}"
    command = [sys.executable, "-m", f"stages.{stage}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder.name}: {done.stderr.strip().splitlines()[-1]}")


def _row(name: str, result: dict[str, float]) -> str:
    errors = [
        f"{result[f'test_{error}']:.3f} ({result[f'test_{error}_low']:.3f}-{result[f'test_{error}_high']:.3f})"
        for error in ("mae", "rmse")
    ]
    return (
        f"{name:<16}{errors[0]:>22}{errors[1]:>22}{result['reviews_per_s']:>11.1f}"
        f"{result['peak_memory_mib']:>10,.0f}{result['epochs']:>8.0f}"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
