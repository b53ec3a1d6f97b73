"""The usual ways to clean reviews and to find copies, as people write them; each takes texts or a table of them."""

import re
import subprocess
import venv
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from bs4 import BeautifulSoup
from datasketch import MinHash, MinHashLSH
from spellchecker import SpellChecker

from starsight.params import DuplicateParams


def pandas_notebook(texts: list[str]) -> pd.DataFrame:
    """Tags off with BeautifulSoup, everything lower-cased, odd characters out, words spelt with pyspellchecker, exact
    copies dropped."""
    reviews = pandas_without_spelling(texts)
    spell = SpellChecker()
    reviews["text"] = reviews["text"].map(
        lambda text: " ".join(spell.correction(word) or word for word in text.split())
    )
    return reviews


def pandas_without_spelling(texts: list[str]) -> pd.DataFrame:
    """The same without spelling, by far the most expensive part."""
    reviews = pd.DataFrame({"text": texts})
    reviews["text"] = reviews["text"].map(lambda text: BeautifulSoup(text, "html.parser").get_text()).str.lower()
    reviews["text"] = reviews["text"].map(lambda text: re.sub(r"[^a-z0-9\s]", "", text))
    return reviews.drop_duplicates("text").reset_index(drop=True)


def datasketch(texts: list[str], params: DuplicateParams) -> int:
    """Near copies with MinHash LSH, nothing else; returns how many there are."""
    index = MinHashLSH(threshold=params.min_similarity, num_perm=params.permutations)
    n_copies = 0
    for number, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        signature = MinHash(num_perm=params.permutations)
        for start in range(max(len(words) - params.shingle_words + 1, 1)):
            signature.update(" ".join(words[start : start + params.shingle_words]).encode())
        n_copies += bool(index.query(signature))
        index.insert(number, signature)
    return n_copies


class DidNotRunError(Exception):
    """Why a rival could not be measured."""


def text_dedup(reviews: Path, n: int, params: DuplicateParams, scratch: Path) -> float:
    """Seconds of text-dedup's MinHash LSH on the first ``n`` reviews with all processors, in an environment of its own.
    Its start is not counted: on a sample it would weigh too much.

    Raises:
        DidNotRunError: it cannot be installed here, or fails.
    """
    folder = scratch / "text-dedup"
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    for package in ("pip", "text-dedup"):  # an old pip finds no wheel of one of its needs
        _run("install", python, "-m", "pip", "install", "--quiet", "--upgrade", package)
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
        "threshold": params.min_similarity,
        "num_perm": params.permutations,
        "ngram": params.shingle_words,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    told = _run("run", python, "-m", "text_dedup.minhash", *arguments)
    total = re.search(r"Total\s*:\s*([\d.]+)s", re.sub(r"\S+\.py:\d+", "", told))
    if total is None:
        raise DidNotRunError("text-dedup did not tell its time")
    return float(total[1])


def _run(what: str, *command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DidNotRunError(f"text-dedup did not {what}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout + done.stderr
