"""Log and compare: a sample of what the service answered is computed again from the lake, on record as a check."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import polars as pl

from ml_platform.lake.transaction import Author
from ml_platform.naming import counted, literal, quoted
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime.workspace import Outcome, Workspace, record, recorded
from ml_platform.serving.log_comparison import SAMPLE, Comparison, compare
from ml_platform.serving.log_mover import SERVED
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import ledger
from ml_platform.state.results import ComparisonResult

PARITY_CHECK = "parity"
PARITY_DESCRIPTION = "What the service answered has the features and scores that the lake gives for the same rows."
_COMPARISON_NUMBER = 1  # of how answers are compared
_REST = timedelta(hours=1)  # between comparisons that nobody asked for
_START = ("0001-01-01T00:00:00+00:00", "")


def asset_name(pipeline: str) -> str:
    """The asset of comparisons in the ledger."""
    return f"{pipeline}/service"


def compare_served(ws: Workspace, pipeline: str, run_id: str) -> Outcome:
    """Compare the newest logged answers that no comparison has seen, at most `SAMPLE`; the recorded outcome.

    Without new answers the outcome of the comparison before stands. Answers whose request overrode features or made
    rows stale are left out (S44).

    Raises NotFoundError and BlobError for a version or a bundle that is gone.
    """
    before = ledger.latest_of(ws.state, asset_name(pipeline), WHOLE)
    earlier = before.result_as(ComparisonResult) if before is not None else ComparisonResult()
    since = earlier.through or _START
    columns = ws.lake.columns(pipeline, SERVED)
    newest = _newest(ws, pipeline, since) if columns else None
    if newest is None:
        return recorded(ws, before) if before is not None else Outcome(0, "skipped", checks=(_check(None),))
    new, comparable = f"FROM {_new(pipeline, since)}", _comparable(columns)
    left_out = int(ws.lake.value(f"SELECT count(*) {new} AND NOT ({comparable})"))
    rows = ws.lake.frame(f"SELECT * {new} AND {comparable} ORDER BY requested_at DESC, id DESC LIMIT {SAMPLE}")
    if "snapshots" not in rows.columns:  # a table of older code
        rows = rows.with_columns(snapshots=pl.lit(None, pl.String))
    comparison = compare(ws, pipeline, rows.reverse())
    left_out += rows.height - comparison.compared
    counts = {name: value for name, value in asdict(comparison).items() if name != "differences"}
    result = ComparisonResult(**counts, left_out=left_out, through=newest)
    key = content_key("log comparison", _COMPARISON_NUMBER, pipeline, since, newest)
    display = {**{name.replace("_", " "): value for name, value in counts.items()}, "left out": left_out}
    outcome = Outcome(
        comparison.compared, result=result, display=display, checks=(_check(comparison),), content_key=key
    )
    return record(ws, Author(asset_name(pipeline), WHOLE, key, run_id), outcome)


def comparison_is_due(ws: Workspace, pipeline: str, now: datetime | None = None) -> bool:
    """Whether the service answered since the last comparison, which is an hour old or older."""
    if not ws.lake.columns(pipeline, SERVED):
        return False
    before = ledger.latest_of(ws.state, asset_name(pipeline), WHOLE)
    if before is None:
        return _newest(ws, pipeline, _START) is not None
    if (now or datetime.now(UTC)) - before.recorded_at < _REST:
        return False
    return _newest(ws, pipeline, before.result_as(ComparisonResult).through or _START) is not None


def _newest(ws: Workspace, pipeline: str, since: tuple[str, ...]) -> tuple[str, str] | None:
    """When the newest answer after `since` was requested, and its id; None without one."""
    rows = ws.lake.rows(f"SELECT requested_at, id FROM {_new(pipeline, since)} ORDER BY ALL DESC LIMIT 1")
    return (rows[0][0].isoformat(), rows[0][1]) if rows else None


def _comparable(columns: Collection[str]) -> str:
    """A condition that leaves out answers whose request changed features. Older code logged no such requests."""
    unchanged = {
        "overridden": "coalesce(len(overridden), 0) = 0",
        "max_staleness": "coalesce(max_staleness, '{}') = '{}'",
    }
    return " AND ".join(sql for name, sql in unchanged.items() if name in columns) or "true"


def _new(pipeline: str, since: tuple[str, ...]) -> str:
    moment, identity = since
    checked = datetime.fromisoformat(moment).isoformat()  # it becomes SQL
    day = checked[:10]
    return (
        f"{quoted(pipeline)}.{SERVED} WHERE _partition >= '{day}' "
        f"AND (requested_at, id) > (TIMESTAMPTZ '{checked}', {literal(identity)})"
    )


def _check(comparison: Comparison | None) -> CheckResult:
    if comparison is None:
        return CheckResult(PARITY_CHECK, True, "error", 0, 0, "No answer of the service is in the lake yet.")
    wrong, compared = comparison.wrong, counted(comparison.compared, "answer was", "answers were")
    parts = [f"{compared} computed again from the lake; {wrong} had other features or another score"]
    for count, words in (
        (comparison.late, "differ from the lake now, because rows reached the online store after the answer"),
        (comparison.undecided, "differ from the lake now and cannot be decided"),
        (comparison.other_inputs, "were sent with inputs that the lake has otherwise"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    shown = [{name: _shown(value) for name, value in asdict(one).items()} for one in comparison.differences]
    metadata = {"first differences": shown} if shown else {}
    return CheckResult(PARITY_CHECK, wrong == 0, "error", wrong, 0, f"{'; '.join(parts)}.", metadata)


def _shown(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
