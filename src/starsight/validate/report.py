"""Check the promises with Great Expectations, write its Data Docs, and say which promises are broken."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from math import isnan
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pandas as pd

from starsight.errors import DataError
from starsight.params import RatingMix, ValidateParams
from starsight.progress import quiet
from starsight.split import GROUP_COLUMNS
from starsight.tables import replacing
from starsight.validate.evidence import Evidence
from starsight.validate.facts import measures, tables
from starsight.validate.suite import Promise, promises  # before great_expectations: it turns its analytics off

import great_expectations as gx  # isort: skip
from great_expectations.data_context import AbstractDataContext  # isort: skip
from great_expectations.data_context.types.base import ProgressBarsConfig  # isort: skip
from great_expectations.expectations.metadata_types import FailureSeverity  # isort: skip

log = logging.getLogger(__name__)

MAX_NAMED_ROWS: Final = 20
"""Offending rows named in the message; the table itself has them all."""

_SEVERITY: Final = {"hard": FailureSeverity.CRITICAL, "soft": FailureSeverity.WARNING}
_DECIMALS: Final = 6
"""Of the shares in ``reports/validation.json``: one review in a million."""


@dataclass(frozen=True)
class BrokenPromise:
    """A promise that the reviews break, and what was found instead."""

    promise: Promise
    found: str

    def __str__(self) -> str:
        return f"{self.promise.name}: {self.promise.says}; {self.found}. {self.promise.do}."


@dataclass(frozen=True)
class ValidationReport:
    """The verdict. The Data Docs are written by the time it exists."""

    promises: list[Promise]
    broken: list[BrokenPromise]
    """The hard ones."""
    warnings: list[BrokenPromise]
    """The soft ones."""
    measured: dict[str, float]
    """Numbers that people compare between runs."""
    page: Path
    """First page of the Data Docs."""

    def flat(self) -> dict[str, bool | int | float]:
        """Flat and the same for the same reviews: no times."""
        broken = {broken.promise.name for broken in [*self.broken, *self.warnings]}
        return {
            "passed": not self.broken,
            "promises": len(self.promises),
            "broken": len(self.broken),
            "warnings": len(self.warnings),
            **{promise.name: promise.name not in broken for promise in self.promises},
            **{name: round(value, _DECIMALS) for name, value in self.measured.items() if not isnan(value)},
        }

    def enforce(self) -> None:
        """Warn of every broken soft promise, and stop the pipeline at a broken hard one.

        Raises:
            DataError: all broken hard promises in one message, a line each.
        """
        for warning in self.warnings:
            log.warning("warning: %s", warning)
        if self.broken:
            count = "1 promise" if len(self.broken) == 1 else f"{len(self.broken)} promises"
            lines = [f"the clean reviews break {count}; nothing is trained on them. Open {self.page}", *self.broken]
            raise DataError("\n  ".join(map(str, lines)))


def validate(
    evidence: Evidence, params: ValidateParams, *, split_by: str, rating_mix: RatingMix | None, site: Path
) -> ValidationReport:
    """Check every promise and write the Data Docs, whatever the verdict.

    Args:
        evidence: the clean reviews, and what came of the others.
        params: the limits.
        split_by: what the splits keep together, as in ``SplitParams.by``.
        rating_mix: shares of the five stars that the source is known to have, if they are known.
        site: folder for the Data Docs; replaced as a whole.
    """
    group = GROUP_COLUMNS[split_by] if split_by in ("reviewer", "product") else None
    measured = measures(evidence, params, rating_mix)
    checked = tables(evidence, measured, group)
    made = promises(
        params, group=group, by_time=split_by == "time", known_mix=rating_mix is not None, today=evidence.today
    )
    results: dict[str, Any] = {}
    with _quiet(), replacing(site) as partial:
        # everything but the Data Docs is in memory, so that runs at the same time cannot meet
        context = _context(partial)
        source = context.data_sources.add_or_update_pandas("starsight")
        for name, of_table in groupby(made, attrgetter("table")):
            results |= _check(context, source, name, list(of_table), checked[name])
        context.build_data_docs()
    broken = [
        BrokenPromise(promise, _found(results[promise.name], checked[promise.table].iloc[:, 0]))
        for promise in made
        if not results[promise.name].success
    ]
    hard, soft = ([each for each in broken if each.promise.kind == kind] for kind in ("hard", "soft"))
    return ValidationReport(made, hard, soft, measured, site / "index.html")


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
        promise.expectation.severity = _SEVERITY[promise.kind]
        promise.expectation.description = f"{promise.name} ({promise.kind}): {promise.says}"
    suite = context.suites.add_or_update(
        gx.ExpectationSuite(name=table, expectations=[promise.expectation for promise in made])
    )
    batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("whole")
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=table, data=batch, suite=suite)
    )
    outcome = definition.run(
        batch_parameters={"dataframe": rows},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": MAX_NAMED_ROWS,
        },
    )
    return {result.expectation_config.meta["promise"]: result for result in outcome.results}


def _found(outcome: Any, names: "pd.Series[str]") -> str:
    """What the table holds instead, in one line; ``names`` are those of its rows."""
    result = outcome.result
    if "unexpected_count" in result:
        # by place: Great Expectations can name rows itself, but takes a minute for a table of which every row is wrong
        places = result.get("partial_unexpected_index_list") or []
        # an id that is null names nothing
        named = dict.fromkeys(f"row {at}" if pd.isna(name) else str(name) for at, name in names.iloc[places].items())
        more = " and more" if result["unexpected_count"] > len(places) else ""
        counted = f"found {result['unexpected_count']:,} of {result['element_count']:,} otherwise"
        return f"{counted}; {names.name}: {', '.join(named)}{more}"
    if "observed_value" in result:
        value = result["observed_value"]
        return "nothing is there to check" if value is None else f"found {value:,.6g}"
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
