"""Model versions: one number per pipeline and content key of the training (S22)."""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from ml_platform.errors import NotFoundError
from ml_platform.state.database import AnyRow, State
from ml_platform.state.schema import versions as table


@dataclass(frozen=True)
class Training:
    """What was trained, from what. `training_set` and `bundle` are digests of blobs.

    `bounds`, `parameters`, `metrics`, `environment` and `durations` hold JSON values; bounds give
    for train, validation and holdout the first and last prediction time (ISO) and the rows, and the
    `cut_off` and `split` that tell whether two versions have a common holdout (S25).
    """

    pipeline: str
    content_key: str
    partition: str
    training_set: str
    bundle: str
    bounds: dict[str, Any]
    decided_at: datetime | None
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    environment: dict[str, Any]
    code_version: str
    durations: dict[str, Any]
    run_id: str


@dataclass(frozen=True)
class Version(Training):
    """A training with its version number. `name` is pipeline@version."""

    version: int
    created_at: datetime

    @property
    def name(self) -> str:
        """The name of the version: pipeline@version."""
        return f"{self.pipeline}@{self.version}"


_COLUMNS = [field.name for field in fields(Version)]
_JSON = ("bounds", "parameters", "metrics", "environment", "durations")


def register(state: State, training: Training) -> Version:
    """Register a training as a new version. A known pipeline and content key returns the existing version."""
    with state.writing() as connection:
        existing = by_key(state, training.pipeline, training.content_key)
        if existing is not None:
            return existing
        newest = state.value(select(func.max(table.c.version)).where(table.c.pipeline == training.pipeline))
        registered = Version(
            **{f.name: getattr(training, f.name) for f in fields(Training)},
            version=int(newest or 0) + 1,
            created_at=state.stamp(),
        )
        connection.execute(insert(table).values(stored(registered)))
    return registered


def stored(version: Version) -> dict[str, Any]:
    """A version as a row of the table."""
    values = {name: getattr(version, name) for name in _COLUMNS}
    return values | {name: json.dumps(values[name], sort_keys=True, allow_nan=False) for name in _JSON}


def versions(state: State, pipeline: str) -> list[Version]:
    """All versions of a pipeline, oldest first."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.version)
    return list(state.once(f"versions of {pipeline}", lambda: [_version(row) for row in state.rows(chosen)]))


def pipelines(state: State) -> list[str]:
    """The pipelines that have a version, by name."""
    return [row[0] for row in state.rows(select(table.c.pipeline).distinct().order_by(table.c.pipeline))]


def version(state: State, pipeline: str, number: int) -> Version:
    """One version. Raises NotFoundError, which lists the existing ones."""
    there = state.once(f"version {number} of {pipeline}", lambda: _version_of(state, pipeline, number))
    if there is None:
        raise NotFoundError("version", f"{pipeline}@{number}", [v.name for v in versions(state, pipeline)])
    return there


def _version_of(state: State, pipeline: str, number: int) -> Version | None:
    row = state.first(select(*_SELECTED).where(table.c.pipeline == pipeline, table.c.version == number))
    return None if row is None else _version(row)


def by_key(state: State, pipeline: str, content_key: str) -> Version | None:
    """The version trained from that content key, if any."""
    row = state.first(select(*_SELECTED).where(table.c.pipeline == pipeline, table.c.content_key == content_key))
    return None if row is None else _version(row)


_SELECTED = [table.c[name] for name in _COLUMNS]


def _version(row: AnyRow) -> Version:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Version(**{name: json.loads(value) if name in _JSON else value for name, value in values.items()})
