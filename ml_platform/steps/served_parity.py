"""Log and compare: a sample of what the service answered is computed again from the lake, on record as a check."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from ml_platform.lake.transaction import Author
from ml_platform.naming import counted, quoted
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
# Of answers whose request did not change features (S44).
_COMPARABLE = "coalesce(len(overridden), 0) = 0 AND coalesce(max_staleness, '{}') = '{}'"
_START = "0001-01-01T00:00:00+00:00"


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
    newest = _newest(ws, pipeline, since)
    if newest is None:
        return recorded(ws, before) if before is not None else Outcome(0, "skipped", checks=(_check(None),))
    new = f"FROM {_new(pipeline, since)}"
    left_out = int(ws.lake.value(f"SELECT count(*) {new} AND NOT ({_COMPARABLE})"))
    rows = ws.lake.frame(f"SELECT * {new} AND {_COMPARABLE} ORDER BY requested_at DESC, id DESC LIMIT {SAMPLE}")
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
    before = ledger.latest_of(ws.state, asset_name(pipeline), WHOLE)
    if before is None:
        return _newest(ws, pipeline, _START) is not None
    if (now or datetime.now(UTC)) - before.recorded_at < _REST:
        return False
    return _newest(ws, pipeline, before.result_as(ComparisonResult).through or _START) is not None


def _newest(ws: Workspace, pipeline: str, since: str) -> str | None:
    """When the newest answers after `since` were moved to the lake; None without one."""
    if "moved_at" not in ws.lake.columns(pipeline, SERVED):  # nothing was moved yet, or by older code alone
        return None
    moved: datetime | None = ws.lake.value(f"SELECT max(moved_at) FROM {_new(pipeline, since)}")
    return moved.isoformat() if moved is not None else None


def _new(pipeline: str, since: str) -> str:
    """The answers that somebody heard, not of a challenger (S28), and that were moved to the lake after `since`.

    Not those that were asked for since: of two workers, and after a fault, the later answer may be moved first.
    """
    moment = datetime.fromisoformat(since).isoformat()  # it becomes SQL
    return f"{quoted(pipeline)}.{SERVED} WHERE shadow IS NOT TRUE AND moved_at > TIMESTAMPTZ '{moment}'"


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
