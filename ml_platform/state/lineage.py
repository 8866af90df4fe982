"""Lineage: what every output was made from, as views that anyone can ask, and as a graph to walk.

    lineage.files   every version of every landed file, with its hash and whether it stands
    lineage.nodes   what there is: files, partitions of tables, training sets, versions, promotions, …
    lineage.edges   which node was made from which

A node is an asset, a partition and a content key. Like the ledger, lineage is only added to: what
another key replaced stays, and says so (`stands`).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake
from ml_platform.lake.recipes import Read
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import literal
from ml_platform.spec.canonical import content_key

State = Literal["stands", "stale", "superseded", "unknown"]

# Over tables of the packages above, by name only: who opens a lake makes those first.
_VIEWS = {
    "files": """
        WITH judged AS (
            SELECT f.*, coalesce(f.error, s.error) AS why
            FROM platform.files f
            LEFT JOIN (
                SELECT table_name, file_id, arg_max_null(error, recorded_at) AS error
                FROM platform.screenings GROUP BY table_name, file_id
            ) s USING (table_name, file_id)
        )
        SELECT table_name AS "table", path, version, sha256, bytes, rows, arrival,
            CASE WHEN why IS NOT NULL THEN 'refused'
                 WHEN version = max(version) FILTER (why IS NULL) OVER (PARTITION BY table_name, path) THEN 'stands'
                 ELSE 'replaced' END AS status,
            why AS error, file_id, run_id, recorded_at
        FROM judged""",
    "nodes": """
        WITH made AS (
            SELECT *, row_number() OVER (PARTITION BY asset, partition ORDER BY recorded_at DESC, rowid DESC) = 1
                AS stands
            FROM platform.materializations WHERE NOT starts_with(asset, 'raw/')
            QUALIFY row_number() OVER (
                PARTITION BY asset, partition, content_key ORDER BY recorded_at DESC, rowid DESC) = 1
        ), known AS (
            SELECT asset, partition, content_key, any_value(len(reads)) AS reads
            FROM platform.reads GROUP BY ALL
        )
        SELECT CASE WHEN version IS NOT NULL THEN 'version'
                    WHEN starts_with(asset, 'validated/') THEN 'validated'
                    ELSE split_part(asset, '/', 2) END AS kind,
            asset, partition, content_key, output, rows, version, stands, reads, run_id, recorded_at
        FROM made
        LEFT JOIN (
            SELECT pipeline || '/candidate' AS asset, content_key, pipeline || '@' || version AS version
            FROM registry.versions
        ) USING (asset, content_key)
        LEFT JOIN known USING (asset, partition, content_key)
        UNION ALL
        SELECT 'file', 'raw/' || "table", path, sha256, '', rows, NULL, status = 'stands', 0, run_id, recorded_at
        FROM lineage.files WHERE sha256 <> ''
        QUALIFY row_number() OVER (PARTITION BY "table", path, sha256 ORDER BY version DESC) = 1
        UNION ALL
        SELECT 'promotion', pipeline || '/promotions', partition, seq::VARCHAR, action, 1,
            pipeline || '@' || version, true, 1, run_id, recorded_at
        FROM registry.promotions""",
    "edges": """
        SELECT DISTINCT asset, partition, content_key,
            read.asset AS read_asset, read.partition AS read_partition, read.content_key AS read_key
        FROM (SELECT asset, partition, content_key, unnest(reads) AS read FROM platform.reads)
        UNION ALL
        SELECT p.pipeline || '/promotions', p.partition, p.seq::VARCHAR,
            v.pipeline || '/candidate', v.partition, v.content_key
        FROM registry.promotions p JOIN registry.versions v USING (pipeline, version)""",
}


def prepare(lake: Lake) -> None:
    """Make the views where they are missing or of another day. The tables they read must be there."""
    wanted = {name: content_key(text) for name, text in _VIEWS.items()}
    found = lake.rows(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'lake' AND schema_name = 'lineage'"
    )
    if dict(found) == wanted:
        return
    with write(lake, Author("lineage")) as tx:
        tx.execute("CREATE SCHEMA IF NOT EXISTS lineage")
        for name, text in _VIEWS.items():
            tx.execute(f"CREATE OR REPLACE VIEW lineage.{name} AS {text}")
            tx.execute(f"COMMENT ON VIEW lineage.{name} IS {literal(wanted[name])}")


@dataclass(frozen=True)
class Node:
    """One output or file. `reads` is how many things it was made from; None: made before lineage was kept.

    `stands`: it is the newest of its asset and partition. `version` is a model's name where it is one.
    """

    kind: str
    asset: str
    partition: str
    content_key: str
    output: str
    rows: int
    version: str | None
    stands: bool
    reads: int | None
    run_id: str
    recorded_at: datetime

    @property
    def place(self) -> Read:
        """Its name in edges."""
        return Read(self.asset, self.partition, self.content_key)


class Graph:
    """Nodes and edges as they are in the lake at one moment, or any others."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[tuple[Read, Read]]) -> None:
        self.nodes = {node.place: node for node in nodes}
        self.reads: dict[Read, list[Read]] = {}
        self.readers: dict[Read, list[Read]] = {}
        for reader, read in edges:
            self.reads.setdefault(reader, []).append(read)
            self.readers.setdefault(read, []).append(reader)
        self._standing = {(n.asset, n.partition): n for n in self.nodes.values() if n.stands}
        self._stale: dict[Read, bool] = {}

    def upstream(self, *starts: Read, past: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        """Everything that the starts were made from, nearest first. Only nodes that `past` allows are gone beyond."""
        return self._walk(starts, self.reads, past)

    def downstream(self, *starts: Read, past: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        """Everything that was made from the starts, nearest first, under the same rule."""
        return self._walk(starts, self.readers, past)

    def state(self, place: Read) -> State:
        """Whether it stands; "stale" when it does and something it was made from does not any more."""
        node = self.nodes.get(place)
        if node is None:
            return "unknown"
        if not node.stands:
            return "superseded"
        return "stale" if self._is_stale(place) else "stands"

    def unrecorded(self, nodes: Collection[Node]) -> list[Node]:
        """Those that were made before lineage was kept: what they were made from is not known."""
        return [node for node in nodes if node.reads is None]

    def _walk(self, starts: Iterable[Read], steps: dict[Read, list[Read]], past: Callable[[Node], bool]) -> list[Node]:
        begun = list(starts)
        found: dict[Read, Node] = {}
        waiting = [place for start in begun for place in steps.get(start, ())]
        for place in waiting:  # grows while it is read: breadth first
            node = self.nodes.get(place)
            if node is None or place in found:
                continue
            found[place] = node
            if past(node):
                waiting += steps.get(place, ())
        return list(found.values())

    def _is_stale(self, place: Read) -> bool:
        if place not in self._stale:
            self._stale[place] = False  # edges form no circle, but a damaged table must not hang us
            reads = self.reads.get(place, [])
            self._stale[place] = any(self._changed_since(read, reads) for read in reads)
        return self._stale[place]

    def _changed_since(self, read: Read, together: list[Read]) -> bool:
        """Whether what stands in the place of a read is stale, or is neither it nor its bytes nor read along with it.

        The versions of a file are read together.
        """
        standing = self._standing.get((read.asset, read.partition))
        if standing is None or read.asset.endswith("/decision"):
            return False  # a decision says that something is made, and not of what
        same = standing.output != "" and read in self.nodes and self.nodes[read].output == standing.output
        return not (standing.place in together or same) or self._is_stale(standing.place)


def graph(lake: Lake) -> Graph:
    """The lineage of everything in the lake. Raises LakeError for a lake from before lineage was kept."""
    if not lake.columns("lineage", "nodes"):
        raise LakeError(
            f"The lake in {lake.folder} was made before lineage was kept.",
            remedy="`ml-platform lineage PIPELINE --record` adds it, as far as it is still certain.",
        )
    nodes = lake.rows(
        "SELECT kind, asset, partition, content_key, output, rows, version, stands, reads, run_id, recorded_at "
        "FROM lineage.nodes ORDER BY asset, partition, recorded_at"
    )
    edges = lake.rows("FROM lineage.edges ORDER BY ALL")
    return Graph((Node(*row) for row in nodes), ((Read(*row[:3]), Read(*row[3:])) for row in edges))
