"""Check the promises with Great Expectations, write its Data Docs, and say which promises are broken."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pandas as pd

from starsight.errors import DataError
from starsight.params import ValidateParams
from starsight.progress import quiet
from starsight.tables import replacing
from starsight.validate.suite import Promise, promises, tables  # before great_expectations: it turns its analytics off

import great_expectations as gx  # isort: skip
from great_expectations.data_context import AbstractDataContext  # isort: skip
from great_expectations.data_context.types.base import ProgressBarsConfig  # isort: skip

MAX_NAMED_ROWS: Final = 20
"""Offending rows named in the message; the Data Docs and the table itself show more."""


@dataclass(frozen=True)
class BrokenPromise:
    """A promise that the reviews break, and what was found instead."""

    promise: Promise
    found: str

    def __str__(self) -> str:
        return f"{self.promise.name}: {self.promise.says}; {self.found}"


@dataclass(frozen=True)
class ValidationReport:
    """The verdict. The Data Docs are written by the time it exists."""

    promises: list[Promise]
    broken: list[BrokenPromise]
    page: Path
    """First page of the Data Docs."""

    def as_json(self) -> dict[str, bool | int]:
        """Flat and the same for the same reviews: no times."""
        broken = {broken.promise.name for broken in self.broken}
        return {
            "passed": not broken,
            "promises": len(self.promises),
            "broken": len(broken),
            **{promise.name: promise.name not in broken for promise in self.promises},
        }

    def raise_if_broken(self) -> None:
        """Stop the pipeline at a broken promise.

        Raises:
            DataError: all broken promises in one message, a line each.
        """
        if self.broken:
            count = "1 promise" if len(self.broken) == 1 else f"{len(self.broken)} promises"
            lines = [f"the clean reviews break {count}; nothing is trained on them. Open {self.page}", *self.broken]
            raise DataError("\n  ".join(map(str, lines)))


def validate(
    reviews: pd.DataFrame, *, dropped_share: float, params: ValidateParams, split_by: str, site: Path
) -> ValidationReport:
    """Check every promise and write the Data Docs, whatever the verdict.

    Args:
        reviews: the clean reviews.
        dropped_share: share of the ingested reviews that cleaning removed, 0 to 1.
        params: the limits.
        split_by: what the splits keep together, as in ``SplitParams.by``.
        site: folder for the Data Docs; replaced as a whole.
    """
    made = promises(params, split_by)
    checked = tables(reviews, dropped_share)
    results: dict[str, Any] = {}
    with _quiet(), replacing(site) as partial:
        # everything but the Data Docs is in memory, so that runs at the same time cannot meet
        context = _context(partial)
        source = context.data_sources.add_or_update_pandas("starsight")
        for name, group in groupby(made, attrgetter("table")):
            results |= _check(context, source, name, list(group), checked[name])
        context.build_data_docs()
    broken = [
        BrokenPromise(promise, _found(promise, results[promise.name]))
        for promise in made
        if not results[promise.name].success
    ]
    return ValidationReport(made, broken, site / "index.html")


def _context(site: Path) -> AbstractDataContext:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=not quiet())
    for name in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(name)
    site.mkdir()
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site.absolute())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        "reviews", {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    )
    return context


def _check(
    context: AbstractDataContext, source: Any, table: str, made: list[Promise], rows: pd.DataFrame
) -> dict[str, Any]:
    """The result of each promise about one table, by the promise's name."""
    for promise in made:
        promise.expectation.meta = {"promise": promise.name}
    suite = context.suites.add_or_update(
        gx.ExpectationSuite(name=table, expectations=[promise.expectation for promise in made])
    )
    batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("whole")
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=table, data=batch, suite=suite)
    )
    (row_name,) = {promise.row_name for promise in made}
    outcome = definition.run(
        batch_parameters={"dataframe": rows},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": MAX_NAMED_ROWS,
            "unexpected_index_column_names": [row_name] if row_name in rows else [],
        },
    )
    return {result.expectation_config.meta["promise"]: result for result in outcome.results}


def _found(promise: Promise, outcome: Any) -> str:
    """What the table holds instead, in one line."""
    result = outcome.result
    if missing := result.get("details", {}).get("mismatched", {}).get("missing"):
        return f"missing: {', '.join(missing)}"
    if "unexpected_count" in result:
        rows = [str(row[promise.row_name]) for row in result.get("partial_unexpected_index_list") or []]
        named = list(dict.fromkeys(rows))
        first = f"; {promise.row_name}: {', '.join(named)}" if named else ""
        more = ", ..." if result["unexpected_count"] > len(rows) else ""
        return f"found {result['unexpected_count']} of {result['element_count']} otherwise{first}{more}"
    if "observed_value" in result:
        return f"found {result['observed_value']}"
    return "it cannot be checked: " + "; ".join(_exceptions(outcome.exception_info))


def _exceptions(info: dict[str, Any]) -> list[str]:
    """Great Expectations nests what it caught under the metric that failed, but not always."""
    caught = [info] if "exception_message" in info else list(info.values())
    return sorted({" ".join(str(each["exception_message"]).split()) for each in caught})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Great Expectations logs and warns about off the terminal: the report says it better."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
