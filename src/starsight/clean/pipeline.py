"""From ingested reviews to clean ones: texts, copies, spelling, splits, and an account of every row.

Memory is flat in the number of reviews: texts stream through worker processes, batch by batch, and in between
only a few numbers a review are held at once.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from starsight.clean.batch import Batch, Decided, Store, correct, count_dropped, finish, prepare
from starsight.clean.copies import Copies, find_copies, settle, similarities
from starsight.clean.duplicates import REASON_CODES, UNDATED, Index, exact_copies, same_once_corrected
from starsight.clean.examples import Example, few
from starsight.clean.leakage import Leakage
from starsight.clean.near import SignatureFiles
from starsight.clean.report import CleanReport, NearCopy
from starsight.clean.spelling import Correction, WordCounts, find_corrections
from starsight.params import CleanParams, SplitParams
from starsight.progress import progress, track
from starsight.records import CLEAN_SCHEMA, DROPPED_SCHEMA, REVIEW_SCHEMA
from starsight.split import SPLIT_CODES, splits_by_age
from starsight.tables import check_columns, growing_table, own_folder
from starsight.workers import Workers

log = logging.getLogger(__name__)

_NEAR_COPIES_SHOWN = 5


class Output(NamedTuple):
    """Where the reviews go."""

    kept: Path
    """Columns of ``CLEAN_SCHEMA``, in the order of the ingested reviews."""
    dropped: Path
    """Columns of ``DROPPED_SCHEMA``."""


def clean_reviews(
    reviews: Path, output: Output, scratch: Path, params: CleanParams, *, veto: frozenset[str], n_workers: int
) -> CleanReport:
    """Clean every review, drop empty and repeated ones, and give the rest a split.

    Args:
        reviews: a table with the columns of ``REVIEW_SCHEMA``.
        output: written beside its name first, so a stop leaves the tables of an earlier run.
        scratch: below it this run keeps texts and signatures in a folder of its own, gone afterwards.
        params: how to clean.
        veto: words that are never corrected, in lower case.
        n_workers: most processes to work in.
    """
    with own_folder(scratch) as folder:
        store = Store.of(_batches(reviews, folder))
        with Workers(min(n_workers, max(len(store.batches), 1))) as pool:
            return _clean(store, SignatureFiles(folder), output, params, veto, pool)


def _clean(
    store: Store, signatures: SignatureFiles, output: Output, params: CleanParams, veto: frozenset[str], pool: Workers
) -> CleanReport:
    log.info("%d reviews in %d batches, %d processes", len(store), len(store.batches), pool.n)
    noted = _prepare(store, signatures, params, pool)
    exact = exact_copies(noted.index.key, noted.index.empty)
    near = find_copies(noted.index, exact, signatures, store, params.duplicates, pool)
    copies = settle(noted.index, exact, near, store)
    for words in _words_of_dropped(copies, store, pool):
        noted.words.subtract(words)

    corrections = find_corrections(noted.words, params.spelling, veto=veto)
    corrected, key = _correct(store, noted.index, corrections, pool)
    if len(alike := same_once_corrected(key, noted.index)):
        copies = settle(noted.index, exact, np.concatenate([near, alike]), store)

    split = _splits(noted.index, copies, params.split)
    copies = copies.without_disputed(test=split == SPLIT_CODES["test"])
    similarity = similarities(copies, store, params.duplicates, pool)
    decided = _decided(store, copies, similarity, split, noted.index, corrected)
    _write(decided, output, pool, n_reviews=len(store))
    train, test = (copies.kept & (split == SPLIT_CODES[name]) for name in ("train", "test"))
    return CleanReport(
        n_reviews=len(store),
        dropped=Counter({reason: int((copies.reason == code).sum()) for reason, code in REASON_CODES.items()}),
        n_disputed=copies.n_disputed,
        changed=noted.changed,
        examples=few(noted.examples),
        near_copies=_some_near_copies(copies, similarity, store),
        corrections=corrections,
        n_corrected=int((corrected & copies.kept).sum()),
        splits=Counter({name: int((split[copies.kept] == code).sum()) for name, code in SPLIT_CODES.items()}),
        random=Leakage.of_random_split(copies, ~noted.index.empty, params.split),
        final=Leakage.of(copies, train=train, test=test),
    )


@dataclass(frozen=True)
class _Noted:
    """What the first pass over all reviews brings."""

    index: Index
    words: WordCounts
    changed: Counter[str]
    examples: list[Example]


def _prepare(store: Store, signatures: SignatureFiles, params: CleanParams, pool: Workers) -> _Noted:
    index, words, changed, examples = Index.of_size(len(store)), WordCounts(), Counter[str](), list[Example]()
    done = 0
    with progress("clean", len(store), unit="reviews") as bar:
        for prepared in pool.map(partial(prepare, params=params), store.batches):
            index.fill(done, prepared.index)
            done += len(prepared.index)
            if prepared.signatures is not None:
                signatures.append(prepared.signatures)
            words.update(prepared.words)
            changed.update(prepared.changed)
            examples = few([*examples, *prepared.examples])
            bar.update(len(prepared.index))
    return _Noted(index, words, changed, examples)


def _words_of_dropped(copies: Copies, store: Store, pool: Workers) -> Iterator[WordCounts]:
    """Copies of a review count once: they would make their misspelling look like a word."""
    dropped = [(batch, places) for batch, _, places in store.by_batch(np.flatnonzero(~copies.kept))]
    return pool.map(count_dropped, dropped)


def _splits(index: Index, copies: Copies, params: SplitParams) -> NDArray[np.int8]:
    """A value of ``SPLIT_CODES`` for each review; of a dropped one it means nothing."""
    if params.by != "time":
        return index.split
    dated = copies.kept & (index.seconds != UNDATED)
    return splits_by_age(index.seconds, index.id_hash, dated, params)


def _correct(
    store: Store, index: Index, corrections: list[Correction], pool: Workers
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Correct all texts; which reviews have a corrected word, and the keys of what all reviews say now."""
    mapping = {correction.word: correction.correction for correction in corrections}
    corrected, key = np.zeros(len(index), dtype=bool), index.key.copy()
    results = pool.map(partial(correct, corrections=mapping), store.batches)
    for first, result in zip(store.first_row[:-1], track(results, "correct", unit="batches"), strict=True):
        corrected[first + result.places] = True
        key[first + result.places] = result.keys
    return corrected, key


