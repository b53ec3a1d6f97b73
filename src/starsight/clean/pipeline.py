"""From ingested reviews to clean ones: texts, copies, spelling, splits, and an account of every row.

Memory is flat in the number of reviews: texts stream through worker processes twice, batch by batch, and in between
only a few numbers a review are held at once.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from starsight.clean.batch import Batch, Decided, count_dropped, finish, prepare
from starsight.clean.copies import BandFiles, Copies, Store, find_copies
from starsight.clean.duplicates import DROP_REASONS, UNDATED, Index
from starsight.clean.examples import Example, few
from starsight.clean.leakage import Leakage
from starsight.clean.report import Cleaning, NearCopy
from starsight.clean.spelling import WordCounts, find_corrections
from starsight.params import CleanParams, SplitParams
from starsight.progress import progress
from starsight.records import CLEAN_SCHEMA, DROPPED_SCHEMA, SPLITS
from starsight.split import splits_by_age
from starsight.tables import replacing
from starsight.workers import Workers

log = logging.getLogger(__name__)

_BATCH_REVIEWS = 5_000
"""Fewest reviews of a batch but the last: enough that handing it over costs little. Row groups have at most twice as
many."""
_NEAR_COPIES_SHOWN = 5
_TRAIN, _TEST = SPLITS.index("train"), SPLITS.index("test")


class Output(NamedTuple):
    """Where the reviews go."""

    kept: Path
    """Columns of ``CLEAN_SCHEMA``, in the order of the ingested reviews."""
    dropped: Path
    """Columns of ``DROPPED_SCHEMA``."""


def clean_reviews(
    reviews: Path, output: Output, scratch: Path, params: CleanParams, *, veto: frozenset[str], n_workers: int
) -> Cleaning:
    """Clean every review, drop empty and repeated ones, and give the rest a split.

    Args:
        reviews: a table with the columns of ``REVIEW_SCHEMA``.
        output: written beside its name first, so a stop leaves the tables of an earlier run.
        scratch: a folder of this run alone; gone afterwards.
        params: how to clean.
        veto: words that are never corrected, in lower case.
        n_workers: most processes to work in.
    """
    batches = _batches(reviews, scratch)
    store = Store.of(batches)
    with _folder(scratch), Workers(min(n_workers, max(len(batches), 1))) as pool:
        log.info("%d reviews in %d batches, %d processes", store.first_row[-1], len(batches), pool.n)
        bands = BandFiles(scratch)
        noted = _prepare(batches, bands, params, pool)
        copies = find_copies(noted.index, bands, store, params.duplicates, pool)
        split = _splits(noted.index, copies, params.split)
        copies = copies.without_conflicts(test=split == _TEST)

        for words in _words_of_dropped(copies, store, pool):
            noted.words.subtract(words)
        corrections = find_corrections(noted.words, params.spelling, veto=veto)
        mapping = {correction.word: correction.correction for correction in corrections}
        n_corrected = _write(store, copies, split, noted.index, mapping, output, pool)
        near_copies = _some_near_copies(copies, store)

    kept, said = copies.kept, ~noted.index.empty
    naive_test = np.random.default_rng(0).random(len(said)) < params.split.test_share
    return Cleaning(
        n_reviews=len(said),
        dropped=Counter({reason: int((copies.reason == place).sum()) for place, reason in enumerate(DROP_REASONS)}),
        n_conflicts=copies.n_conflicts,
        changed=noted.changed,
        examples=few(noted.examples),
        near_copies=near_copies,
        corrections=corrections,
        n_corrected=n_corrected,
        splits=Counter({name: int((split[kept] == place).sum()) for place, name in enumerate(SPLITS)}),
        naive=Leakage.of(copies, train=said & ~naive_test, test=said & naive_test),
        ours=Leakage.of(copies, train=kept & (split == _TRAIN), test=kept & (split == _TEST)),
    )


@dataclass(frozen=True)
class _Noted:
    """What the first pass over all reviews brings."""

    index: Index
    words: WordCounts
    changed: Counter[str]
    examples: list[Example]


def _prepare(batches: list[Batch], bands: BandFiles, params: CleanParams, pool: Workers) -> _Noted:
    n_reviews, done = sum(batch.n_reviews for batch in batches), 0
    index, words, changed, examples = Index.of_size(n_reviews), WordCounts(), Counter[str](), list[Example]()
    with progress("clean", n_reviews, unit="reviews") as bar:
        for prepared in pool.map(partial(prepare, params=params), batches):
            index.fill(done, prepared.index)
            done += len(prepared.index)
            if prepared.bands is not None:
                bands.append(prepared.bands)
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
    """Place in ``SPLITS`` of each review; of a dropped one it means nothing."""
    if params.by != "time":
        return index.split
    dated = copies.kept & (index.seconds != UNDATED)
    return splits_by_age(index.seconds, index.id_hash, dated, params)


def _write(
    store: Store,
    copies: Copies,
    split: NDArray[np.int8],
    index: Index,
    corrections: dict[str, str],
    output: Output,
    pool: Workers,
) -> int:
    """Write both tables; returns how many kept reviews had their spelling corrected."""
    n_corrected = 0
    decided = _decided(store, copies, split, index)
    with ExitStack() as stack, progress("write", len(index), unit="reviews") as bar:
        kept_file, dropped_file = (
            stack.enter_context(pq.ParquetWriter(stack.enter_context(replacing(path)), schema, compression="zstd"))
            for path, schema in zip(output, (CLEAN_SCHEMA, DROPPED_SCHEMA), strict=True)
        )
        for finished in pool.map(partial(finish, corrections=corrections), decided):
            if finished.kept.num_rows:
                kept_file.write_table(finished.kept)
            if finished.dropped.num_rows:
                dropped_file.write_table(finished.dropped)
            n_corrected += finished.n_corrected
            bar.update(finished.kept.num_rows + finished.dropped.num_rows)
    return n_corrected


def _decided(store: Store, copies: Copies, split: NDArray[np.int8], index: Index) -> Iterator[tuple[Batch, Decided]]:
    """What was decided of the reviews of each batch."""
    dropped = np.flatnonzero(~copies.kept & (copies.stands_for != np.arange(len(index))))
    keepers, place_of_keeper = np.unique(copies.stands_for[dropped], return_inverse=True)
    ids = store.review_ids(keepers)
    kept_id = dict(zip(dropped.tolist(), (ids[place] for place in place_of_keeper), strict=True))
    for batch, rows, _ in store.by_batch(np.arange(len(index))):
        yield (
            batch,
            Decided(
                reason=copies.reason[rows],
                split=split[rows],
                cluster=index.key[copies.stands_for[rows]],
                kept_review_id=[kept_id.get(row) for row in rows.tolist()],
                similarity=np.where([row in kept_id for row in rows.tolist()], copies.similarity[rows], np.nan),
            ),
        )


def _some_near_copies(copies: Copies, store: Store) -> list[NearCopy]:
    near = np.flatnonzero(copies.reason == DROP_REASONS.index("near"))[:_NEAR_COPIES_SHOWN]
    texts = store.compared_texts(np.concatenate([near, copies.stands_for[near]]))
    return [
        NearCopy(texts[row], texts[keeper], float(copies.similarity[row]))
        for row, keeper in zip(near.tolist(), copies.stands_for[near].tolist(), strict=True)
    ]


def _batches(reviews: Path, scratch: Path) -> list[Batch]:
    metadata = pq.read_metadata(reviews)
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    batches: list[Batch] = []
    groups: list[int] = []
    for group in range(len(sizes)):
        groups.append(group)
        n_reviews = sum(sizes[each] for each in groups)
        if n_reviews >= _BATCH_REVIEWS or group == len(sizes) - 1:  # a folder of small files makes small row groups
            batches.append(Batch(reviews, tuple(groups), n_reviews, scratch / f"part-{len(batches):06d}.parquet"))
            groups = []
    return batches


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """``path`` as an empty folder, gone afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
