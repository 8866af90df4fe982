"""A profile of each partition of a validated table, as rows: types, nulls, ranges, quantiles, levels."""

import json
from typing import Any

import polars as pl

from ml_platform.lake.transaction import Transaction

LEVELS = 50  # most frequent texts that are counted one by one
_QUANTILES = {"q01": 0.01, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q99": 0.99}
_SCHEMA = {
    "table_name": pl.String,
    "partition": pl.String,
    "column_name": pl.String,
    "type": pl.String,
    "rows": pl.Int64,
    "nulls": pl.Int64,
    "distinct": pl.Int64,
    "min": pl.String,
    "max": pl.String,
    "mean": pl.Float64,
    "std": pl.Float64,
    **dict.fromkeys(_QUANTILES, pl.Float64),
    "levels": pl.String,
    "content_key": pl.String,
}


def profile(frame: pl.DataFrame, table: str, partition: str, content_key: str) -> pl.DataFrame:
    """One row per column of `frame`. Quantiles are of the finite values, by linear interpolation."""
    about = {"table_name": table, "partition": partition, "content_key": content_key}
    rows = [{**about, "column_name": column.name, **_one(column)} for column in frame]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _one(column: pl.Series) -> dict[str, Any]:
    kind = column.dtype
    found: dict[str, Any] = {"type": str(kind), "rows": len(column), "nulls": column.null_count()}
    if kind.is_nested() or kind in (pl.Binary, pl.Null):
        return found
    values = column.drop_nulls()
    found["distinct"] = values.n_unique()
    if kind.is_float():
        values = values.filter(values.is_finite())
    if len(values):
        found["min"], found["max"] = _text(values.min()), _text(values.max())
    if kind.is_numeric() and len(values):
        numbers = values.cast(pl.Float64)
        found["mean"], found["std"] = numbers.mean(), numbers.std()
        for name, share in _QUANTILES.items():
            found[name] = numbers.quantile(share, "linear")
    if kind in (pl.String, pl.Boolean, pl.Categorical) or isinstance(kind, pl.Enum):
        text = values.cast(pl.String).alias("level")
        top = text.value_counts().sort(["count", "level"], descending=[True, False]).head(LEVELS)
        found["levels"] = json.dumps({str(level)[:200]: count for level, count in top.iter_rows()}, ensure_ascii=False)
    return found


def _text(value: Any) -> str:
    return str(value)[:200]


def write_profile(tx: Transaction, table: str, partition: str, rows: pl.DataFrame, *, again: bool) -> None:
    """Put the profile in the place of the partition's last one, if there was one (`again`)."""
    if again:
        tx.execute("DELETE FROM platform.profiles WHERE table_name = ? AND partition = ?", [table, partition])
    if rows.height:
        tx.append("platform", "profiles", rows)