def _write(decided: Iterator[tuple[Batch, Decided]], output: Output, pool: Workers, *, n_reviews: int) -> None:
    with (
        growing_table(output.kept, CLEAN_SCHEMA) as kept,
        growing_table(output.dropped, DROPPED_SCHEMA) as dropped,
        progress("write", n_reviews, unit="reviews") as bar,
    ):
        for finished in pool.map(finish, decided):
            kept.write(finished.kept)
            dropped.write(finished.dropped)
            bar.update(finished.kept.num_rows + finished.dropped.num_rows)


def _decided(
    store: Store,
    copies: Copies,
    similarity: NDArray[np.float32],
    split: NDArray[np.int8],
    index: Index,
    corrected: NDArray[np.bool_],
) -> Iterator[tuple[Batch, Decided]]:
    """What was decided of the reviews of each batch."""
    replaced = ~copies.kept & copies.kept[copies.stands_for]
    keepers = np.unique(copies.stands_for[replaced])
    ids = pa.array(store.review_ids(keepers), pa.string())
    for batch, rows, _ in store.by_batch(np.arange(len(index))):
        places = pa.array(np.searchsorted(keepers, copies.stands_for[rows]), mask=~replaced[rows])
        yield (
            batch,
            Decided(
                reason=copies.reason[rows],
                split=split[rows],
                cluster=index.key[copies.cluster[rows]],
                kept_review_id=ids.take(places).to_pylist(),
                similarity=np.where(replaced[rows], similarity[rows], np.nan),
                corrected=corrected[rows],
            ),
        )


def _some_near_copies(copies: Copies, similarity: NDArray[np.float32], store: Store) -> list[NearCopy]:
    near = np.flatnonzero(copies.reason == REASON_CODES["near"])[:_NEAR_COPIES_SHOWN]
    texts = store.compared_texts(np.concatenate([near, copies.stands_for[near]]))
    return [
        NearCopy(texts[row], texts[keeper], float(similarity[row]))
        for row, keeper in zip(near.tolist(), copies.stands_for[near].tolist(), strict=True)
    ]


def _batches(reviews: Path, scratch: Path) -> list[Batch]:
    check_columns(reviews, REVIEW_SCHEMA)
    metadata = pq.read_metadata(reviews)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return [Batch(reviews, group, size, scratch / f"part-{group:06d}.parquet") for group, size in enumerate(sizes)]
