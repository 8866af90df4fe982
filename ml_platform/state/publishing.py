"""Publishes records of the operational state to the lake at the end of a run.

    lineage.nodes, lineage.edges, lineage.files            what was made from what (views)
    registry.versions, registry.verdicts, registry.promotions, registry.decisions
    registry.model_reads                                    which version was made from which column (a view)
    <pipeline>.decisions                                    the decisions of one pipeline (a view)

Rows are appended and never changed. Each table carries the number that the state gave a row, so
that what is there already is never appended twice, also after a kill. A plain DuckDB that attaches
the lake can thus ask all of it without the state's database.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, Table, select
from sqlalchemy.types import TypeEngine

from ml_platform.lake.catalog_tables import has_table
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import current, made_again, not_made_again, set_aside_damaged
from ml_platform.lake.filled_in import plain
from ml_platform.lake.newest_row import newest_row
from ml_platform.lake.transaction import Author, Transaction, write
from ml_platform.naming import literal, quoted
from ml_platform.spec.canonical import content_key
from ml_platform.state import reads_view, schema
from ml_platform.state.column_types import UtcDateTime
from ml_platform.state.database import State
from ml_platform.state.stores import Stores

AUTHOR = Author("lineage")


@dataclass(frozen=True)
class Stream:
    """A table of the state and its copy in the lake, matched by row number."""

    source: Table
    target: str
    number: str = "id"
    without: tuple[str, ...] = ()  # what changes after a row was appended

    @property
    def columns(self) -> list[Column[object]]:
        return [column for column in self.source.columns if column.name not in self.without]


STREAMS = (
    Stream(schema.records, "lineage.records"),
    Stream(schema.files, "lineage.file_versions", without=("status", "replaced_at")),
    Stream(schema.screenings, "lineage.screenings"),
    Stream(schema.versions, "registry.versions"),
    Stream(schema.verdicts, "registry.verdicts"),
    Stream(schema.promotions, "registry.promotions", "seq"),
    Stream(schema.decisions, "registry.decisions"),
)
_READS = "lineage.reads"  # follows lineage.records
_TOGETHER = ("lineage.records", _READS)
_PROFILES = "platform.profiles"
_READS_SCHEMA = {
    "record_id": pl.Int64(),
    "read_asset": pl.String(),
    "read_partition": pl.String(),
    "read_key": pl.String(),
    "known": pl.Boolean(),
}

VIEWS = {
    "files": """
        WITH judged AS (
            SELECT f.*, coalesce(f.error, s.error) AS why
            FROM lineage.file_versions f
            LEFT JOIN (
                SELECT table_name, file_id, arg_max_null(error, id) AS error
                FROM lineage.screenings GROUP BY table_name, file_id
            ) s USING (table_name, file_id)
        )
        SELECT table_name AS "table", path, version, sha256, bytes, rows, arrival,
            CASE WHEN why IS NOT NULL THEN 'refused'
                 WHEN version = max(version) FILTER (why IS NULL) OVER (PARTITION BY table_name, path) THEN 'stands'
                 ELSE 'replaced' END AS status,
            why AS error, file_id, run_id, recorded_at
        FROM judged""",
    "nodes": """
        WITH outputs AS (
            SELECT *, id = max(id) OVER (PARTITION BY asset, partition) AS stands
            FROM lineage.records WHERE NOT starts_with(asset, 'raw/')
            QUALIFY id = max(id) OVER (PARTITION BY asset, partition, content_key)
        ), inputs AS (
            SELECT record_id AS id, CASE WHEN bool_or(known) THEN count(read_asset) END AS reads
            FROM lineage.reads GROUP BY record_id
        )
        SELECT CASE WHEN version IS NOT NULL THEN 'version'
                    WHEN starts_with(asset, 'validated/') THEN 'validated'
                    ELSE split_part(asset, '/', 2) END AS kind,
            asset, partition, content_key, output, rows, version, stands, reads, run_id, recorded_at
        FROM outputs
        LEFT JOIN (
            SELECT pipeline || '/candidate' AS asset, content_key, pipeline || '@' || version AS version
            FROM registry.versions
        ) USING (asset, content_key)
        LEFT JOIN inputs USING (id)
        UNION ALL
        SELECT 'file', 'raw/' || "table", path, sha256, '', rows, NULL, status = 'stands', 0, run_id, recorded_at
        FROM lineage.files WHERE sha256 <> ''
        QUALIFY row_number() OVER (PARTITION BY "table", path, sha256 ORDER BY version DESC) = 1
        UNION ALL
        SELECT 'promotion', pipeline || '/promotions', partition, seq::VARCHAR, action, 1,
            pipeline || '@' || version, true, 1, run_id, recorded_at
        FROM registry.promotions""",
    "edges": """
        SELECT DISTINCT o.asset, o.partition, o.content_key, r.read_asset, r.read_partition, r.read_key
        FROM lineage.reads r JOIN lineage.records o ON o.id = r.record_id
        WHERE r.read_asset IS NOT NULL
        UNION ALL
        SELECT p.pipeline || '/promotions', p.partition, p.seq::VARCHAR,
            v.pipeline || '/candidate', v.partition, v.content_key
        FROM registry.promotions p JOIN registry.versions v USING (pipeline, version)""",
}


def publish(stores: Stores) -> int:
    """Append new records to the lake and return the number of rows. Writes nothing if there are none."""
    if not _behind(stores):
        return 0
    appended = 0
    if lost := _lost(stores.lake):
        set_aside_damaged(stores.lake)
    # One moment of the state: a record and what it was made from come in the same commit, or both in the next.
    with write(stores.lake, AUTHOR) as tx, stores.state.reading():
        for target in lost:
            schema_name, _, table = target.partition(".")
            if target != _PROFILES:  # of which checks compute those that they miss
                tx.execute(f"DELETE FROM {quoted(schema_name)}.{quoted(table)}")
            made_again(stores.lake, schema_name, table, None)
        marks = _marks(stores.lake) if lost else _committed_marks(stores.lake)
        for stream in STREAMS:
            rows = _new(stores.state, stream, marks.get(stream.target, 0))
            if rows.height or stream.target not in marks:
                _append(tx, stream.target, rows)
                appended += rows.height
            if stream.target == "registry.decisions":
                _decision_views(tx, rows["pipeline"].unique(maintain_order=True).to_list())
        reads = _new_reads(stores.state, marks.get("lineage.records", 0))
        if reads.height or not stores.lake.columns("lineage", "reads"):
            _append(tx, _READS, reads)
        _make_views(tx)
        reads_view.make(tx)
    return appended


def publish_again(stores: Stores) -> int:
    """Fill anew the published tables of which a data file was lost, and return the number of rows.

    Writes nothing if there are none. For a run that launches nothing, and therefore does not `publish`.
    """
    return publish(stores) if _lost(stores.lake) else 0


def _behind(stores: Stores) -> bool:
    """Whether the state has rows that the lake does not have."""
    if _lost(stores.lake):
        return True
    marks = _committed_marks(stores.lake)
    if len(marks) < len(STREAMS):
        return True
    newest = [
        select(stream.source.c[stream.number]).order_by(stream.source.c[stream.number].desc()) for stream in STREAMS
    ]
    with stores.state.reading():
        numbers = [stores.state.value(one.limit(1)) or 0 for one in newest]
    return any(number > marks[stream.target] for stream, number in zip(STREAMS, numbers, strict=True))


def _lost(lake: Lake) -> list[str]:
    """The tables of which a data file was lost, and which are therefore filled anew."""
    published = {*(stream.target for stream in STREAMS), _READS, _PROFILES}
    tables = {(schema_name, table) for schema_name, _, table in (target.partition(".") for target in published)}
    damaged = {file.location for file in current(lake, tables=tables) if not file.is_complete}
    lost = {f"{one.schema}.{one.table}" for one in damaged | not_made_again(lake)} & published
    if lost & set(_TOGETHER):
        lost.update(_TOGETHER)
    return sorted(lost)


def _committed_marks(lake: Lake) -> dict[str, int]:
    """The highest row number of each table of the lake, for the last commit."""
    marks = dict[str, int]()
    for stream in STREAMS:
        schema_name, _, table = stream.target.partition(".")
        if has_table(lake, schema_name, table):
            newest = newest_row(lake, schema_name, table, stream.number, ())
            marks[stream.target] = 0 if newest is None else int(newest[0])
    return marks


def _marks(lake: Lake) -> dict[str, int]:
    """The same for this thread's transaction."""
    present = [stream for stream in STREAMS if lake.has(*stream.target.split("."))]
    if not present:
        return {}
    asked = " UNION ALL ".join(
        f"SELECT {literal(stream.target)}, coalesce(max({quoted(stream.number)}), 0) FROM {stream.target}"
        for stream in present
    )
    return {target: int(number) for target, number in lake.connection.execute(asked).fetchall()}


