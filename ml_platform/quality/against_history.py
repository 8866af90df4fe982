"""Checks of a partition against the history of its table. One list names, describes and runs them."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from ml_platform.lake.blobs import Blobs
from ml_platform.lake.shown_blobs import ShownBlob
from ml_platform.naming import counted
from ml_platform.quality import distribution, mixes, rhythm
from ml_platform.quality.check_result import CheckResult
from ml_platform.quality.findings import ENOUGH, Finding
from ml_platform.quality.history import History
from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Partitions
from ml_platform.spec.tables import Table

Severity = Literal["error", "warn"]

_SEVERE_LEVELS = 0.25  # of the rows in categories that appeared, vanished or changed: no longer the same code


@dataclass(frozen=True)
class _Check:
    """`about` describes the rule; `judge` computes the findings; `good` is the sentence when all are within bounds."""

    name: str
    about: str
    judge: Callable[[History], list[Finding]]
    good: str
    severity: Callable[[Finding], Severity] = lambda _: "error"


def _warn(_: Finding) -> Severity:
    return "warn"


def _by_extent(finding: Finding) -> Severity:
    return "error" if finding.value >= _SEVERE_LEVELS else "warn"


def _checks(table: Table, partitions: Partitions | None) -> Iterable[_Check]:
    """The checks that the table's columns allow. An error means that the values mean something else than before."""
    yield _Check(
        "volume",
        "The partition has rows, about as many a day as earlier partitions.",
        rhythm.volume,
        "The number of rows is about as usual",
        _warn,
    )
    if table.event_time and not isinstance(partitions, Daily | Hourly):  # volume covers partitions of a day or less
        yield _Check(
            "rows_by_day",
            "No day is missing, half complete or duplicated, compared with its weekday.",
            rhythm.rows_by_day,
            "Every day has about as many rows as its weekday usually has",
            _warn,
        )
    if table.event_time:
        yield _Check(
            "freshness",
            "When the last file of the partition arrived, its newest row was about as old as usual.",
            rhythm.freshness,
            "The files arrived about as soon after the events as usual",
            _warn,
        )
    yield _Check(
        "repeats",
        "No more rows than usual repeat an earlier key or an earlier row.",
        rhythm.repeats,
        "No more rows than usual repeat earlier ones",
        _warn,
    )
    yield _Check(
        "null_share",
        "No column's share of missing values changed by more than .05, or than it usually does.",
        distribution.missing,
        "The share of missing values of every column is about as usual",
    )
    yield _Check(
        "frozen",
        "No column that used to vary has one value only.",
        distribution.frozen,
        "No column that used to vary has one value only",
    )
    kinds = table.columns.values()
    if any(kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum) or kind.is_integer() for kind in kinds):
        yield _Check(
            "levels",
            "No category of 1 % of the rows appeared or vanished, and the mix of categories is about as usual.",
            mixes.levels,
            "No category of weight appeared or vanished, and the mixes are about as usual",
            _by_extent,
        )
    if any(kind.is_numeric() for kind in kinds):
        yield _Check(
            "units",
            "The spread of no number column is many times the usual one, as after a change of unit.",
            distribution.units,
            "The spread of every number column is about as usual",
        )
        yield _Check(
            "direction",
            "The long tail of no number column changed sides, as when values are negated.",
            distribution.direction,
            "The long tail of every number column is on its usual side",
        )
        yield _Check(
            "shift",
            "Mean and quartiles of no number column are farther from those of the earlier partitions than usual.",
            distribution.shift,
            "Mean and quartiles of every number column are near those of an earlier partition",
            _warn,
        )
    if any(kind == pl.Datetime for kind in kinds):
        yield _Check(
            "hours",
            "The hours of the day of no time column moved round the clock.",
            mixes.hours,
            "Every time column has the usual hours of the day",
        )


def check_names(table: Table, partitions: Partitions | None) -> list[tuple[str, str]]:
    """(name, description) of every check that `run_checks` reports."""
    return [(check.name, check.about) for check in _checks(table, partitions)]


def run_checks(blobs: Blobs, table: Table, partitions: Partitions | None, past: History) -> list[CheckResult]:
    """Every check of `check_names`, in its order. Stores a plot of the worst column of each as a blob."""
    return [_result(check, past, blobs) for check in _checks(table, partitions)]


def _result(check: _Check, past: History, blobs: Blobs) -> CheckResult:
    meta: dict[str, Any] = {"history": _extent(past), "how": inspect.cleandoc(check.judge.__doc__ or "")}
    if check.name == "volume" and not past.now.rows:
        usual = rhythm.no_rows_are_usual(past)
        follows = ", which is usual." if usual else ", and earlier partitions had some: at least 1 row is required."
        description = f"There are no rows in {past.now.partition}{follows}"
        return CheckResult("volume", usual, "error", 0, 1, description, meta)
    if not past.earlier:
        description = "There is no history yet to compare with."
        return CheckResult(check.name, True, "warn", None, None, description, meta)
    findings = sorted(check.judge(past), key=lambda finding: -finding.strain)
    if not findings:
        description = f"Nothing was judged: a column needs {ENOUGH} values, now and before."
        return CheckResult(check.name, True, "warn", None, None, description, meta)
    worst, failed = findings[0], [finding for finding in findings if not finding.passed]
    meta["columns"] = [
        {
            "column": finding.column,
            "before": finding.before,
            "now": finding.now,
            "moved": round(finding.value, 4),
            "may": round(finding.threshold, 4),
            "passed": finding.passed,
        }
        for finding in findings
    ]
    meta["picture"] = ShownBlob.picture(blobs.put_bytes(worst.draw()))
    description = " ".join(finding.description for finding in failed[:3])
    if len(failed) > 3:
        more = counted(len(failed) - 3, "more column", "more columns")
        description += f" And {more}: {', '.join(finding.column for finding in failed[3:])}."
    if not failed:
        description = f"{check.good}. Nearest to its limit: {worst.description}"
    return CheckResult(check.name, not failed, check.severity(worst), worst.value, worst.threshold, description, meta)


def _extent(past: History) -> str:
    if not past.earlier:
        return "none"
    if past.now.partition == WHOLE:
        return f"{counted(len(past.earlier), 'earlier version')} of the table"
    first, last = past.earlier[0].partition, past.earlier[-1].partition
    return f"{counted(len(past.earlier), 'earlier partition')}, {first if first == last else f'{first} to {last}'}"
