"""The features step: a partition's examples with every declared feature as known at prediction time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ml_platform.features import CODE_VERSION, offline
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.key_bounds import Bounds, key_bounds, times_between
from ml_platform.lake.pruning import rows_of, rows_within
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.staging import described, stage
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import literal, quoted
from ml_platform.plots.markdown import ROWS
from ml_platform.runtime import reading
from ml_platform.runtime.display import previewed
from ml_platform.runtime.step import Asset, Step, TableColumns
from ml_platform.runtime.workspace import Outcome, Workspace, record_after, window_of
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.wording import in_words, made_of
from ml_platform.state.results import FeaturesResult
from ml_platform.validation.version_order import validated, with_paths


class FeaturesStep(Step):
    """One row per example with every declared feature, as known at its prediction time."""

    name = "features"
    job = "data"
    result = FeaturesResult
    kinds = ("duckdb", "polars")
    summary = "One row per example with every declared feature, as known at its prediction time."
    explanation = (
        "A feature uses only what was known before that time, so training sees exactly what serving will see. "
        "*Columns* lists what each column holds."
    )
    changes_with = "a validated partition that a feature reads, or the declaration of a feature"
    advice = "*most nulls* names the features to check first. A join without matches shows there."
    freezes = False  # later trainings read them

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return tuple(("validated", table.name) for table in pipeline.tables if not _only_needed(pipeline, table.name))

    def table(self, pipeline: ModelPipeline) -> str:
        return f"{pipeline.name}.features"

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        keys = pipeline.examples.keys
        return TableColumns(
            {**pipeline.row_schema, **pipeline.feature_schema},
            in_words(pipeline),
            required=pipeline.examples.identity,
            unique=keys if len(keys) == 1 else (),
            made_of={
                name: [(("validated", table), column) for table, column in columns]
                for name, columns in made_of(pipeline).items()
            },
        )

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the definition and the validated partitions that can matter."""
        definition, key = ws.state.once(f"definition of {pipeline.name}", lambda: _definition(pipeline))
        start, end = window_of(pipeline, partition)
        reads = reading.validated(ws, pipeline, definition, start, end)
        since = _since_before(end, reading.available_since(ws, definition)) if reads else {}
        version = code_version(pipeline, definition)
        return recipe("features", *version, key, partition, reads, since, libraries("duckdb", "polars"))

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Compute the partition out of core, then replace it in a short transaction."""
        definition = FeatureDefinition.of(pipeline)
        with computed(ws, definition, *window_of(pipeline, partition)) as table:
            types = described(ws.lake, f"FROM {table}")
            first = previewed(ws, ws.lake.frame(f"FROM {table} LIMIT {ROWS}"), _count(ws, table))
            nulls = _nulls(ws, pipeline, table)
            staged = stage(ws.lake, f"FROM {table}")
        with write(ws.lake, author) as tx:
            _drop_retyped(ws, pipeline.name, types)
            rows = tx.replace(pipeline.name, "features", staged, partition=partition, evolve=True)
            display = {"features": len(definition.outputs), **nulls, "preview": first}
            if pipeline.unseen_columns:
                display["times that no model sees"] = ", ".join(pipeline.unseen_columns)
            outcome = Outcome(rows, result=FeaturesResult(len(definition.outputs)), display=display)
            return record_after(tx, ws, author, outcome)


def relations(ws: Workspace, definition: FeatureDefinition) -> dict[str, str]:
    """The validated rows of each table of the definition, as `offline.compute` reads them."""
    return {name: validated(ws.state, name, keyed=bool(table.key)) for name, table in definition.tables.items()}


def _since_before(end: datetime | None, since: Mapping[str, datetime | None]) -> dict[str, datetime | None]:
    """The dates of S14 that matter to examples before `end`: a later one is the same to them as none."""
    return {
        table: moment if moment is not None and (end is None or moment < end) else None
        for table, moment in since.items()
    }


def _definition(pipeline: ModelPipeline) -> tuple[FeatureDefinition, str]:
    definition = FeatureDefinition.of(pipeline)
    return definition, definition.key


def code_version(pipeline: ModelPipeline, definition: FeatureDefinition) -> list[int]:
    """What content keys say of the code: nothing more than CODE_VERSION where later changes alter no value.

    Of a table without key several rows may be the same example: the path of the file decides, not its id.
    """
    tied = not pipeline.table(definition.examples).key
    later = max(definition.code_version, 2 if tied else 1)
    return [CODE_VERSION, *([later] if later > 1 else [])]


def _only_needed(pipeline: ModelPipeline, table: str) -> bool:
    """Whether a table is only used to clean others, and no feature, example or label reads it."""
    label = getattr(pipeline.examples.label, "table", None)
    read = {feature.table for feature in pipeline.joined}
    return table not in {pipeline.examples.table, label, *read}


@contextmanager
def computed(
    ws: Workspace, definition: FeatureDefinition, start: datetime | None, end: datetime | None
) -> Iterator[str]:
    """A temporary table of the examples with start <= at < end and their features, while the context is open."""
    bounds = _key_bounds(ws, definition, start, end)
    source = with_paths(ws.state, definition.examples, rows_within(ws.lake, "validated", definition.examples, bounds))
    examples = offline.examples_sql(definition, source, start, end, bounds=bounds.condition)
    table = offline.compute(ws.lake.connection, definition, examples, relations(ws, definition))
    try:
        yield table
    finally:
        ws.lake.connection.execute(f"DROP TABLE {table}")


def _key_bounds(ws: Workspace, definition: FeatureDefinition, start: datetime | None, end: datetime | None) -> Bounds:
    """Bounds of the keys of the examples with start <= at < end."""
    if definition.at is None or start is None or end is None:
        return Bounds()
    at, moments = quoted(definition.at), [f"TIMESTAMPTZ {literal(moment.isoformat())}" for moment in (start, end)]
    near = rows_within(ws.lake, "validated", definition.examples, times_between(definition.at, start, end))
    rows = f"SELECT * FROM {near} WHERE {at} >= {moments[0]} AND {at} < {moments[1]}"
    return key_bounds(ws.lake, rows, definition.keys)


@contextmanager
def relation(ws: Workspace, pipeline: ModelPipeline, partition: str, definition: FeatureDefinition) -> Iterator[str]:
    """What to select from for a partition's features of `definition`: as stored, or computed when it is not today's."""
    if definition.key == FeatureDefinition.of(pipeline).key:
        yield rows_of(ws.lake, pipeline.name, "features", partition)
        return
    with computed(ws, definition, *window_of(pipeline, partition)) as table:
        yield table


def _count(ws: Workspace, table: str) -> int:
    return int(ws.lake.value(f"SELECT count(*) FROM {table}"))


def _drop_retyped(ws: Workspace, schema: str, types: dict[str, str]) -> None:
    """A feature that was declared again with another type: its old values are stale everywhere."""
    for name, there in ws.lake.columns(schema, "features").items():
        if name in types and types[name] != there:
            ws.lake.connection.execute(f"ALTER TABLE {quoted(schema)}.features DROP COLUMN {quoted(name)}")


def _nulls(ws: Workspace, pipeline: ModelPipeline, table: str) -> dict[str, Any]:
    """The features with the most nulls, of those that `table` holds."""
    names = list(pipeline.model_columns)
    shares = ws.lake.rows(
        f"SELECT {', '.join(f'1 - count({quoted(n)}) / greatest(count(*), 1)' for n in names)} FROM {table}"
    )[0]
    worst = sorted(zip(shares, names, strict=True), reverse=True)[:5]
    return {"most nulls": [{"feature": name, "null share": round(share, 4)} for share, name in worst]}
