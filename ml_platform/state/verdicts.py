"""Verdicts of gates on versions, measured once and stored (S23)."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select

from ml_platform.state.database import State
from ml_platform.state.schema import verdicts as table


@dataclass(frozen=True)
class Verdict:
    """One verdict. The one with an empty `slice` is the gate's outcome; others explain it by segment.

    `gate` is a phrase; `passed` is None for "not judged"; `low` and `high` are the 95 % interval of
    `value`; `snapshot` is the digest of the training set. `measured` is False when the gate itself
    broke: it counts as failed and may be judged again.
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

    @property
    def outcome(self) -> str:
        """`passed` in words: passed, failed or not judged."""
        return {True: "passed", False: "failed", None: "not judged"}[self.passed]


class GateCount(NamedTuple):
    """How many gates a version passed, of the gates that judged it."""

    passed: int
    gates: int


_COLUMNS = [field.name for field in fields(Verdict)]


def record(state: State, verdicts: Sequence[Verdict], run_id: str) -> list[Verdict]:
    """Store verdicts and return the stored ones, in the order given.

    An earlier measurement for the same version, gate and segment is kept and returned. A gate that broke before is
    judged again by adding a row, not by changing one.
    """
    now = datetime.now(UTC)
    stamped = [replace(verdict, run_id=run_id, recorded_at=now) for verdict in verdicts]
    with state.writing() as connection:
        measured: dict[tuple[Any, ...], Verdict] = {}
        for pipeline, version in sorted({(v.pipeline, v.version) for v in stamped}):
            measured.update({_identity(v): v for v in of(state, pipeline, version) if v.measured})
        for verdict in stamped:
            if _identity(verdict) not in measured:
                connection.execute(insert(table).values(asdict(verdict)))
    return [measured.get(_identity(verdict), verdict) for verdict in stamped]


def of(state: State, pipeline: str, version: int) -> list[Verdict]:
    """The verdicts on a version, in the order of recording; the newest of each gate and segment."""
    mine = (table.c.pipeline == pipeline, table.c.version == version)
    newest = select(func.max(table.c.id)).where(*mine).group_by(table.c.gate_key, table.c.slice)
    chosen = select(*(table.c[name] for name in _COLUMNS)).where(table.c.id.in_(newest)).order_by(table.c.id)
    return [Verdict(*row) for row in state.rows(chosen)]


def gate_count(verdicts: Iterable[Verdict]) -> GateCount:
    """Count the gates among these verdicts on one version. Verdicts of segments are not counted.

    "Not judged" does not stand in the way of a promotion (S24), so it counts as passed. A gate without a verdict is
    counted neither as passed nor as a gate.
    """
    outcomes = [verdict.passed is not False for verdict in verdicts if verdict.slice == ""]
    return GateCount(sum(outcomes), len(outcomes))


def _identity(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.pipeline, verdict.version, verdict.gate_key, verdict.slice
