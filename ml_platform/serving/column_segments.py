"""Segments of the prediction log that hold the answers of one large request as columns (S45).

Records as lines of JSON would take longer than the predictions. A segment of columns is written whole, under a name
that nobody reads, and gets its name before the answer is given; only the mover makes JSON of it.
"""

import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.serving.logged_values import json_value

COLUMNS = ".columns"
ROWS = 20_000  # that become JSON at a time
_PLAIN = ("id", "key", "at", "requested_at", "version", "role", "shadow", "score", "scores", "class", "snapshots")
_JSON = ("inputs", "features", "statuses")
_DIGEST = hashlib.sha256().digest_size  # bytes in front of the columns
_SECOND = 1e6  # microseconds
_MOMENT = "%Y-%m-%dT%H:%M:%S%.6f"


def packed(
    answers: pl.DataFrame,
    inputs: pl.DataFrame,
    features: pl.DataFrame,
    statuses: pl.DataFrame,
    ages: Mapping[str, pl.Series],
) -> bytes:
    """The bytes of a segment.

    Args:
        answers: The columns that a record has beside JSON: `id`, `key`, `at`, `requested_at`, `version`, `role`,
            `shadow`, `score`, `scores`, `class`, and `snapshots` as JSON.
        inputs: Of each example.
        features: Outputs of each.
        statuses: Of its looked-up features.
        ages: In microseconds, by status column, null where there is none.
    """
    groups = {
        "inputs": _narrowed(inputs),
        "features": _narrowed(features),
        "statuses": statuses,
        "ages": pl.DataFrame(dict(ages)),
    }
    columns = [answers.select(_PLAIN)]
    for group, frame in groups.items():
        columns.append(frame.rename({name: f"{group} {name}" for name in frame.columns}))
    buffer = io.BytesIO()
    buffer.write(bytes(_DIGEST))
    pl.concat(columns, how="horizontal").write_ipc(buffer, compression="lz4")
    with buffer.getbuffer() as content:
        content[:_DIGEST] = hashlib.sha256(content[_DIGEST:]).digest()
    return buffer.getvalue()


def _narrowed(frame: pl.DataFrame) -> pl.DataFrame:
    """Whole numbers in as few bytes as they need: they are packed sooner, and JSON shows them alike."""
    return frame.with_columns(frame[name].shrink_dtype() for name, dtype in frame.schema.items() if dtype.is_integer())


def write(folder: Path, data: bytes, new: str) -> None:
    """Write a segment; once this returns neither a kill nor a power failure loses it.

    Args:
        folder: Of the log.
        data: What `packed` gave.
        new: The suffix of files that are no segments yet.

    Raises:
        OSError: When the folder cannot be written; nothing is left then.
    """
    unnamed = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{new}"
    file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        unnamed.rename(unnamed.with_suffix(COLUMNS))
    except OSError:
        with suppress(OSError):
            unnamed.unlink()
        raise


def records(segment: Path, identities: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    """The records of a segment, some at a time, as a table of records has them, but for the name of the segment.

    identities: only the records with these ids; None: all.

    Raises ValueError for a damaged segment.
    """
    content = memoryview(segment.read_bytes())
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        raise ValueError("it is not what was written")
    frame = pl.read_ipc(io.BytesIO(content[_DIGEST:]))
    if "shadow" not in frame.columns:  # of code before there were challengers
        frame = frame.with_columns(shadow=pl.lit(value=False))
    if identities is not None:
        frame = frame.filter(pl.col("id").is_in(list(identities)))
    for part in frame.iter_slices(ROWS):
        groups = {name: _group(part, name) for name in _JSON}
        yield part.select(_PLAIN).with_columns(
            *(_as_json(group).alias(name) for name, group in groups.items()),
            _present_as_json(in_seconds(_group(part, "ages"))).alias("ages"),
            overridden=pl.lit([], pl.List(pl.String)),
            max_staleness=pl.lit("{}"),
        )


def _group(frame: pl.DataFrame, group: str) -> pl.DataFrame:
    prefix = f"{group} "
    return frame.select(
        pl.col(name).alias(name.removeprefix(prefix)) for name in frame.columns if name.startswith(prefix)
    )


def in_seconds(ages: pl.DataFrame) -> pl.DataFrame:
    """Microseconds as seconds."""
    # In numpy: polars divides by a constant through its reciprocal.
    columns = {}
    for name in ages.columns:
        seconds = pl.Series(ages[name].fill_null(0).to_numpy() / _SECOND)
        columns[name] = pl.select(pl.when(ages[name].is_not_null()).then(seconds)).to_series()
    return pl.DataFrame(columns)


def _as_json(frame: pl.DataFrame) -> pl.Series:
    """The rows as JSON objects, as `json_value` has the values."""
    if not frame.width:
        return pl.Series(["{}"])
    plain = frame.select(_plain(name, dtype) for name, dtype in frame.schema.items())
    texts = plain.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    infinite = frame.select(
        pl.any_horizontal(pl.lit(value=False), *(~pl.col(name).is_finite() for name in _fractions(frame)))
    ).to_series()
    if not infinite.any():
        return texts
    special = np.flatnonzero(infinite.fill_null(value=False).to_numpy()).tolist()
    rows = (frame.row(row, named=True) for row in special)
    return texts.scatter(special, [json.dumps({name: json_value(one) for name, one in row.items()}) for row in rows])


def _fractions(frame: pl.DataFrame) -> list[str]:
    return [name for name, dtype in frame.schema.items() if dtype.is_float()]


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column that JSON shows as `json_value` does."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.strftime(_MOMENT)
        if dtype.time_zone == "UTC":
            return column.dt.strftime(f"{_MOMENT}%:z")
        # Before standard time zones had seconds.
        return column.dt.strftime(f"{_MOMENT}%::z").str.replace(r"([+-]\d\d:\d\d):00$", "${1}")
    return column.cast(pl.Float64) if dtype == pl.Float32 else column


def _present_as_json(frame: pl.DataFrame) -> pl.Expr:
    """JSON objects of the values that are there."""
    if not frame.width:
        return pl.lit("{}")
    encoded = [_as_json(frame.select(name)) for name in frame.columns]
    shown = [
        pl.select(pl.when(frame[name].is_not_null()).then(text.str.slice(1, text.str.len_chars() - 2))).to_series()
        for name, text in zip(frame.columns, encoded, strict=True)
    ]
    joined = pl.select(pl.concat_str(shown, separator=", ", ignore_nulls=True)).to_series()
    return pl.lit("{" + joined + "}")
