"""Retraining decisions: an append-only history (S6, S20). The newest of a partition is in effect."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, insert, select

from ml_platform.state.database import State
from ml_platform.state.schema import decisions as table


@dataclass(frozen=True)
class DecisionRecord:
    """One decision. `outcome`: triggered, skipped or manual; `policy` and `evidence` are JSON."""

    pipeline: str
    partition: str
    decided_at: datetime | None
    outcome: str
    reason: str
    policy: str
    evidence: str
    run_id: str
    recorded_at: datetime

    @property
    def trains(self) -> bool:
        """Whether the decision starts a training."""
        return self.outcome != "skipped"

    @property
    def replaces(self) -> str:
        """The mark of the settled training that a manual decision replaces; empty: none."""
        asked = json.loads(self.evidence).get("manual")
        return str(asked["replaces"]) if asked else ""


_FEW = 40  # queries of one decision cost as much as one of 2,000
_SELECTED = [table.c[name] for name in DecisionRecord.__dataclass_fields__]


def append(
    state: State,
    pipeline: str,
    partition: str,
    *,
    decided_at: datetime | None,
    outcome: str,
    reason: str,
    policy: str,
    evidence: str,
    run_id: str,
) -> DecisionRecord:
    """Add a decision to the history."""
    with state.writing() as connection:
        now = state.stamp()
        entry = DecisionRecord(pipeline, partition, decided_at, outcome, reason, policy, evidence, run_id, now)
        connection.execute(insert(table).values(asdict(entry)))
    return entry


def history(state: State, pipeline: str) -> list[DecisionRecord]:
    """Every decision of a pipeline, oldest first."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.id)
    return [DecisionRecord(*row) for row in state.rows(chosen)]


def current(state: State, pipeline: str) -> dict[str, DecisionRecord]:
    """The decision in effect of every partition."""
    return state.once(f"decisions of {pipeline}", lambda: _newest(state, pipeline))


def current_of(state: State, pipeline: str, partition: str) -> DecisionRecord | None:
    """The decision in effect of one partition; None before the first.

    Inside `reading()` a few partitions are asked for one by one, and all at once where there are more.
    """
    single: dict[str, DecisionRecord | None] = state.once(f"single decisions of {pipeline}", dict)
    if partition not in single:
        if state.remembers(f"decisions of {pipeline}") or len(single) >= _FEW:
            return current(state, pipeline).get(partition)
        single[partition] = _newest_of(state, pipeline, partition)
    return single[partition]


def _newest_of(state: State, pipeline: str, partition: str) -> DecisionRecord | None:
    mine = select(*_SELECTED).where(table.c.pipeline == pipeline, table.c.partition == partition)
    row = state.first(mine.order_by(table.c.id.desc()).limit(1))
    return None if row is None else DecisionRecord(*row)


def newest_manual(state: State, pipeline: str) -> dict[str, DecisionRecord]:
    """The newest manual decision of every partition."""
    return state.once(f"manual decisions of {pipeline}", lambda: _newest(state, pipeline, "manual"))


def first_taken(state: State, pipeline: str) -> dict[str, datetime]:
    """When each partition was first decided."""
    return state.once(f"first decisions of {pipeline}", lambda: _first_taken(state, pipeline))


def _first_taken(state: State, pipeline: str) -> dict[str, datetime]:
    chosen = select(table.c.partition, func.min(table.c.recorded_at)).where(table.c.pipeline == pipeline)
    return {partition: moment for partition, moment in state.rows(chosen.group_by(table.c.partition))}


def _newest(state: State, pipeline: str, outcome: str | None = None) -> dict[str, DecisionRecord]:
    last = select(func.max(table.c.id)).where(table.c.pipeline == pipeline).group_by(table.c.partition)
    if outcome is not None:
        last = last.where(table.c.outcome == outcome)
    rows = state.rows(select(*_SELECTED).where(table.c.id.in_(last)).order_by(table.c.partition))
    return {row.partition: DecisionRecord(*row) for row in rows}
