"""The append-only log of challengers: which version shadows the champion of a pipeline, and why (S28).

A version is the challenger from its "started" on, until it is stopped, another version takes its place, or it is
promoted. The last is on record in the log of promotions, and only there.
"""

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from ml_platform.errors import ChallengeRefused
from ml_platform.state import promotions
from ml_platform.state.challenge_tables import challenges as table
from ml_platform.state.database import State
from ml_platform.state.log_entries import append
from ml_platform.state.versions import version as find_version

Action = Literal["started", "stopped"]


@dataclass(frozen=True)
class Challenge:
    """One entry: `version` began to shadow the champion, or ended."""

    seq: int
    pipeline: str
    version: int
    action: Action
    reason: str
    actor: str
    recorded_at: datetime


_SELECTED = [table.c[field.name] for field in fields(Challenge)]


def history(state: State, pipeline: str) -> list[Challenge]:
    """The log of a pipeline in the order of writing."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.seq)
    return [Challenge(*row) for row in state.rows(chosen)]


def standing(state: State, pipeline: str) -> Challenge | None:
    """The entry that made the challenger of now; None without one."""
    log = history(state, pipeline)
    if not log or log[-1].action == "stopped":
        return None
    entry = log[-1]
    promoted = any(
        one.version == entry.version and one.recorded_at > entry.recorded_at
        for one in promotions.changed(state, pipeline)
    )
    return None if promoted else entry


def challenger(state: State, pipeline: str) -> int | None:
    """The version that shadows the champion; None without one."""
    entry = standing(state, pipeline)
    return None if entry is None else entry.version


def start(state: State, pipeline: str, version: int, *, reason: str, actor: str) -> tuple[Challenge, bool]:
    """Make a version the challenger, in the place of another one; its entry, and whether it is new.

    Raises ChallengeRefused for the champion itself and without a champion, and NotFoundError for a version that does
    not exist.
    """
    find_version(state, pipeline, version)
    with state.writing():
        champion = promotions.champion_at(state, pipeline)
        if champion is None:
            raise ChallengeRefused(
                f"{pipeline} has no champion that {pipeline}@{version} could challenge.",
                remedy=f"Promote a version: `ml-platform promote {pipeline}@N`.",
            )
        if champion == version:
            raise ChallengeRefused(
                f"{pipeline}@{version} is the champion: it cannot challenge itself.",
                remedy=f"Name another version: `ml-platform models {pipeline}` lists them.",
            )
        entry = standing(state, pipeline)
        if entry is not None and entry.version == version:
            return entry, False
        return _append(state, pipeline, version, "started", reason, actor), True


def stop(state: State, pipeline: str, *, reason: str, actor: str) -> Challenge:
    """End the challenger. Raises ChallengeRefused when there is none."""
    with state.writing():
        entry = standing(state, pipeline)
        if entry is None:
            raise ChallengeRefused(
                f"{pipeline} has no challenger.", remedy=f"`ml-platform challenge {pipeline}@N` makes a version one."
            )
        return _append(state, pipeline, entry.version, "stopped", reason, actor)


def _append(state: State, pipeline: str, version: int, action: Action, reason: str, actor: str) -> Challenge:
    entry = Challenge(0, pipeline, version, action, reason, actor, state.stamp())
    with state.writing() as connection:
        return replace(entry, seq=append(connection, table, asdict(entry)))
