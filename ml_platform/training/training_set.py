"""The training set: examples, their features and labels as known at the decision, as one blob (S16 to S18)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.features.types import type_form, type_of
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.training.labels import check_labels, labelled, moment_sql, order_version
from ml_platform.training.parts import PartsSummary, judged_parts
from ml_platform.training.splits import PARTS, part_sql

if TYPE_CHECKING:
    import pyarrow as pa

CODE_VERSION = 1  # of how a training set is made; part of its content key (S31)
ROW_GROUP = 100_000  # rows; fixed, so that equal rows are equal bytes
EXTRA = ("_label", "_label_known_at", "_part")


@dataclass(frozen=True)
class Readiness:
    """What could be trained on at a moment: counts, and the reason when they do not suffice.

    `immature` examples were made before the decision and had no known label by then. `single` names
    the parts that need two different labels and have one, such as "holdout (always False)".
    """

    decided_at: datetime
    parts: Mapping[str, int]
    immature: int
    needed: int
    single: Sequence[str] = ()

    @property
    def labelled(self) -> int:
        """Examples with a known label, over all parts."""
        return sum(self.parts.values())

    @property
    def enough(self) -> bool:
        """Whether a training can be made: enough labels, no part empty, and different labels in each."""
        return not self.lacking

    @property
    def lacking(self) -> str:
        """Why not, as a sentence; empty when there is enough."""
        if self.labelled < self.needed:
            return f"{self.labelled} labels are known and {self.needed} are needed"
        empty = [part for part in PARTS if not self.parts[part]]
        if empty:
            return f"no labelled example is in the part {' and '.join(empty)}"
        return f"the labels are all the same in {', '.join(self.single)}" if self.single else ""


@dataclass(frozen=True)
class TrainingSet:
    """A stored training set. Rows are in order of (at, key).

    columns: name → polars type of what is stored: row_schema, features, then `_label`,
             `_label_known_at` and `_part` (train, validation, holdout).
    parts:   rows in each part. bounds: least and greatest `at` of each, ISO; empty without time.
    """

    digest: str
    decided_at: datetime
    rows: int
    parts: dict[str, int]
    immature: int
    columns: dict[str, str]
    bounds: dict[str, tuple[str, str]] = field(default_factory=dict)
    bytes: int = 0

    def to_details(self) -> dict[str, Any]:
        """As JSON values, for the ledger."""
        return {
            **asdict(self),
            "decided_at": self.decided_at.isoformat(),
            "bounds": {part: list(span) for part, span in self.bounds.items()},
        }

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> "TrainingSet":
        """What `to_details` wrote."""
        bounds = {part: (low, high) for part, (low, high) in details["bounds"].items()}
        return cls(**{**details, "decided_at": datetime.fromisoformat(details["decided_at"]), "bounds": bounds})


def declaration(pipeline: ModelPipeline) -> tuple[Any, ...]:
    """The parts of the declaration that a training set depends on besides its inputs, for its content key."""
    declared = (CODE_VERSION, pipeline.examples, pipeline.split, list(pipeline.feature_schema))
    return (*declared, *order_version(pipeline))


def readiness(
    lake: Lake,
    blobs: Blobs,
    pipeline: ModelPipeline,
    *,
    label_rows: str,
    decided_at: datetime | None,
    partitions_upto: Sequence[str],
) -> Readiness:
    """Count the examples that `build` would store, without storing them. For the decision to train."""
    moment = decided_at or watermark(lake, pipeline, partitions_upto)
    with _examples(lake, blobs, pipeline, label_rows, moment, _features(pipeline, partitions_upto)) as relation:
        part = part_sql(pipeline.split, moment, pipeline.examples.at, pipeline.examples.keys)
        rows = lake.rows(
            f"SELECT {part}, count(*), count(_label), min(_label), max(_label) FROM {relation} GROUP BY ALL"
        )
    parts = dict.fromkeys(PARTS, 0) | {name: labelled_rows for name, _, labelled_rows, _, _ in rows}
    only = {name: low for name, _, labelled_rows, low, high in rows if labelled_rows and low == high}
    return Readiness(
        moment,
        parts,
        sum(count - labelled_rows for _, count, labelled_rows, _, _ in rows),
        pipeline.retrain.min_examples,
        [f"{name} (always {only[name]!r})" for name in judged_parts(pipeline) if name in only],
    )


def build(
    lake: Lake,
    blobs: Blobs,
    pipeline: ModelPipeline,
    *,
    label_rows: str,
    decided_at: datetime | None,
    partitions_upto: Sequence[str],
    feature_rows: str = "",
) -> TrainingSet:
    """Join the feature rows of those partitions with the labels known before `decided_at`, and store them.

    None decides at the watermark of the data. Feature values are those of the features table, or of the relation
    `feature_rows` in its place; labels are of the row versions that stood then (S6), read from `label_rows` as
    `labelled` reads them. Raises TrainingError for labels that nothing can be learnt from: NaN or infinite, of one
    class in the train or holdout part, or an empty part.
    """
    rows = feature_rows or _features(pipeline, partitions_upto)
    moment = decided_at or _watermark(lake, pipeline, rows)
    stored = {n: type_of(type_form(t, n)) for n, t in {**pipeline.row_schema, **pipeline.feature_schema}.items()}
    schema = {
        **stored,
        "_label": _label_type(pipeline),
        "_label_known_at": pl.Datetime("us", "UTC"),
        "_part": pl.String(),
    }
    at, keys = pipeline.examples.at, pipeline.examples.keys
    import pyarrow.parquet as pq  # 30 ms, which only who makes one needs

    part = part_sql(pipeline.split, moment, at, keys)
    order = ", ".join(map(quoted, ([at] if at else []) + list(keys)))
    listed = ", ".join(part + " AS _part" if name == "_part" else quoted(name) for name in schema)
    summary = PartsSummary(pipeline)
    with blobs.writing() as path, _examples(lake, blobs, pipeline, label_rows, moment, rows) as relation:
        total = int(lake.value(f"SELECT count(*) FROM {relation}"))
        writer: pq.ParquetWriter | None = None
        try:
            query = f"SELECT {listed} FROM {relation} WHERE _label IS NOT NULL ORDER BY {order}"
            for frame in _row_groups(lake.stream(query), schema):
                check_labels(frame)
                summary.add(frame)
                arrow = frame.to_arrow()
                writer = writer or pq.ParquetWriter(path, arrow.schema, compression="lz4", use_dictionary=False)
                writer.write_table(arrow, row_group_size=ROW_GROUP)
        finally:
            if writer is not None:
                writer.close()
        summary.check()
        size = path.stat().st_size
        digest = blobs.put_file(path)
    return TrainingSet(
        digest,
        moment,
        summary.rows,
        summary.parts,
        total - summary.rows,
        {name: str(dtype) for name, dtype in schema.items()},
        summary.bounds,
        size,
    )


def watermark(lake: Lake, pipeline: ModelPipeline, partitions: Sequence[str]) -> datetime:
    """One microsecond after the last thing that happened: the decision time of data without partitions."""
    return _watermark(lake, pipeline, _features(pipeline, partitions))


def _watermark(lake: Lake, pipeline: ModelPipeline, feature_rows: str) -> datetime:
    table = f"validated.{quoted(pipeline.label_table)}"
    times = [f"SELECT greatest(max(_known_at), max(_superseded_at)) AS t FROM {table}"]
    if pipeline.examples.at:
        times.append(f"SELECT max({quoted(pipeline.examples.at)}) FROM {feature_rows}")
    last: datetime | None = lake.value(f"SELECT max(t) FROM ({' UNION ALL '.join(times)})")
    if last is None:
        raise TrainingError(f"{pipeline.name} has no examples.", remedy="Land files and build its features first.")
    return last + timedelta(microseconds=1)


def _features(pipeline: ModelPipeline, partitions: Sequence[str]) -> str:
    names = ", ".join(literal(name) for name in partitions)
    return f"(SELECT * FROM {quoted(pipeline.name)}.features WHERE _partition IN ({names}))"


@contextmanager
def _examples(
    lake: Lake, blobs: Blobs, pipeline: ModelPipeline, label_rows: str, moment: datetime, feature_rows: str
) -> Iterator[str]:
    relation = feature_rows
    if pipeline.examples.at:
        relation = f"(SELECT * FROM {relation} WHERE {quoted(pipeline.examples.at)} < {moment_sql(moment)})"
    with labelled(lake, blobs, pipeline, label_rows, relation, moment) as with_labels:
        yield with_labels


def _label_type(pipeline: ModelPipeline) -> pl.DataType:
    return {"binary": pl.Boolean(), "multiclass": pl.String(), "regression": pl.Float64()}[pipeline.task]


def _row_groups(reader: "pa.RecordBatchReader", schema: Mapping[str, pl.DataType]) -> Iterator[pl.DataFrame]:
    """The rows in frames of exactly ROW_GROUP rows, whatever pieces they came in; the last may be short."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(waiting)
            yield _frame(table.slice(0, ROW_GROUP), schema)
            waiting = table.slice(ROW_GROUP).to_batches()
            rows -= ROW_GROUP
    if rows:
        yield _frame(pa.Table.from_batches(waiting), schema)


def _frame(table: "pa.Table", schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.cast(pl.Schema(schema)).rechunk()
