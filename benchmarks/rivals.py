"""The usual ways to clean reviews and to find copies, as people write them; each takes texts or a table of them."""

import re
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from bs4 import BeautifulSoup
from datasketch import MinHash, MinHashLSH
from spellchecker import SpellChecker

_PERMUTATIONS, _THRESHOLD, _SHINGLE = 64, 0.7, 3
"""The settings of our own search, so that each looks for the same copies."""


def pandas_notebook(texts: list[str]) -> pd.DataFrame:
    """Tags off with BeautifulSoup, everything lower-cased, odd characters out, words spelt with pyspellchecker, exact
    copies dropped."""
    reviews = _pandas_without_spelling(texts)
    spell = SpellChecker()
    reviews["text"] = reviews["text"].map(
        lambda text: " ".join(spell.correction(word) or word for word in text.split())
    )
    return reviews


def _pandas_without_spelling(texts: list[str]) -> pd.DataFrame:
    """The same without spelling, by far the most expensive part."""
    reviews = pd.DataFrame({"text": texts})
    reviews["text"] = reviews["text"].map(lambda text: BeautifulSoup(text, "html.parser").get_text()).str.lower()
    reviews["text"] = reviews["text"].map(lambda text: re.sub(r"[^a-z0-9\s]", "", text))
    return reviews.drop_duplicates("text").reset_index(drop=True)


def datasketch(texts: list[str]) -> int:
    """Near copies with MinHash LSH, nothing else; returns how many there are."""
    index = MinHashLSH(threshold=_THRESHOLD, num_perm=_PERMUTATIONS)
    n_copies = 0
    for number, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        signature = MinHash(num_perm=_PERMUTATIONS)
        for start in range(max(len(words) - _SHINGLE + 1, 1)):
            signature.update(" ".join(words[start : start + _SHINGLE]).encode())
        n_copies += bool(index.query(signature))
        index.insert(number, signature)
    return n_copies


RIVALS: dict[str, tuple[Callable[[list[str]], object], int]] = {
    "pandas_notebook": (pandas_notebook, 100),
    "pandas_without_spelling": (_pandas_without_spelling, 20_000),
    "datasketch": (datasketch, 20_000),
}
"""Each with as many reviews as it gets."""


def text_dedup(reviews: Path, scratch: Path, n: int = 20_000) -> float | str:
    """Reviews a second of text-dedup's MinHash LSH with all processors, in an environment of its own, or why it did not
    run. Its start is not counted: on a sample it would weigh too much."""
    folder = scratch / "text-dedup"
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    for command in (["pip"], ["text-dedup"]):  # an old pip finds no wheel of one of its needs
        install = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--upgrade", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        if install.returncode:
            return f"did not install: {install.stderr.strip().splitlines()[-1]}"
    sample = scratch / "sample.parquet"
    pq.write_table(pq.read_table(reviews, columns=["text"]).slice(0, n), sample)
    options = {
        "path": "parquet",
        "data_files": sample,
        "split": "train",
        "cache_dir": scratch / "text-dedup-cache",
        "output": scratch / "text-dedup-output",
        "column": "text",
        "batch_size": 10_000,
        "threshold": _THRESHOLD,
        "num_perm": _PERMUTATIONS,
        "ngram": _SHINGLE,
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    started = time.perf_counter()
    run = subprocess.run([python, "-m", "text_dedup.minhash", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        return f"did not run: {run.stderr.strip().splitlines()[-1]}"
    told = re.search(r"Total\s*:\s*(?:\S+\s*){0,2}?([\d.]+)s", re.sub(r"\S+\.py:\d+", "", run.stdout + run.stderr))
    return n / (float(told[1]) if told else time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit("these are timed by python -m benchmarks.cleaning")
