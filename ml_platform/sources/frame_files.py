"""Frames that somebody else gives, as files of one schema in a folder: they count once the last one has come."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.errors import FileRefused
from ml_platform.lake.storable import storable
from ml_platform.sources.guard import Guard


def written(frames: Iterable[pl.DataFrame], folder: Path, guard: Guard, *, widens: bool = False) -> list[Path]:
    """Write frames to files of one schema, in order. Frames may lack columns; one is in memory at a time.

    Args:
        frames: As they come; each is checked against the limits of `guard`.
        folder: Where the files go.
        guard: The limits, and what messages call the version.
        widens: Whether whole numbers become floats where a later frame has floats. Otherwise two types are refused.

    Raises:
        FileRefused: For two types of one column; LimitExceeded for what is beyond a limit.
    """
    files, schema, size, first = list[Path](), dict[str, Any](), 0, 0
    for given in frames:
        frame = storable(given)
        guard.check_width(frame.width, "the first frame" if not files else f"frame {len(files) + 1}")
        guard.check_cells(frame, first)
        _merge(schema, frame, guard.path, len(files) + 1, widens)
        files.append(folder / f"{len(files):08d}.arrow")
        frame.write_ipc(files[-1])
        first += frame.height
        size += files[-1].stat().st_size
        guard.check_bytes(size, f"{size:,} bytes")
        guard.check_time(f"row {first:,}")
    for file in files:
        frame = pl.read_ipc(file)
        if dict(frame.schema) != schema:
            fitted = file.with_suffix(".fitted")  # the file may be mapped into memory while it is read
            _fitted(frame, schema).write_ipc(fitted)
            fitted.replace(file)
    return files


def _merge(schema: dict[str, Any], frame: pl.DataFrame, path: str, number: int, widens: bool) -> None:
    """Add the columns of a frame. One without values has no type of its own. Raises FileRefused where types differ."""
    for name, kind in frame.schema.items():
        before = schema.setdefault(name, kind)
        if before == pl.Null:
            schema[name] = kind
        elif widens and before != kind and {before, kind} == {pl.Int64, pl.Float64}:
            schema[name] = pl.Float64
        elif kind not in (before, pl.Null):
            raise FileRefused(
                path,
                f"{name!r} is {kind} in frame {number} and {before} before",
                remedy="Give every frame one type for it, such as by schema_overrides.",
            )


def _fitted(frame: pl.DataFrame, schema: dict[str, Any]) -> pl.DataFrame:
    """The frame with every column of the schema. Column by column: in an expression, a name may be a pattern."""
    return pl.DataFrame(
        [
            frame[name].cast(kind)
            if name in frame.columns
            else pl.repeat(None, frame.height, dtype=kind, eager=True).alias(name)
            for name, kind in schema.items()
        ]
    )
