"""Lineage stories of a prediction, a version or a file, as JSON values."""

import re
from typing import Any

from ml_platform.errors import NotFoundError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.recipes import Read
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.lineage import Graph, LandedFile, Node, graph, landed_files
from ml_platform.state.results import passes_on
from ml_platform.state.versions import Version
from ml_platform.views.explanation import PredictionExplanation
from ml_platform.views.undeclared import Undeclared

Story = dict[str, Any]
FilesByContent = dict[Read, list[LandedFile]]


def carries(node: Node) -> bool:
    """Whether data of a node flow into its readers."""
    return passes_on(node.kind)


def of_prediction(ws: Workspace, pipeline: ModelPipeline | Undeclared, explained: PredictionExplanation) -> Story:
    """Trace a prediction back to its rows and files. Of an undeclared pipeline it cannot say what is declared today.

    Raises NotFoundError for one that a killed run did not record.
    """
    today = None if isinstance(pipeline, Undeclared) else FeatureDefinition.of(pipeline).key
    lineage, files, row = graph(ws.state), _by_content(ws), explained.prediction
    version = versions.version(ws.state, pipeline.name, row["version"])
    model = reading.version(version)
    scoring = _scoring(lineage, pipeline, row["partition"], model)
    features = next((r for r in lineage.reads.get(scoring, []) if r.asset == f"{pipeline.name}/features"), None)
    reads = lineage.reads.get(features, []) if features else []
    missing = [scoring, model, *([features] if features else [])]
    return {
        "prediction": {**_node_facts(lineage, scoring), **row, "others": explained.earlier},
        "version": _version(ws, lineage, version),
        "features": {
            **_node_facts(lineage, features or Read(f"{pipeline.name}/features", row["partition"], "")),
            "stored": None if today is None else explained.definition == today,
            "values": explained.values,
        },
        "rows": list(explained.rows),
        "reads": [{**_node_facts(lineage, read), "files": _files(files, lineage.upstream(read))} for read in reads],
        "trained_on": [
            _node_facts(lineage, node.address) for node in lineage.upstream(model, past=carries) if carries(node)
        ],
        "missing": _missing(lineage, missing),
    }


def of_version(ws: Workspace, pipeline: ModelPipeline | Undeclared, number: int) -> Story:
    """The inputs of a version, down to the files, and what it scored. Raises NotFoundError."""
    lineage = graph(ws.state)
    version = versions.version(ws.state, pipeline.name, number)
    model = reading.version(version)
    made_of = lineage.upstream(model, past=carries)
    readers = [lineage.nodes[reader] for reader in lineage.readers.get(model, []) if reader in lineage.nodes]
    return {
        "version": _version(ws, lineage, version),
        "made_of": [_node_facts(lineage, node.address) for node in made_of],
        "files": _files(_by_content(ws), made_of),
        "scored": [_node_facts(lineage, node.address) for node in readers if node.kind == "predictions"],
        "missing": _missing(lineage, [model]),
    }


def of_file(ws: Workspace, pipeline: ModelPipeline, path: str) -> Story:
    """What was built on each content of a landed file, newest first.

    `path` may lack the folder where only one file has that name. Raises NotFoundError.
    """
    lineage = graph(ws.state)
    tables = [table.name for table in pipeline.tables]
    files = [file for file in landed_files(ws.state) if file.table in tables]
    path = _whole_path(pipeline, path, {file.path for file in files})
    contents = [_file_facts(file) for file in sorted(files, key=_file_order) if file.path == path]
    for content in contents:
        address = Read(f"raw/{content['table']}", path, content["sha256"])
        built = [node for node in lineage.downstream(address, past=carries) if _of(pipeline, node)]
        numbers = sorted({_number(node.version) for node in built if node.kind == "version" and node.version})
        content["built"] = [_node_facts(lineage, node.address) for node in built if node.kind != "promotion"]
        content["versions"] = [_service(ws, pipeline, number) for number in numbers]
    return {
        "file": path,
        "landing": _on_disk(ws, pipeline.table(contents[0]["table"]), path, contents),
        "contents": contents,
        "missing": _missing(lineage, [n.address for n in lineage.nodes.values() if n.stands and _of(pipeline, n)]),
    }


def _whole_path(pipeline: ModelPipeline, path: str, paths: set[str]) -> str:
    """The landed path that `path` names, whole or without its folder."""
    if path in paths:
        return path
    of_that_name = sorted(other for other in paths if other.rpartition("/")[2] == path)
    if len(of_that_name) == 1:
        return of_that_name[0]
    if of_that_name:
        remedy = f"Give the folder too: {', '.join(of_that_name)}."
        raise NotFoundError(f"single file of {pipeline.name} called", path, remedy=remedy)
    names = {other.rpartition("/")[2]: other for other in paths}
    raise NotFoundError(f"file of {pipeline.name}", path, sorted(paths), alike=[*sorted(paths), *sorted(names)])


