"""What anyone sees who attaches the lake: the story that the state put on record."""

from datetime import UTC, datetime

import duckdb
import pytest

from ml_platform.lake.extensions import load_extensions
from ml_platform.lake.recipes import Read
from ml_platform.lake.transaction import Author, write
from ml_platform.state import decisions, files, ledger, promotions, verdicts, versions
from ml_platform.state.files import FileVersion
from ml_platform.state.lineage import graph
from ml_platform.state.publishing import STREAMS, publish
from ml_platform.state.results import FeaturesResult
from ml_platform.state.stores import Stores
from ml_platform_tests.state.registry_rows import GATES, training, verdict

MOMENT = datetime(2024, 2, 1, tzinfo=UTC)


def feature_record(stores: Stores, key: str, *reads: Read) -> None:
    author = Author("delays/features", "1", key, "run", reads)
    ledger.record(stores.state, author, rows=1, result=FeaturesResult(1))


def file_version(path: str, version: int, status: str = "ingested", replaces: str | None = None) -> FileVersion:
    sha = f"{path}{version}"
    return FileVersion(
        f"id-{sha}", path, version, sha, 10, 0, 3, "{}", MOMENT, True, status, replaces,
        None if status != "refused" else "it is no CSV", "key",
    )  # fmt: skip


@pytest.fixture
def told(stores: Stores) -> Stores:
    """A state with something of everything."""
    state = stores.state
    files.record(state, "t", file_version("a.csv", 1), "run")
    files.record(state, "t", file_version("a.csv", 2, replaces="id-a.csv1"), "run")
    files.record(state, "t", file_version("b.csv", 1, "refused"), "run")
    feature_record(stores, "old", Read("raw/t", "a.csv", "a.csv1"))
    feature_record(stores, "new", Read("raw/t", "a.csv", "a.csv2"), Read("validated/u", "1", "w"))
    version = versions.register(state, training("c1"))
    candidate = Author("delays/candidate", version.partition, "c1", "run", (Read("delays/features", "1", "new"),))
    ledger.record(state, candidate, rows=1, result=FeaturesResult(1))
    verdicts.record(state, [verdict(gate, 1) for gate in GATES], "run")
    required = {gate.key: gate.phrase for gate in GATES}
    promotions.promote(
        state, "delays", 1, required, partition="2013-03", effective_at=MOMENT, reason="every gate passed", actor="p"
    )
    decisions.append(
        state, "delays", "2013-03", decided_at=MOMENT, outcome="triggered", reason="Due.", policy="{}",
        evidence="{}", run_id="run",
    )  # fmt: skip
    return stores


def test_the_lake_tells_the_same_graph_as_the_state(told: Stores) -> None:
    publish(told)
    known = graph(told.state)
    nodes = told.lake.rows(
        "SELECT kind, asset, partition, content_key, output, rows, version, stands, reads FROM lineage.nodes"
    )
    names = ("kind", "asset", "partition", "content_key", "output", "rows", "version", "stands", "reads")
    assert sorted(map(repr, nodes)) == sorted(
        repr(tuple(getattr(node, name) for name in names)) for node in known.nodes.values()
    )
    edges = {(reader, read) for reader, reads in known.reads.items() for read in reads}
    rows = told.lake.rows("FROM lineage.edges")
    assert {(Read(*row[:3]), Read(*row[3:])) for row in rows} == edges and len(rows) == len(edges)


def test_versions_verdicts_promotions_and_decisions_stand_in_the_lake_too(told: Stores) -> None:
    publish(told)
    rows = told.lake.rows
    assert rows("SELECT pipeline, version, content_key FROM registry.versions") == [("delays", 1, "c1")]
    assert rows("SELECT count(*) FROM registry.verdicts WHERE passed") == [(2,)]
    assert rows("SELECT action, version, effective_at FROM registry.promotions") == [("promoted", 1, MOMENT)]
    assert rows("SELECT outcome, reason, _partition FROM delays.decisions") == [("triggered", "Due.", "2013-03")]
    assert rows("SELECT path, version, status FROM lineage.files ORDER BY ALL") == [
        ("a.csv", 1, "replaced"),
        ("a.csv", 2, "stands"),
        ("b.csv", 1, "refused"),
    ]


def test_publishing_again_writes_nothing_and_what_is_new_is_added_once(told: Stores) -> None:
    assert publish(told) == sum(len(told.state.rows(stream.source.select())) for stream in STREAMS)
    before = told.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()")
    assert publish(told) == 0
    assert told.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()") == before
    feature_record(told, "newer")
    assert publish(told) == 1
    assert told.lake.rows("SELECT content_key FROM lineage.records WHERE asset = 'delays/features' ORDER BY id") == [
        ("old",),
        ("new",),
        ("newer",),
    ]


def test_a_view_of_another_day_is_mended(told: Stores) -> None:
    publish(told)
    with write(told.lake, Author("test")) as tx:
        tx.execute("CREATE OR REPLACE VIEW lineage.edges AS SELECT 1 AS other")
    feature_record(told, "newer")
    publish(told)
    assert "read_key" in told.lake.columns("lineage", "edges")


def test_a_plain_duckdb_reads_lineage_and_state_while_the_lake_is_open(told: Stores) -> None:
    publish(told)
    plain = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    load_extensions(plain, ["ducklake", "sqlite_scanner"])
    plain.execute(f"ATTACH 'ducklake:sqlite:{told.lake.folder / 'catalog.sqlite'}' AS elsewhere (READ_ONLY)")
    plain.execute(f"ATTACH '{told.lake.folder / 'state.sqlite'}' AS state (TYPE sqlite, READ_ONLY)")
    assert plain.execute("SELECT count(*) FROM elsewhere.lineage.nodes WHERE kind = 'file'").fetchall() == [(3,)]
    assert plain.execute("SELECT read_asset FROM elsewhere.lineage.edges WHERE content_key = 'old'").fetchall() == [
        ("raw/t",)
    ]
    assert plain.execute("SELECT asset, rows FROM state.records ORDER BY id LIMIT 1").fetchall() == [
        ("delays/features", 1)
    ]
    kind = plain.execute("SELECT typeof(effective_at), effective_at FROM state.promotions").fetchone()
    assert kind == ("TIMESTAMP", MOMENT.replace(tzinfo=None))
    plain.close()
