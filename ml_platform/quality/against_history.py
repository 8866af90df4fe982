"""The checks of a partition against its own history: one list names, words and runs them."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from ml_platform.lake.blobs import Blobs
from ml_platform.quality import distribution, mixes, rhythm
from ml_platform.quality.findings import ENOUGH, Finding
from ml_platform.quality.history import History
from ml_platform.quality.results import CheckResult
from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Partitions
from ml_platform.spec.tables import Table

Severity = Literal["error", "warn"]

_SEVERE_LEVELS = 0.25  # of the rows in levels that came, went or changed: no longer the same code


@dataclass(frozen=True)
class _Check:
    """`about` says what holds; `judge` gives the findings; `good` is the sentence when all are within bounds."""

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
    """Those that the table's columns allow. An error means that the values mean something else than before."""
    yield _Check(
        "volume",
        "There are rows, about as many a day as the earlier partitions have.",
        rhythm.volume,
        "There are about as many rows as usual",
        _warn,
    )
    if table.event_time and not isinstance(partitions, Daily | Hourly):  # of a day or less, volume tells it all
        yield _Check(
            "rows_by_day",
            "No day is missing, half there, or there twice, by what its weekday usually has.",
            rhythm.rows_by_day,
            "Every day has about the rows that its weekday usually has",
            _warn,
        )
    if table.event_time:
        yield _Check(
            "freshness",
            "When the last file of a partition came, its newest row was about as old as usual.",
            rhythm.freshness,
            "The files came about as soon after the events as usual",
            _warn,
        )
    yield _Check(
        "repeats",
        "No more rows than usual had come before, with the same key or as a whole.",
        rhythm.repeats,
        "No more rows than usual had come before",
        _warn,
    )
    yield _Check(
        "null_share",
        "No column's share of missing values moved by more than .05, or than it usually does.",
        distribution.missing,
        "Every column misses about as many values as usual",
    )
    yield _Check(
        "frozen",
        "No column stands still that did not before.",
        distribution.frozen,
        "No column stands still that did not before",
    )
    kinds = table.columns.values()
    if any(kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum) or kind.is_integer() for kind in kinds):
        yield _Check(
            "levels",
            "No text or flag that 1 % of the rows have appeared or vanished, and the mix is about as usual.",
            mixes.levels,
            "No level that matters came or went, and the mixes are about as usual",
            _by_extent,
        )
    if any(kind.is_numeric() for kind in kinds):
        yield _Check(
            "units",
            "No number column spreads many times wider or narrower than usual, as after a change of unit.",
            distribution.units,
            "Every number column spreads about as usual",
        )
        yield _Check(
            "direction",
            "No number column has its long tail on the other side than before, as when values are negated.",
            distribution.direction,
            "Every number column leans to the side it always did",
        )
        yield _Check(
            "shift",
            "Mean and quartiles of no number column are further from the earlier partitions' than they usually go.",
            distribution.shift,
            "Mean and quartiles of every number column lie near those of an earlier partition",
            _warn,
        )
    if any(kind == pl.Datetime for kind in kinds):
        yield _Check(
            "hours",
            "The hours of the day in no time column moved round the clock.",
            mixes.hours,
            "Every time column has the usual hours of the day",
        )


def check_names(table: Table, partitions: Partitions | None) -> list[tuple[str, str]]:
    """(name, what it looks at) of every check that `run_checks` reports."""
    return [(check.name, check.about) for check in _checks(table, partitions)]


def run_checks(blobs: Blobs, table: Table, partitions: Partitions | None, past: History) -> list[CheckResult]:
    """Every check of `check_names`, in its order. Pictures of the worst columns are stored as blobs."""
    return [_result(check, past, blobs) for check in _checks(table, partitions)]


def _result(check: _Check, past: History, blobs: Blobs) -> CheckResult:
    meta: dict[str, Any] = {"history": _extent(past), "how": inspect.cleandoc(check.judge.__doc__ or "")}
    if check.name == "volume" and not past.now.rows:
        usual = rhythm.no_rows_are_usual(past)
        description = f"There are no rows in {past.now.partition}{', which is nothing unusual' if usual else ''}."
        return CheckResult("volume", usual, "error", 0, 1, description, meta)
    if not past.earlier:
        description = "There is no history yet to compare with."
        return CheckResult(check.name, True, "warn", None, None, description, meta)
    findings = sorted(check.judge(past), key=lambda finding: -finding.strain)
    if not findings:
        description = f"Nothing could be judged: it takes {ENOUGH} values, now and before."
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
    meta["picture"] = {"picture": blobs.put_bytes(worst.draw())}
    description = " ".join(finding.description for finding in failed[:3])
    if len(failed) > 3:
        description += f" And {len(failed) - 3} more columns: {', '.join(finding.column for finding in failed[3:])}."
    if not failed:
        description = f"{check.good}; nearest to its limit: {worst.description}"
    return CheckResult(check.name, not failed, check.severity(worst), worst.value, worst.threshold, description, meta)


def _extent(past: History) -> str:
    if not past.earlier:
        return "none"
    if past.now.partition == WHOLE:
        return f"{len(past.earlier)} earlier contents of the table"
    return f"{len(past.earlier)} earlier partitions, {past.earlier[0].partition} to {past.earlier[-1].partition}"
