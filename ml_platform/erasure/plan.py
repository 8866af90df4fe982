"""The plan of an erasure: all that it needs after a kill, when parts of the rows are gone already.

It holds what is to be forgotten, so it lies in a folder of its own (0700) that goes with the end of the erasure.
"""

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from ml_platform.erasure.entity import Entity, same_columns, typed_keys
from ml_platform.erasure.finding import TableRows, rows_of
from ml_platform.erasure.texts import is_telling
from ml_platform.lake import durable
from ml_platform.lake.unfinished_erasure import plan_file, plan_folder
from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.validation.forgotten import spelled

_MOST_MARKERS = 5000  # values by which texts are known


@dataclass(frozen=True)
class Plan:
    """What is to be forgotten.

    columns:  table → the columns in which it names the entity, in one order.
    values:   of these columns, as texts.
    rows:     table → id of a file version → numbers of its raw rows.
    markers:  values by which a text about the entity is known.
    unread:   table → file versions in which nobody can look.
    counts:   place → rows, as they were before anything went.
    """

    erasure_id: str
    table: str
    actor: str
    why: str
    columns: Mapping[str, tuple[str, ...]]
    values: tuple[tuple[str, ...], ...]
    rows: Mapping[str, Mapping[str, list[int]]]
    markers: tuple[str, ...]
    unread: Mapping[str, list[str]]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns by which the entity was named."""
        return self.columns[self.table]

    @property
    def row_count(self) -> int:
        """How many raw rows are to go."""
        return sum(len(numbers) for files in self.rows.values() for numbers in files.values())

    def keys(self, table: Table) -> pl.DataFrame:
        """The entity's values in the types of a table."""
        return typed_keys(table, self.columns[table.name], self.values)


def example_file(settings: Settings, pipeline: str) -> Path:
    """Where the identities of a pipeline's examples of the entity are while it is forgotten."""
    return plan_folder(settings) / f"{pipeline}.parquet"


def made(
    ws: Workspace,
    pipelines: Sequence[ModelPipeline],
    tables: Mapping[str, Table],
    entity: Entity,
    *,
    actor: str,
    why: str,
    on_file: Callable[[str], None],
) -> tuple[Plan, dict[str, pl.DataFrame]]:
    """The plan, and pipeline → the identities of the entity's examples. Nothing is written."""
    columns = same_columns(pipelines, entity.table, entity.columns)
    found: dict[str, TableRows] = {}
    examples: dict[str, pl.DataFrame] = {}
    markers: dict[str, None] = {}
    for values in entity.values:
        markers |= dict.fromkeys(value for value in values if is_telling(value, key=True))
    for name, own in columns.items():
        table = tables[name]
        keys = typed_keys(table, own, entity.values)
        for row in keys.iter_rows():
            markers |= dict.fromkeys(text for text in map(spelled, row) if is_telling(text, key=True))
        with_examples = [pipeline for pipeline in pipelines if pipeline.examples.table == name]
        wanted = [column for pipeline in with_examples for column in pipeline.examples.identity]
        found[name] = rows_of(ws, table, keys, wanted, on_file)
        for pipeline in with_examples:
            examples[pipeline.name] = _identities(ws, pipeline, table, keys, found[name].made)
        markers |= dict.fromkeys(_only_theirs(ws, name, found[name].rows))
    names = _names(pipelines)
    return (
        Plan(
            uuid.uuid4().hex,
            entity.table,
            actor,
            why,
            {entity.table: entity.columns, **columns},
            entity.values,
            {name: rows.rows for name, rows in found.items()},
            tuple(value for value in markers if value not in names)[:_MOST_MARKERS],
            {name: rows.unread for name, rows in found.items() if rows.unread},
        ),
        examples,
    )


def _names(pipelines: Sequence[ModelPipeline]) -> set[str]:
    """Names of the declarations, which stand in texts for themselves."""
    tables = [table for pipeline in pipelines for table in pipeline.tables]
    columns = {column for table in tables for column in table.columns}
    return {*columns, *(table.name for table in tables), *(pipeline.name for pipeline in pipelines)}


def _identities(
    ws: Workspace, pipeline: ModelPipeline, table: Table, keys: pl.DataFrame, made_rows: pl.DataFrame
) -> pl.DataFrame:
    """What identifies the entity's examples: of rows as `clean` makes them now, and of those that were validated."""
    identity = list(pipeline.examples.identity)
    frames = [made_rows.select(identity)]
    if ws.lake.columns("validated", table.name):
        listed = ", ".join(quoted(name) for name in dict.fromkeys([*identity, *keys.columns]))
        condition = " AND ".join(f"v.{quoted(name)} = k.{quoted(name)}" for name in keys.columns)
        ws.lake.connection.register("forgotten_keys", keys.to_arrow())
        try:
            given = f"validated.{quoted(table.name)} v SEMI JOIN temp.main.forgotten_keys k ON {condition}"
            frames.append(
                ws.lake.frame(f"SELECT DISTINCT {listed} FROM {given}").select(identity).cast(frames[0].schema)
            )
        finally:
            ws.lake.connection.unregister("forgotten_keys")
    return pl.concat(frames).unique(maintain_order=True)


def _only_theirs(ws: Workspace, table: str, rows: Mapping[str, Sequence[int]]) -> Iterable[str]:
    """Values of the raw rows that no other raw row of the table has, and that tell whom a text is about."""
    if not rows:
        return
    places = pl.DataFrame(
        [(file, number) for file, numbers in rows.items() for number in numbers],
        schema={"file": pl.String, "number": pl.Int64},
        orient="row",
    )
    connection = ws.lake.connection
    connection.register("forgotten_rows", places.to_arrow())
    try:
        place = "temp.main.forgotten_rows f ON r._file = f.file AND r._row = f.number"
        theirs, others = (f"FROM raw.{quoted(table)} r {join} JOIN {place}" for join in ("SEMI", "ANTI"))
        for column in ws.lake.columns("raw", table):
            if column.startswith("_"):
                continue
            value = f"CAST(r.{quoted(column)} AS VARCHAR)"
            sql = f"SELECT {value} {theirs} EXCEPT SELECT {value} {others}"
            for (text,) in ws.lake.rows(sql):
                if text is not None and is_telling(text):
                    yield text
    finally:
        connection.unregister("forgotten_rows")


def write(settings: Settings, plan: Plan, examples: Mapping[str, pl.DataFrame]) -> None:
    """Put the plan on the disk; from then on nothing else writes to the lake."""
    folder = plan_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed before its plan was whole
    durable.make_folder(folder, 0o700)
    for name, frame in examples.items():
        frame.write_parquet(example_file(settings, name))
    durable.write(plan_file(settings), json.dumps(asdict(plan)).encode(), 0o600)


def read(settings: Settings) -> tuple[Plan, dict[str, pl.DataFrame]]:
    """The plan of the erasure that is not finished. Raises FileNotFoundError without one."""
    stored = json.loads(plan_file(settings).read_bytes())
    plan = Plan(
        **{
            **stored,
            "columns": {name: tuple(columns) for name, columns in stored["columns"].items()},
            "values": tuple(map(tuple, stored["values"])),
            "markers": tuple(stored["markers"]),
        }
    )
    files = sorted(plan_folder(settings).glob("*.parquet"))
    return plan, {file.stem: pl.read_parquet(file) for file in files}


def remove(settings: Settings) -> None:
    """Remove the plan, which ends the erasure: first what it is made of."""
    for file in plan_folder(settings).glob("*"):
        if file != plan_file(settings):
            file.unlink()
    plan_file(settings).unlink()
    plan_folder(settings).rmdir()
