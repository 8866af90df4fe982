"""The example in the middle of what a version was trained on, and what the version says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.models.predictor import Predictor
from ml_platform.naming import literal, quoted
from ml_platform.serving.batch import answers
from ml_platform.state.stores import Stores


@dataclass(frozen=True)
class TypicalExample:
    """An example that nobody has seen: every column has its typical value in the train part.

    values: of a number the median (the lower one of two), missing where most rows lack it; of anything else the most
            frequent value, missing included.
    score:  what the version gives it; `decided` is its class, None for regression.
    rows:   of the train part.
    """

    values: Mapping[str, Any]
    score: float
    decided: str | None
    rows: int


def typical_example(
    stores: Stores, training_set: str, predictor: Predictor, schema: Mapping[str, pl.DataType]
) -> TypicalExample:
    """The typical example of a training set, scored. `schema` holds the model's columns.

    Raises BlobError when the training set is missing or damaged.
    """
    train = f"(FROM read_parquet({literal(str(stores.blobs.get(training_set)))}) WHERE _part = 'train')"
    values = {
        name: _median(stores, train, name) if dtype.is_numeric() else _most_frequent(stores, train, name)
        for name, dtype in schema.items()
    }
    (row,) = answers(pl.DataFrame([values], schema=dict(schema)), predictor).to_dicts()
    ((rows,),) = stores.lake.rows(f"SELECT count(*) FROM {train}")
    return TypicalExample(values, row["score"], row["class"], rows)


# One column at a time: a median holds all values of its column in memory.


def _median(stores: Stores, train: str, name: str) -> Any:
    value = f"CASE WHEN isfinite({quoted(name)}::DOUBLE) THEN {quoted(name)} END"
    ((rows, present, median),) = stores.lake.rows(
        f"SELECT count(*), count(_value), quantile_disc(_value, 0.5) FROM (SELECT {value} AS _value FROM {train})"
    )
    return median if 2 * present >= rows else None


def _most_frequent(stores: Stores, train: str, name: str) -> Any:
    rows = stores.lake.rows(
        f"SELECT {quoted(name)} AS _value, count(*) AS _rows FROM {train} "
        "GROUP BY ALL ORDER BY _rows DESC, _value NULLS LAST LIMIT 1"
    )
    return rows[0][0] if rows else None
