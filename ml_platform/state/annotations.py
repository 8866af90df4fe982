"""What people add to experiments: notes, tags, and the columns that they list."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select, update

from ml_platform.state import experiments
from ml_platform.state.database import State
from ml_platform.state.experiment_tables import experiment_notes, run_columns
from ml_platform.state.experiment_tables import experiments as experiments_table


@dataclass(frozen=True)
class Note:
    """What somebody wrote about an experiment."""

    actor: str
    text: str
    written_at: datetime


def note(state: State, number: int, text: str, actor: str) -> None:
    """Add a note to an experiment. Raises NotFoundError."""
    with state.writing() as connection:
        experiments.experiment(state, number)
        values = {"experiment_id": number, "actor": actor, "text": text, "written_at": datetime.now(UTC)}
        connection.execute(insert(experiment_notes).values(values))


def notes(state: State, number: int) -> list[Note]:
    """The notes of an experiment, oldest first."""
    c = experiment_notes.c
    rows = state.rows(select(c.actor, c.text, c.written_at).where(c.experiment_id == number).order_by(c.id))
    return [Note(*row) for row in rows]


def tag(state: State, number: int, tags: Collection[str]) -> tuple[str, ...]:
    """Add tags to an experiment; all of its tags, sorted. Raises NotFoundError."""
    with state.writing() as connection:
        all_tags = tuple(sorted({*experiments.experiment(state, number).tags, *tags}))
        connection.execute(
            update(experiments_table).where(experiments_table.c.id == number).values(tags=json.dumps(all_tags))
        )
    return all_tags


def chosen_columns(state: State, actor: str) -> list[str] | None:
    """The columns that a person chose for lists of runs; None before they chose any."""
    text: str | None = state.value(select(run_columns.c.columns).where(run_columns.c.actor == actor))
    return None if text is None else list(json.loads(text))


def choose_columns(state: State, actor: str, columns: Sequence[str]) -> None:
    """Remember the columns that a person chose."""
    with state.writing() as connection:
        connection.execute(delete(run_columns).where(run_columns.c.actor == actor))
        connection.execute(insert(run_columns).values(actor=actor, columns=json.dumps(list(columns))))
