"""What is alarming about the drift of single columns: rules beside the weighted figure, which bounds each column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_platform.monitoring.drift import CALENDAR, CAP, ColumnDrift
from ml_platform.spec.monitoring import Drift

IMPORTANT = 0.1  # the share of the importance from which on a column is judged alone


@dataclass(frozen=True)
class Alarming:
    """Columns that break a rule of their own, with the figure that breaks it.

    moved:  PSI of important columns. nulls: by how much the share of nulls moved, with its sign.
    unseen: the share of rows with a category that the training data do not have.
    """

    moved: Mapping[str, float] = field(default_factory=dict)
    nulls: Mapping[str, float] = field(default_factory=dict)
    unseen: Mapping[str, float] = field(default_factory=dict)


def alarming(drift: Drift, columns: Sequence[ColumnDrift], importance: Mapping[str, float]) -> Alarming:
    """The columns that break a rule. Calendar columns break none; a column that the model does not use neither."""
    used = [one for one in columns if one.status != CALENDAR and importance.get(one.name, 0.0) > 0]
    moved = {one.name: moved_by(one) for one in important(columns, importance)}
    nulls = {one.name: one.null_change for one in used if one.null_change is not None}
    unseen = {one.name: one.unseen_share for one in used if one.unseen_share is not None}
    return Alarming(
        {name: psi for name, psi in moved.items() if psi > drift.important},
        {name: change for name, change in nulls.items() if abs(change) > drift.nulls},
        {name: share for name, share in unseen.items() if share > drift.unseen},
    )


def important(columns: Sequence[ColumnDrift], importance: Mapping[str, float]) -> list[ColumnDrift]:
    """The columns with at least IMPORTANT of the importance, and in any case the most important; first the greatest.

    >>> columns = [ColumnDrift(name, "ok", psi=1.0) for name in ("km", "hour", "zone")]
    >>> [one.name for one in important(columns, {"km": 0.7, "hour": 0.2, "zone": 0.05})]
    ['km', 'hour']
    """
    judged = [one for one in columns if one.status != CALENDAR and importance.get(one.name, 0.0) > 0]
    judged.sort(key=lambda one: (-importance[one.name], one.name))
    return [one for rank, one in enumerate(judged) if rank == 0 or importance[one.name] >= IMPORTANT]


def moved_by(column: ColumnDrift) -> float:
    """Its PSI; CAP for one that is missing or has another type, 0 where nothing could be compared."""
    if column.psi is not None:
        return column.psi
    return CAP if column.status in ("missing", "other type") else 0.0
