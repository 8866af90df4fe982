"""What the last complete plan of a pipeline found settled, and how far the operational state was then."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from sqlalchemy import delete, func, insert, select

from ml_platform.state import schema
from ml_platform.state.check_tables import checks
from ml_platform.state.database import State
from ml_platform.state.plan_tables import settled_plans as table
from ml_platform.state.spans import Ends

# Tables of which rows are only added, each with its growing number. Whatever makes a settled partition stale, and is
# neither declared nor on the disk, adds a row to one of them.
GROWING = {
    "records": schema.records.c.id,
    "files": schema.files.c.id,
    "screenings": schema.screenings.c.id,
    "checks": checks.c.id,
    "versions": schema.versions.c.id,
    "verdicts": schema.verdicts.c.id,
    "promotions": schema.promotions.c.seq,
    "decisions": schema.decisions.c.id,
}


@dataclass(frozen=True)
class SettledPlan:
    """The partitions up to `through` need no work, but for the `others`, of which it is not known.

    declared: a hash of everything that decides and that neither the operational state nor the disk holds.
    outdated: those that are settled and would be made otherwise now.
    marks:    the newest number of every table of `GROWING`.
    ends:     of every validated table with an event time (`state.spans.Ends`).
    """

    pipeline: str
    declared: str
    through: str
    others: frozenset[str]
    outdated: frozenset[str]
    marks: Mapping[str, int]
    ends: Mapping[str, Ends]


def newest_numbers(state: State) -> dict[str, int]:
    """The newest number of every table of `GROWING`, now."""
    return {name: state.value(select(func.max(number))) or 0 for name, number in GROWING.items()}


def last(state: State, pipeline: str) -> SettledPlan | None:
    """What the last complete plan of the pipeline found; None before the first."""
    row = state.first(select(table).where(table.c.pipeline == pipeline))
    if row is None:
        return None
    others, outdated = (frozenset(json.loads(text)) for text in (row.others, row.outdated))
    ends = {name: Ends(*moments) for name, moments in json.loads(row.ends).items()}
    return SettledPlan(row.pipeline, row.declared, row.through, others, outdated, json.loads(row.marks), ends)


def keep(state: State, plan: SettledPlan) -> None:
    """Replace what the last complete plan of the pipeline found."""
    values = {
        "pipeline": plan.pipeline,
        "declared": plan.declared,
        "through": plan.through,
        "others": json.dumps(sorted(plan.others)),
        "outdated": json.dumps(sorted(plan.outdated)),
        "marks": json.dumps(plan.marks),
        "ends": json.dumps({name: astuple(one) for name, one in plan.ends.items()}),
    }
    with state.writing() as connection:
        connection.execute(delete(table).where(table.c.pipeline == plan.pipeline))
        connection.execute(insert(table).values(**values))
