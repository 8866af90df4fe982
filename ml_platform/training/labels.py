"""Labels as they stood at the moment of the decision (S6, S17, S18).

Each function gives a SQL relation of the examples it is handed, with `_label` and `_label_known_at`
added; both are null where no label was known yet.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ml_platform.errors import FeatureError, TrainingError
from ml_platform.features.rowwise import DerivedColumn, derive
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.key_bounds import Bounds, key_bounds
from ml_platform.lake.pruning import rows_within
from ml_platform.naming import literal, quoted
from ml_platform.spec.durations import microseconds
from ml_platform.spec.examples import Label
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import join_keys
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.validation.version_order import PATH, ROW, newest_first

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53  # whole numbers up to it are doubles
CODE_VERSION = 2  # of which version and which row answers; see `order_version`
_ANY = Bounds()  # no bounds


def order_version(pipeline: ModelPipeline) -> list[int]:
    """What content keys say of how labels are chosen: nothing where every key has one version to choose from.

    Versions overlap in a table with `refresh` only. Several rows may answer where the label's `on` is not the key.
    """
    label, table = pipeline.examples.label, pipeline.table(pipeline.label_table)
    several = isinstance(label, Label) and label.value is not None and set(join_keys(label.on).values()) != {*table.key}
    return [CODE_VERSION] if several or table.refresh is not None else []


@contextmanager
def labelled(
    lake: Lake,
    blobs: Blobs,
    pipeline: ModelPipeline,
    label_rows: str,
    examples: str,
    decided_at: datetime,
    *,
    few: bool = False,
) -> Iterator[str]:
    """`examples` (a SQL relation of the pipeline's feature rows) with their labels, while the context is open.

    label_rows: a query of the validated label table with `_path` (`version_order.with_paths`).
    few:        whether the examples are a small part of the table, so that labels of other ones are not evaluated.
    """
    label = pipeline.examples.label
    moment = moment_sql(decided_at)
    if isinstance(label, Label) and label.value is None:
        yield _presence(pipeline, label, examples, moment)
        return
    with blobs.writing() as path:
        if isinstance(label, Label):
            on = join_keys(label.on)
            _write_values(lake, pipeline, label_rows, path, list(on.values()), decided_at)
        else:
            on = {key: key for key in pipeline.examples.keys}
            key, bounds = pipeline.table(pipeline.label_table).key, Bounds()
            if few and (not key or set(on) <= set(key)):  # all versions of a row are within, or none
                bounds = key_bounds(lake, f"SELECT * FROM {examples}", list(on))
            _write_values(lake, pipeline, label_rows, path, list(on), decided_at, bounds)
        matches = " AND ".join(f"f.{quoted(own)} = l.k{index}" for index, own in enumerate(on))
        yield (
            f"(SELECT f.*, l._label, l._label_known_at FROM {examples} f "
            f"LEFT JOIN read_parquet({literal(str(path))}) l ON {matches})"
        )


def moment_sql(moment: datetime) -> str:
    """A UTC time as a SQL literal."""
    return f"TIMESTAMPTZ {literal(moment.isoformat())}"


def _standing(lake: Lake, table: Table, label_rows: str, columns: Sequence[str], moment: str, bounds: Bounds) -> str:
    """The version of each row that stood at `moment`; of several that were known and not yet replaced, the newest.

    `bounds`: all versions of a row are within them, or none.
    """
    condition = (
        f"_known_at < {moment} AND (_superseded_at IS NULL OR _superseded_at >= {moment}) AND {bounds.condition}"
    )
    listed = ", ".join(dict.fromkeys([*map(quoted, columns), "_known_at", "_arrival"]))
    key = ", ".join(map(quoted, table.key))
    plain = rows_within(lake, "validated", table.name, bounds)
    several = f"SELECT 1 FROM {plain} WHERE {condition} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    if key and lake.value(several) is not None:  # rare, and the ranking costs a sort of the table
        newest = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {newest_first()}) = 1"
        return f"SELECT {listed} FROM ({label_rows}) WHERE {condition} {newest}"
    if not key:  # rows that tie are told apart by file and row
        return f"SELECT {listed}, {PATH}, {ROW} FROM ({label_rows}) WHERE {condition}"
    return f"SELECT {listed} FROM {plain} WHERE {condition}"


def _write_values(
    lake: Lake,
    pipeline: ModelPipeline,
    label_rows: str,
    path: Path,
    on: list[str],
    decided_at: datetime,
    bounds: Bounds = _ANY,
) -> None:
    """Evaluate the label expression on the standing rows, streamed into a Parquet file: k0, k1, …, _label, …"""
    label, name = pipeline.examples.label, pipeline.label_table
    table = pipeline.table(name)
    expression = label.value if isinstance(label, Label) else pipeline.examples.label_expression
    assert expression is not None
    portable = to_portable(expression, "label")
    read = sorted(columns_read(portable))
    clock = [table.event_time] if table.event_time else []
    rows = _standing(lake, table, label_rows, [*on, *read, *clock, *table.key], moment_sql(decided_at), bounds)
    if isinstance(label, Label) and set(on) != set(table.key):
        # Several rows may answer: the latest event does, as for a Latest feature (S10).
        ranks = [*map(quoted, clock), "_known_at", "_arrival", *map(quoted, table.key or (PATH, ROW))]
        order = ", ".join(f"{rank} DESC NULLS LAST" for rank in ranks)
        rows = (
            f"SELECT * FROM ({rows}) QUALIFY row_number() OVER "
            f"(PARTITION BY {', '.join(map(quoted, on))} ORDER BY {order}) = 1"
        )
    import pyarrow.parquet as pq

    answers = [f"{quoted(column)} AS k{index}" for index, column in enumerate(on)]
    operands = [f"{quoted(column)} AS c{index}" for index, column in enumerate(read)]
    needed = ", ".join([*answers, *operands, "_known_at"])
    keys = [pl.col(f"k{index}") for index in range(len(on))]
    back = {f"c{index}": column for index, column in enumerate(read)}
    typed = {column: table.stored_columns[column] for column in read}
    steps = ((DerivedColumn.of("_label", portable, typed, f"The label of {pipeline.name}"),),)
    writer: pq.ParquetWriter | None = None
    try:
        for batch in _frames(lake, f"SELECT {needed} FROM ({rows})"):
            operands_read = batch.select(list(back)).rename(back).cast(pl.Schema(typed))
            values = derive(operands_read, steps).select("_label")
            _check_exact(values["_label"], pipeline.name)
            out = pl.concat([batch.select(*keys, _label_known_at=pl.col("_known_at")), values], how="horizontal")
            arrow = out.to_arrow()
            writer = writer or pq.ParquetWriter(path, arrow.schema, compression="none")
            writer.write_table(arrow)
    except FeatureError as error:
        raise TrainingError(error.what, remedy=error.remedy) from error
    finally:
        if writer is not None:
            writer.close()


def _check_exact(labels: pl.Series, pipeline: str) -> None:
    """Raise TrainingError for whole labels that no double holds."""
    if labels.dtype.is_integer() and bool((labels.cast(pl.Int128).abs() > _EXACT).any()):
        raise TrainingError(
            f"The label of {pipeline} has whole numbers beyond 2^53, which are learnt as the nearest double.",
            remedy="Subtract a constant in the label.",
        )


def _frames(lake: Lake, sql: str) -> Iterator[pl.DataFrame]:
    """The result as frames, one at least, so that its types are known."""
    import pyarrow as pa  # 30 ms, which a plan does without

    reader = lake.stream(sql)
    empty = True
    for batch in reader:
        empty = False
        yield _frame(pa.Table.from_batches([batch]))
    if empty:
        yield _frame(reader.schema.empty_table())


def _frame(table: "pa.Table") -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _presence(pipeline: ModelPipeline, label: Label, examples: str, moment: str) -> str:
    """A row there means true; with `matures_after`, none by then means false, known from then on.

    A corrected row was there from its first version on, so the first one's clock counts. Of several
    rows the first known at or after the prediction does.
    """
    on, table, at = join_keys(label.on), pipeline.table(label.table), pipeline.examples.at
    theirs = ", ".join(map(quoted, on.values()))
    key = ", ".join(map(quoted, dict.fromkeys([*table.key, *on.values()])))
    stands = f"_superseded_at IS NULL OR _superseded_at >= {moment}"
    reports = (
        f"SELECT DISTINCT {theirs}, _known FROM (SELECT {key}, min(_known_at) AS _known, "
        f"bool_or({stands}) AS _stands FROM validated.{quoted(label.table)} WHERE _known_at < {moment} "
        f"GROUP BY {key}) WHERE _stands"
    )
    matches = " AND ".join(f"f.{quoted(own)} = l.{quoted(other)}" for own, other in on.items())
    if label.matures_after is None:
        value, known_at = "CASE WHEN l._known IS NOT NULL THEN true END", "l._known"
    else:
        assert at is not None  # the declaration guarantees it
        ripe = f"(f.{quoted(at)} + to_microseconds({microseconds(label.matures_after)}))"
        value = f"CASE WHEN l._known <= {ripe} THEN true WHEN {ripe} < {moment} THEN false END"
        known_at = f"CASE WHEN l._known <= {ripe} THEN l._known WHEN {ripe} < {moment} THEN {ripe} END"
    join = f"LEFT JOIN ({reports}) l ON {matches}"
    if at is not None:  # what was reported before the prediction is no outcome of it
        join = f"ASOF LEFT JOIN ({reports}) l ON {matches} AND f.{quoted(at)} <= l._known"
    return f"(SELECT f.*, {value} AS _label, {known_at} AS _label_known_at FROM {examples} f {join})"


def check_labels(frame: pl.DataFrame) -> None:
    """Raise TrainingError for labels that are NaN or infinite: some libraries take them silently."""
    label = frame["_label"]
    if not label.dtype.is_float():
        return
    bad = frame.filter(~pl.col("_label").is_finite()).group_by("_part").len().sort("_part")
    if bad.height:
        listed = ", ".join(f"{count} in {part}" for part, count in bad.iter_rows())
        raise TrainingError(
            f"Labels that are NaN or infinite: {listed}.",
            remedy="Correct the label expression, or reject such rows in the contract.",
        )
