"""Moving the prediction log to the lake: each sealed segment exactly once."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ml_platform.errors import ServingError, first_line
from ml_platform.lake.locking import hold_lock_file
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import literal, quoted
from ml_platform.serving import column_segments, prediction_log
from ml_platform.state.stores import Stores, after

SERVED = "served"
_TRANSACTION_BYTES = 32_000_000  # of segments
_EXPANSION = 10  # how much larger columns are as JSON
_LOCK = "moving.lock"
_TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "id": pl.String(),
    "key": pl.String(),
    "at": _TIME,
    "requested_at": _TIME,
    "version": pl.Int64(),
    "role": pl.String(),
    "shadow": pl.Boolean(),
    "score": pl.Float64(),
    "scores": pl.List(pl.Float64()),
    "class": pl.String(),
    "inputs": pl.String(),
    "features": pl.String(),
    "statuses": pl.String(),
    "ages": pl.String(),
    "overridden": pl.List(pl.String()),
    "max_staleness": pl.String(),
    "snapshots": pl.String(),
    "segment": pl.String(),
    "moved_at": _TIME,
}

_COLUMNS = pl.Schema({name: kind for name, kind in SCHEMA.items() if name not in ("segment", "moved_at")})
_AS_WRITTEN = {name: pl.String() if kind == _TIME else kind for name, kind in _COLUMNS.items()}
_NO_RECORD = "it is not the record of a prediction"
_NEVER_NULL = ("id", "requested_at", "version", "role")


class _MovesAlready(ServingError):
    """Another process moves the segments of the folder."""


def move(stores: Stores, pipeline: str, folder: Path) -> int:
    """Append the sealed segments of a pipeline to the lake table `<pipeline>.served` and remove them; rows moved.

    A segment that a killed mover had appended already is only removed. Rows are partitioned by the day of the
    request (UTC). `moved_at` is later than that of all rows that were moved before. While another process moves the
    segments of the folder, this one moves none.

    Raises ServingError, when all others are moved, for segments with a damaged line. They are kept under another name
    and not tried again.
    """

    def busy() -> _MovesAlready:
        return _MovesAlready(f"Another process moves the segments in {folder}.")

    try:
        with hold_lock_file(folder / _LOCK, 0.0, busy):
            return _move_all(stores, pipeline, folder)
    except _MovesAlready:
        return 0


def _move_all(stores: Stores, pipeline: str, folder: Path) -> int:
    prediction_log.seal_abandoned(folder)
    moved, damages = 0, dict[Path, str]()
    for segments in _in_transactions(prediction_log.sealed_segments(folder)):
        moved += _move_some(stores, pipeline, segments, damages)
    if damages:
        # Only now: had a transaction failed, the next call would find them again and say it.
        for segment in damages:
            segment.rename(segment.with_suffix(prediction_log.DAMAGED))
        raise ServingError(
            f"Segments of the prediction log are damaged and were set aside: {' '.join(damages.values())}",
            remedy=f"Mend or remove the line, and rename the file from *{prediction_log.DAMAGED} to "
            f"*{prediction_log.SEALED}: its other rows are moved then. "
            f"A segment of columns has no lines: put a copy of it back as *{column_segments.COLUMNS}, or remove it.",
        )
    return moved


def _in_transactions(segments: Sequence[Path]) -> Iterator[list[Path]]:
    """The segments in groups that one transaction moves: a group is parsed in memory as a whole."""
    group, size = list[Path](), 0
    for segment in segments:
        more = segment.stat().st_size * (_EXPANSION if segment.suffix == column_segments.COLUMNS else 1)
        if group and size + more > _TRANSACTION_BYTES:
            yield group
            group, size = [], 0
        group.append(segment)
        size += more
    if group:
        yield group


def _move_some(stores: Stores, pipeline: str, segments: list[Path], damages: dict[Path, str]) -> int:
    """Move these segments but for damaged ones, which are added to `damages` with what is wrong; rows moved."""
    author = Author(asset=f"{pipeline}/{SERVED}", run_id="serve")
    count = 0
    with write(stores.lake, author) as tx:
        appended_segments = _appended(stores, pipeline, segments)
        frames = []
        for segment in segments:
            if segment.stem in appended_segments:
                continue
            try:
                frames.append(_rows_of(segment))
            except ValueError as damage:
                damages[segment] = str(damage)
        moved_at = pl.lit(stores.state.stamp(), _TIME)  # under the write lock: in the order of commits
        for day, rows in _by_day(frames):
            count += tx.append(pipeline, SERVED, rows.with_columns(moved_at=moved_at), partition=day, evolve=True)
        after(tx, stores.state)
    for segment in segments:
        if segment not in damages:
            segment.unlink(missing_ok=True)
    return count


def _appended(stores: Stores, pipeline: str, segments: list[Path]) -> set[str]:
    """Those of the segments whose rows are in the lake."""
    if not stores.lake.columns(pipeline, SERVED):
        return set()
    names = ", ".join(literal(segment.stem) for segment in segments)
    rows = stores.lake.rows(f"SELECT DISTINCT segment FROM {quoted(pipeline)}.{SERVED} WHERE segment IN ({names})")
    return {name for (name,) in rows}


def _rows_of(segment: Path) -> pl.DataFrame:
    """The rows of a segment. Raises ValueError, with the segment and the line, for a damaged one."""
    name = pl.lit(segment.stem)
    if segment.suffix == column_segments.COLUMNS:
        try:
            rows = pl.concat(part.select(list(_COLUMNS)).cast(_COLUMNS) for part in column_segments.records(segment))
            return _checked(rows).with_columns(segment=name)
        except (ValueError, pl.exceptions.PolarsError) as error:
            raise ValueError(f"{segment}: {first_line(error)}.") from None
    lines = prediction_log.whole_lines(segment)
    try:
        return _parsed(lines).with_columns(segment=name)
    except ValueError as error:
        for number, line in enumerate(io.BytesIO(lines), 1):
            try:
                _parsed(line)
            except ValueError as of_line:
                raise ValueError(f"{segment}, line {number}: {of_line}.") from None
        raise ValueError(f"{segment}: {error}.") from None


def _parsed(lines: bytes) -> pl.DataFrame:
    """Records from lines of JSON. Raises ValueError for what is none."""
    try:
        frame = pl.read_ndjson(lines, schema=_AS_WRITTEN).with_columns(
            *(pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in ("at", "requested_at")),
            pl.col("shadow").fill_null(value=False),  # of code before there were challengers
        )
    except pl.exceptions.PolarsError as error:
        raise ValueError(first_line(error)) from None
    if frame.height != lines.count(b"\n"):
        raise ValueError(_NO_RECORD)
    return _checked(frame)


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    if any(frame[name].has_nulls() for name in _NEVER_NULL):
        raise ValueError(_NO_RECORD)
    return frame


def _by_day(frames: list[pl.DataFrame]) -> list[tuple[str, pl.DataFrame]]:
    if not any(frame.height for frame in frames):
        return []
    days = pl.concat(frames).with_columns(_day=pl.col("requested_at").dt.strftime("%Y-%m-%d")).sort("_day")
    return [(str(day), part.drop("_day")) for (day,), part in days.partition_by("_day", as_dict=True).items()]
