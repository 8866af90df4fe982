"""The tables, snapshots and landed files that a version was made from, by its lineage."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.recipes import Read
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.state.lineage import LandedFile, Node, graph, landed_files
from ml_platform.state.results import passes_on
from ml_platform.state.versions import Version
from ml_platform.views.model_card.card import TableRead


def nodes_behind(ws: Workspace, version: Version) -> list[Node]:
    """Every output and file that the version was made from; data flow through all but the last of each way."""
    return graph(ws.state).upstream(reading.version(version), past=lambda node: passes_on(node.kind))


def files_behind(ws: Workspace, nodes: Iterable[Node]) -> list[LandedFile]:
    """The versions of landed files among the nodes, by table, path and version."""
    wanted = {node.address for node in nodes if node.kind == "file"}
    return [file for file in landed_files(ws.state) if Read(f"raw/{file.table}", file.path, file.sha256) in wanted]


def tables_read(ws: Workspace, version: Version) -> tuple[TableRead, ...]:
    """Each table with its validated partitions, the snapshots that wrote them and the files behind them."""
    nodes = nodes_behind(ws, version)
    partitions: defaultdict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.kind == "validated":
            partitions[node.asset.partition("/")[2]].append(node)
    files: defaultdict[str, list[LandedFile]] = defaultdict(list)
    for file in files_behind(ws, nodes):
        files[file.table].append(file)
    snapshots = _snapshots(ws.lake) if partitions else {}
    return tuple(_table(name, partitions[name], files[name], snapshots) for name in sorted({*partitions, *files}))


def _table(name: str, nodes: list[Node], files: list[LandedFile], snapshots: dict[str, int]) -> TableRead:
    arrivals = [file.arrival for file in files]
    numbers = {snapshots[node.content_key] for node in nodes if node.content_key in snapshots}
    return TableRead(
        table=name,
        partitions=len(nodes),
        rows=sum(node.rows for node in nodes),
        snapshots=tuple(sorted(numbers)),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        files_digest=files_digest(files),
        first_arrival=min(arrivals, default=None),
        last_arrival=max(arrivals, default=None),
    )


def files_digest(files: Iterable[LandedFile]) -> str:
    """The SHA-256 of the lines "<SHA-256> <path>" of the files, sorted."""
    lines = sorted({f"{file.sha256} {file.path}\n" for file in files})
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _snapshots(lake: Lake) -> dict[str, int]:
    """Content key → the newest snapshot that was committed with it, of those that have not expired."""
    key = "json_extract_string(commit_extra_info, '$.content_key')"
    rows = lake.rows(f"SELECT {key}, max(snapshot_id) FROM {CATALOG}.snapshots() WHERE {key} IS NOT NULL GROUP BY 1")
    return {content_key: int(number) for content_key, number in rows}