def _new(state: State, stream: Stream, after: int) -> pl.DataFrame:
    number = stream.source.c[stream.number]
    rows = state.rows(select(*stream.columns).where(number > after).order_by(number))
    types = {column.name: _polars(column.type) for column in stream.columns}
    return pl.DataFrame([tuple(row) for row in rows], schema=types, orient="row")


def _new_reads(state: State, after: int) -> pl.DataFrame:
    """One row per input; for an output without recorded inputs, one row that says so."""
    details = schema.record_details
    chosen = select(details.c.record_id, details.c.reads).where(details.c.record_id > after)
    rows: list[tuple[object, ...]] = []
    for number, text in state.rows(chosen.order_by(details.c.record_id)):
        inputs = json.loads(text)
        rows += [(number, *one, True) for one in inputs or ()] or [(number, None, None, None, inputs is not None)]
    return pl.DataFrame(rows, schema=_READS_SCHEMA, orient="row")


def publish_reads(stores: Stores, numbers: Sequence[int]) -> None:
    """Append inputs that were recorded after their records had been published (`runtime.lineage_recording`)."""
    published = _committed_marks(stores.lake).get("lineage.records", 0)
    late = [number for number in numbers if number <= published]
    if not late:
        return
    details = schema.record_details
    chosen = select(details.c.record_id, details.c.reads).where(details.c.record_id.in_(late))
    rows = [(number, *one, True) for number, text in stores.state.rows(chosen) for one in json.loads(text) or ()]
    with write(stores.lake, AUTHOR) as tx:
        _append(tx, _READS, pl.DataFrame(rows, schema=_READS_SCHEMA, orient="row"))