def _scoring(lineage: Graph, pipeline: ModelPipeline | Undeclared, partition: str, version: Read) -> Read:
    """The newest predictions node of the partition that the version scored.

    Raises NotFoundError for a partition whose predictions are in the lake and not on record.
    """
    asset = f"{pipeline.name}/predictions"
    recorded = [node.address for node in lineage.nodes.values() if (node.asset, node.partition) == (asset, partition)]
    scored = [address for address in recorded if version in lineage.reads.get(address, [])]
    if not recorded:  # a kill between the lake's commit and the record
        remedy = f"A run was ended before it recorded them. Run again: `ml-platform run {pipeline.name}`."
        raise NotFoundError(f"record of the predictions of {pipeline.name} for", partition, remedy=remedy)
    return (scored or recorded)[-1]


def _node_facts(lineage: Graph, address: Read) -> Story:
    node = lineage.nodes.get(address)
    return {
        "kind": node.kind if node else None,
        "asset": address.asset,
        "partition": address.partition,
        "content_key": address.content_key,
        "state": lineage.state(address),
        "rows": node.rows if node else None,
        "version": node.version if node else None,
    }


def _version(ws: Workspace, lineage: Graph, version: Version) -> Story:
    count = verdicts.gate_count(verdicts.of(ws.state, version.pipeline, version.version))
    bounds = version.bounds
    return {
        **_service_of(ws, version),
        "decided_at": version.decided_at,
        "training_set": version.training_set,
        "examples": {part: bounds[part].get("rows") for part in ("train", "validation", "holdout") if part in bounds},
        "gates_passed": count.passed,
        "gates": count.gates,
        "content_key": version.content_key,
        "state": lineage.state(reading.version(version)),
        "run_id": version.run_id,
    }


def _service(ws: Workspace, pipeline: ModelPipeline, number: int) -> Story:
    return _service_of(ws, versions.version(ws.state, pipeline.name, number))


def _service_of(ws: Workspace, version: Version) -> Story:
    """Whether a version serves, its last period of service, and the reason."""
    changes = promotions.changes(promotions.history(ws.state, version.pipeline))
    last = max((index for index, entry in enumerate(changes) if entry.version == version.version), default=None)
    began = None if last is None else changes[last]
    ended = None if last is None or last + 1 == len(changes) else changes[last + 1]
    return {
        "version": version.name,
        "serves": began is not None and ended is None,
        "promoted": began.effective_at if began else None,
        "until": ended.effective_at if ended else None,
        "reason": began.reason if began else None,
        "partition": version.partition,
        "bundle": version.bundle,
    }


def _files(by_content: FilesByContent, nodes: list[Node]) -> list[Story]:
    """The files among these nodes, by table and path, newest first."""
    files = [file for node in nodes if node.kind == "file" for file in by_content.get(node.address, ())]
    return [_file_facts(file) for file in sorted(files, key=_file_order)]


def _by_content(ws: Workspace) -> FilesByContent:
    """The versions of landed files by the address of their content in the lineage graph."""
    by_content: FilesByContent = {}
    for file in landed_files(ws.state):
        by_content.setdefault(Read(f"raw/{file.table}", file.path, file.sha256), []).append(file)
    return by_content


def _file_order(file: LandedFile) -> tuple[str, str, int]:
    return file.table, file.path, -file.version


def _file_facts(file: LandedFile) -> Story:
    names = ("table", "path", "version", "sha256", "bytes", "rows", "arrival", "status", "error")
    return {name: getattr(file, name) for name in names}


def _on_disk(ws: Workspace, table: Table, path: str, contents: list[Story]) -> str | None:
    """State of the landed file against the newest ingested content: "taken in", "waits" or "gone".

    None for a version that was never a file of the landing folder.
    """
    if not table.source.in_landing_folder:
        return None
    file = ws.settings.landing / path
    if not file.is_file():
        return "gone"
    return "taken in" if file_hash(file) == contents[0]["sha256"] else "waits"


def _of(pipeline: ModelPipeline, node: Node) -> bool:
    return node.asset.startswith(("validated/", f"{pipeline.name}/"))


def _missing(lineage: Graph, addresses: list[Read]) -> list[str]:
    """Which of these nodes, or of their inputs, were recorded without lineage."""
    nodes = [lineage.nodes[address] for address in addresses if address in lineage.nodes]
    lacking = lineage.unrecorded([*nodes, *lineage.upstream(*addresses)])
    return sorted({f"{node.asset} {node.partition}" for node in lacking})


def _number(version: str | None) -> int:
    return int(re.sub(r".*@", "", version or "0"))
