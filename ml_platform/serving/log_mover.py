"""Moving the prediction log to the lake: each sealed segment exactly once."""

from pathlib import Path

import polars as pl

from ml_platform.lake.transaction import Author, write
from ml_platform.naming import literal, quoted
from ml_platform.serving import prediction_log
from ml_platform.state.stores import Stores, after

SERVED = "served"
_MOST = 50  # segments in one transaction
_TIME = pl.Datetime("us", "UTC")
SCHEMA = {
    "id": pl.String(),
    "key": pl.String(),
    "at": _TIME,
    "requested_at": _TIME,
    "version": pl.Int64(),
    "role": pl.String(),
    "score": pl.Float64(),
    "scores": pl.List(pl.Float64()),
    "class": pl.String(),
    "inputs": pl.String(),
    "features": pl.String(),
    "statuses": pl.String(),
    "segment": pl.String(),
}


def move(stores: Stores, pipeline: str, folder: Path) -> int:
    """Append the sealed segments of a pipeline to the lake table `<pipeline>.served` and remove them; rows moved.

    A segment that a killed mover had appended already is only removed. Rows are partitioned by the day of the
    request (UTC).
    """
    prediction_log.seal_abandoned(folder)
    waiting = prediction_log.sealed(folder)
    moved = 0
    for start in range(0, len(waiting), _MOST):
        moved += _move_some(stores, pipeline, waiting[start : start + _MOST])
    return moved


def _move_some(stores: Stores, pipeline: str, segments: list[Path]) -> int:
    author = Author(asset=f"{pipeline}/{SERVED}", run_id="serve")
    count = 0
    with write(stores.lake, author) as tx:
        there = _appended(stores, pipeline, segments)
        for day, rows in _by_day([segment for segment in segments if segment.stem not in there]):
            count += tx.append(pipeline, SERVED, rows, partition=day)
        after(tx, stores.state)
    for segment in segments:
        segment.unlink()
    return count


def _appended(stores: Stores, pipeline: str, segments: list[Path]) -> set[str]:
    """Those of the segments whose rows are in the lake."""
    if not stores.lake.columns(pipeline, SERVED):
        return set()
    names = ", ".join(literal(segment.stem) for segment in segments)
    rows = stores.lake.rows(f"SELECT DISTINCT segment FROM {quoted(pipeline)}.{SERVED} WHERE segment IN ({names})")
    return {name for (name,) in rows}


def _by_day(segments: list[Path]) -> list[tuple[str, pl.DataFrame]]:
    rows = [record | {"segment": segment.stem} for segment in segments for record in prediction_log.records(segment)]
    if not rows:
        return []
    texts = {name: pl.String() if dtype == _TIME else dtype for name, dtype in SCHEMA.items()}
    frame = pl.DataFrame(rows, schema=texts, orient="row").with_columns(
        pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in ("at", "requested_at")
    )
    days = frame.with_columns(_day=pl.col("requested_at").dt.strftime("%Y-%m-%d")).sort("_day")
    return [(str(day), part.drop("_day")) for (day,), part in days.partition_by("_day", as_dict=True).items()]