def _polars(kind: TypeEngine[object]) -> pl.DataType:
    if isinstance(kind, Boolean):
        return pl.Boolean()
    if isinstance(kind, BigInteger | Integer):
        return pl.Int64()
    if isinstance(kind, Double):
        return pl.Float64()
    return pl.Datetime("us", "UTC") if isinstance(kind, UtcDateTime) else pl.String()


def _append(tx: Transaction, target: str, rows: pl.DataFrame) -> None:
    schema_name, _, table = target.partition(".")
    tx.append(schema_name, table, plain(rows), evolve=True)  # lakes of before have tables with fewer columns


def _decision_views(tx: Transaction, pipelines: list[str]) -> None:
    for pipeline in pipelines:
        if not tx.lake.columns(pipeline, "decisions"):
            tx.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(pipeline)}")
            tx.execute(
                f"CREATE VIEW {quoted(pipeline)}.decisions AS "
                "SELECT * EXCLUDE (id, partition), partition AS _partition FROM registry.decisions "
                f"WHERE pipeline = {literal(pipeline)}"
            )


def _make_views(tx: Transaction) -> None:
    """Create views that are missing or outdated."""
    wanted: Mapping[str, str] = {name: content_key(text) for name, text in VIEWS.items()}
    present = tx.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'lake' AND schema_name = 'lineage'"
    ).fetchall()
    if dict(present) == wanted:
        return
    for name, text in VIEWS.items():
        tx.execute(f"CREATE OR REPLACE VIEW lineage.{name} AS {text}")
        tx.execute(f"COMMENT ON VIEW lineage.{name} IS {literal(wanted[name])}")
