"""Verdicts of gates on versions, stored for good; the newest measurement of a gate counts (S23)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import func, insert, select

from ml_platform.state.database import State
from ml_platform.state.schema import verdicts as table

Severity = Literal["block", "warn"]


@dataclass(frozen=True)
class Verdict:
    """One verdict. The one with an empty `slice` is the gate's outcome; others explain it by segment.

    gate:        the rule as a phrase.
    passed:      None for "not judged".
    low, high:   the 95 % interval of `value`.
    snapshot:    the digest of the training set.
    measured:    False when nothing was measured. With `passed` False the gate itself broke: it counts as failed and
                 may be judged again. With None it waits for a moment at which it can be measured.
    severity:    "block", or "warn" for a gate that never stands in the way of a promotion.
    measurement: which measurement of the gate this is, from 1. `record` gives it.
    """

    pipeline: str
    version: int
    gate: str
    gate_key: str
    metric: str
    slice: str
    value: float | None
    threshold: float | None
    low: float | None
    high: float | None
    passed: bool | None
    rows: int
    detail: str
    snapshot: str
    measured: bool = True
    run_id: str = ""
    recorded_at: datetime | None = None
    severity: Severity = "block"
    measurement: int = 1

    @property
    def outcome(self) -> str:
        """`passed` in words: passed, failed, warning (a gate that only warns failed) or not judged."""
        if self.passed is False and self.severity == "warn":
            return "warning"
        return {True: "passed", False: "failed", None: "not judged"}[self.passed]

    @property
    def waits(self) -> bool:
        """Whether the gate could not be measured and is to be measured again."""
        return self.passed is None and not self.measured


class GateCount(NamedTuple):
    """How many gates a version passed, of the gates that judged it."""

    passed: int
    gates: int


_COLUMNS = [field.name for field in fields(Verdict)]


def record(state: State, verdicts: Sequence[Verdict], run_id: str, *, anew: bool = False) -> list[Verdict]:
    """Store verdicts and return the stored ones, in the order given.

    An earlier measurement for the same version, gate and segment is kept and returned, unless the gate is measured
    `anew` or has another severity. A gate that could not be measured is judged again. Rows are only added.
    """
    recorded: list[Verdict] = []
    with state.writing() as connection:
        now = state.stamp()
        before = {(v.pipeline, v.version): history(state, v.pipeline, v.version) for v in verdicts}
        for verdict in verdicts:
            mine = [v for v in before[verdict.pipeline, verdict.version] if v.gate_key == verdict.gate_key]
            same = next((v for v in _newest(mine) if v.slice == verdict.slice and v.measured), None)
            if same is not None and not anew and same.severity == verdict.severity:
                recorded.append(same)
                continue
            fellows = {v.slice for v in verdicts if _gate(v) == _gate(verdict)}
            number = _number([v for v in mine if v.slice in fellows], mine, verdict.severity, anew=anew)
            stored = replace(verdict, run_id=run_id, recorded_at=now, measurement=number)
            connection.execute(insert(table).values(asdict(stored)))
            recorded.append(stored)
    return recorded


def _number(same: Sequence[Verdict], of_gate: Sequence[Verdict], severity: Severity, *, anew: bool) -> int:
    """The number of a measurement, given those of the same slices before.

    One that broke is repeated under its own number, and one under another severity is recorded under it.
    """
    newest = max((v.measurement for v in of_gate), default=1)
    last = (v for v in same if v.measurement == newest)
    taken = any(v.waits or (v.measured and v.severity == severity) for v in last)
    return newest + 1 if of_gate and (anew or taken) else newest


def _gate(verdict: Verdict) -> tuple[str, int, str]:
    return verdict.pipeline, verdict.version, verdict.gate_key


def of(state: State, pipeline: str, version: int) -> list[Verdict]:
    """The verdicts on a version, in the order of recording: of each gate the newest measurement."""
    return _newest(history(state, pipeline, version))


def _newest(stored: Sequence[Verdict]) -> list[Verdict]:
    measurements: dict[str, int] = {}
    for verdict in stored:
        measurements[verdict.gate_key] = max(verdict.measurement, measurements.get(verdict.gate_key, 0))
    by_slice: dict[tuple[str, str], Verdict] = {}
    for verdict in stored:
        if verdict.measurement == measurements[verdict.gate_key]:
            by_slice.pop((verdict.gate_key, verdict.slice), None)  # recorded later than what it replaces
            by_slice[verdict.gate_key, verdict.slice] = verdict
    return list(by_slice.values())


def history(state: State, pipeline: str, version: int) -> list[Verdict]:
    """Every verdict ever recorded on a version, in the order of recording."""
    mine = (table.c.pipeline == pipeline, table.c.version == version)
    chosen = select(*(table.c[name] for name in _COLUMNS)).where(*mine).order_by(table.c.id)
    return [Verdict(*row) for row in state.rows(chosen)]


def measured_again(state: State, pipeline: str) -> Mapping[int, datetime]:
    """Version → when a gate of it was last measured again. Inside `reading()` it is read once."""
    return state.once(f"measured again of {pipeline}", lambda: _measured_again(state, pipeline))


def _measured_again(state: State, pipeline: str) -> dict[int, datetime]:
    chosen = select(table.c.version, func.max(table.c.recorded_at)).where(table.c.pipeline == pipeline)
    return {row[0]: row[1] for row in state.rows(chosen.where(table.c.measurement > 1).group_by(table.c.version))}


def rounds(verdicts: Iterable[Verdict]) -> Mapping[str, int]:
    """Gates that were measured more than once → the number of the measurement that is to count.

    For a gate that waits, that is the next one. It is part of the key by which verdicts are stale.
    """
    numbers = {v.gate_key: v.measurement + v.waits for v in verdicts if v.slice == ""}
    return {key: number for key, number in sorted(numbers.items()) if number > 1}


def gate_count(verdicts: Iterable[Verdict]) -> GateCount:
    """Count the gates among these verdicts on one version. Verdicts of segments are not counted.

    "Not judged" does not stand in the way of a promotion (S24), so it counts as passed, unless the gate is still to be
    measured. A warning counts as passed, too. A gate without a verdict is counted neither as passed nor as a gate.
    """
    outcomes = [v.outcome != "failed" and not v.waits for v in verdicts if v.slice == ""]
    return GateCount(sum(outcomes), len(outcomes))


def newest_metric(state: State, pipeline: str) -> str | None:
    """The metric of the newest verdict on a version of a pipeline that is about one and about all rows, if any."""
    wanted = (table.c.pipeline == pipeline) & (table.c.metric != "") & (table.c.slice == "")
    metric: str | None = state.value(select(table.c.metric).where(wanted).order_by(table.c.id.desc()).limit(1))
    return metric
