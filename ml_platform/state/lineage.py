"""Lineage: a graph of outputs and their inputs.

A node is an asset, a partition and a content key. The graph is append-only: replaced nodes are kept, with `stands`
false. The lake publishes it as `lineage.nodes`, `lineage.edges` and `lineage.files` (`state.publishing`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from ml_platform.lake.recipes import Read
from ml_platform.state.database import State
from ml_platform.state.ledger import parsed_reads
from ml_platform.state.schema import files, promotions, record_details, records, screenings, versions

Standing = Literal["stands", "stale", "superseded", "unknown"]


@dataclass(frozen=True)
class Node:
    """One output or file. `reads` is the number of its inputs; None: recorded without lineage.

    `stands`: whether it is the newest of its asset and partition. `version` is the name of a model version.
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
    def address(self) -> Read:
        """The identity of the node in edges."""
        return Read(self.asset, self.partition, self.content_key)


class Graph:
    """Nodes and edges, with walks in both directions."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[tuple[Read, Read]]) -> None:
        self.nodes = {node.address: node for node in nodes}
        self.reads: dict[Read, list[Read]] = {}
        self.readers: dict[Read, list[Read]] = {}
        for reader, read in edges:
            self.reads.setdefault(reader, []).append(read)
            self.readers.setdefault(read, []).append(reader)
        self._standing = {(n.asset, n.partition): n for n in self.nodes.values() if n.stands}
        self._stale: dict[Read, bool] = {}

    def upstream(self, *starts: Read, past: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        """All inputs of the starts, nearest first. The walk stops at nodes for which `past` is false."""
        return self._walk(starts, self.reads, past)

    def downstream(self, *starts: Read, past: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        """Everything made from the starts, nearest first. The walk stops at nodes for which `past` is false."""
        return self._walk(starts, self.readers, past)

    def state(self, address: Read) -> Standing:
        """The state of a node. "stale": it is current, but one of its inputs is not any more."""
        node = self.nodes.get(address)
        if node is None:
            return "unknown"
        if not node.stands:
            return "superseded"
        return "stale" if self._is_stale(address) else "stands"

    def unrecorded(self, nodes: Collection[Node]) -> list[Node]:
        """The nodes that were recorded without lineage."""
        return [node for node in nodes if node.reads is None]

    def _walk(self, starts: Iterable[Read], steps: dict[Read, list[Read]], past: Callable[[Node], bool]) -> list[Node]:
        begun = list(starts)
        reached: dict[Read, Node] = {}
        waiting = [address for start in begun for address in steps.get(start, ())]
        for address in waiting:  # grows while it is read: breadth first
            node = self.nodes.get(address)
            if node is None or address in reached:
                continue
            reached[address] = node
            if past(node):
                waiting += steps.get(address, ())
        return list(reached.values())

    def _is_stale(self, address: Read) -> bool:
        if address not in self._stale:
            self._stale[address] = False  # edges form no circle, but a damaged table must not hang us
            reads = self.reads.get(address, [])
            self._stale[address] = any(self._changed_since(read, reads) for read in reads)
        return self._stale[address]

    def _changed_since(self, read: Read, together: list[Read]) -> bool:
        """Whether the current node for a read is stale, or differs from the read in key and output.

        The versions of a file are read together, so another version among `together` is no change.
        """
        standing = self._standing.get((read.asset, read.partition))
        if standing is None or read.asset.endswith("/decision"):
            return False  # a decision determines whether something is made, not its content
        same = standing.output != "" and read in self.nodes and self.nodes[read].output == standing.output
        return not (standing.address in together or same) or self._is_stale(standing.address)


@dataclass(frozen=True)
class LandedFile:
    """One content of one landed file. `status`: stands, replaced or refused; `error` says why it is refused."""

    table: str
    path: str
    version: int
    sha256: str
    bytes: int
    rows: int
    arrival: datetime
    status: str
    error: str | None
    file_id: str
    run_id: str
    recorded_at: datetime


def landed_files(state: State) -> list[LandedFile]:
    """Every version of every landed file, by table, path and version. Inside `state.reading()` it is read once."""
    return state.once("landed files", lambda: _landed_files(state))


def _landed_files(state: State) -> list[LandedFile]:
    judged = select(screenings.c.table_name, screenings.c.file_id, screenings.c.error).order_by(screenings.c.id)
    errors = {(table, file_id): error for table, file_id, error in state.rows(judged)}
    chosen = state.rows(select(files).order_by(files.c.table_name, files.c.path, files.c.version))
    reasons = [row.error or errors.get((row.table_name, row.file_id)) for row in chosen]
    newest: dict[tuple[str, str], int] = {}
    for row, reason in zip(chosen, reasons, strict=True):
        if reason is None:
            newest[row.table_name, row.path] = row.version
    landed = []
    for row, reason in zip(chosen, reasons, strict=True):
        stands = newest.get((row.table_name, row.path)) == row.version
        status = "refused" if reason is not None else "stands" if stands else "replaced"
        about = (row.table_name, row.path, row.version, row.sha256, row.bytes, row.rows, row.arrival)
        landed.append(LandedFile(*about, status, reason, row.file_id, row.run_id, row.recorded_at))
    return landed


def graph(state: State) -> Graph:
    """The lineage of everything on record. Inside `state.reading()` it is built once."""
    return state.once("lineage graph", lambda: _graph(state))


def _graph(state: State) -> Graph:
    with state.reading():
        nodes, edges = _outputs(state)
        log = state.rows(
            select(promotions, versions.c.content_key, versions.c.partition.label("trained_after"))
            .outerjoin(
                versions, (versions.c.pipeline == promotions.c.pipeline) & (versions.c.version == promotions.c.version)
            )
            .order_by(promotions.c.seq)
        )
        nodes += _files(state)
    for row in log:
        name = f"{row.pipeline}@{row.version}" if row.version else None
        address = Read(f"{row.pipeline}/promotions", row.partition, str(row.seq))
        about = (address.asset, address.partition, address.content_key, row.action, 1, name)
        nodes.append(Node("promotion", *about, True, 1, row.run_id, row.recorded_at))
        if row.content_key is not None:
            edges.append((address, Read(f"{row.pipeline}/candidate", row.trained_after, row.content_key)))
    return Graph(nodes, edges)


def _outputs(state: State) -> tuple[list[Node], list[tuple[Read, Read]]]:
    """The newest record of every asset, partition and content key, and what it was made from."""
    registered = select(versions.c.pipeline, versions.c.version, versions.c.content_key)
    names = {
        (f"{row.pipeline}/candidate", row.content_key): f"{row.pipeline}@{row.version}"
        for row in state.rows(registered)
    }
    chosen = state.rows(
        select(records, record_details.c.reads)
        .outerjoin(record_details, record_details.c.record_id == records.c.id)
        .where(~records.c.asset.startswith("raw/"))
        .order_by(records.c.id)
    )
    standing = {(row.asset, row.partition): row.id for row in chosen}
    newest = {(row.asset, row.partition, row.content_key): row for row in chosen}
    nodes: list[Node] = []
    edges: list[tuple[Read, Read]] = []
    for (asset, partition, key), row in newest.items():
        reads = parsed_reads(row.reads) if row.reads is not None else None
        name = names.get((asset, key))
        stands = standing[asset, partition] == row.id
        about = (asset, partition, key, row.output, row.rows, name, stands, None if reads is None else len(reads))
        nodes.append(Node(_kind(asset, name), *about, row.run_id, row.recorded_at))
        edges += [(Read(asset, partition, key), read) for read in reads or ()]
    return nodes, edges


def _kind(asset: str, version: str | None) -> str:
    layer, _, name = asset.partition("/")
    return "version" if version is not None else "validated" if layer == "validated" else name


def _files(state: State) -> Iterator[Node]:
    """One node for every content of every path."""
    contents = {(file.table, file.path, file.sha256): file for file in landed_files(state) if file.sha256}
    for (table, path, digest), file in contents.items():
        about = (f"raw/{table}", path, digest, "", file.rows, None, file.status == "stands", 0)
        yield Node("file", *about, file.run_id, file.recorded_at)
