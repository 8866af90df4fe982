"""Versions: an integer given once per pipeline and content key of the training (S22)."""

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ml_platform.errors import NotFoundError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.state import registry_tables


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
    """A training that was given its number. `name` is how people call it."""

    version: int
    created_at: datetime

    @property
    def name(self) -> str:
        """As people write it: pipeline@version."""
        return f"{self.pipeline}@{self.version}"


_COLUMNS = [field.name for field in fields(Version)]
_JSON = ("bounds", "parameters", "metrics", "environment", "durations")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM registry.versions WHERE pipeline = ? ORDER BY version"


def register(lake: Lake, author: Author, training: Training) -> Version:
    """Give the training its version. The same pipeline and content key again: the version it has, unchanged."""
    registry_tables.prepare(lake)
    known = by_key(lake, training.pipeline, training.content_key)
    if known is not None:
        return known
    with write(lake, author) as tx:
        known = by_key(lake, training.pipeline, training.content_key)
        if known is not None:
            return known
        newest = lake.value("SELECT max(version) FROM registry.versions WHERE pipeline = ?", [training.pipeline])
        made = Version(
            **{f.name: getattr(training, f.name) for f in fields(Training)},
            version=int(newest or 0) + 1,
            created_at=datetime.now(UTC),
        )
        values = {name: getattr(made, name) for name in _COLUMNS}
        values.update({name: json.dumps(values[name], sort_keys=True, allow_nan=False) for name in _JSON})
        marks = ", ".join("?" * len(_COLUMNS))
        tx.execute(f"INSERT INTO registry.versions ({', '.join(_COLUMNS)}) VALUES ({marks})", list(values.values()))
    return made


def versions(lake: Lake, pipeline: str) -> list[Version]:
    """All versions of a pipeline, oldest first."""
    return list(lake.once(f"versions of {pipeline}", lambda: _read(lake, pipeline)))


def version(lake: Lake, pipeline: str, number: int) -> Version:
    """One version. Raises NotFoundError, which lists those there are."""
    known = versions(lake, pipeline)
    for found in known:
        if found.version == number:
            return found
    raise NotFoundError("version", f"{pipeline}@{number}", [v.name for v in known])


def by_key(lake: Lake, pipeline: str, content_key: str) -> Version | None:
    """The version trained from that content key, if any."""
    return next((found for found in versions(lake, pipeline) if found.content_key == content_key), None)


def _read(lake: Lake, pipeline: str) -> list[Version]:
    found = registry_tables.read(lake, "versions", _SELECT, [pipeline])
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in found)
    return [Version(**{name: json.loads(v) if name in _JSON else v for name, v in row.items()}) for row in rows]
