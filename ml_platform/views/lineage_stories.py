"""The stories that lineage tells: of a prediction, of a version, of a file; values for people and for JSON."""

import re
from typing import Any

from ml_platform.errors import NotFoundError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.recipes import Read
from ml_platform.models import bundle as bundles
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.lineage import Graph, Node, graph, landed_files
from ml_platform.state.results import passes_on
from ml_platform.state.versions import Version
from ml_platform.views import origins

Story = dict[str, Any]


def carries(node: Node) -> bool:
    """Whether the bytes of a node go on into what reads it."""
    return passes_on(node.kind)


def of_prediction(ws: Workspace, pipeline: ModelPipeline, key: str) -> Story:
    """From the newest prediction of a key back to the rows and files it rests on. Raises NotFoundError."""
    known = graph(ws.state)
    row, *earlier = origins.prediction_rows(ws.lake, pipeline.name, key)
    version = versions.version(ws.state, pipeline.name, row["version"])
    model = reading.version(version)
    made = _scoring(known, pipeline, row["partition"], model)
    features = next((r for r in known.reads.get(made, []) if r.asset == f"{pipeline.name}/features"), None)
    reads = known.reads.get(features, []) if features else []
    definition = FeatureDefinition.from_json(bundles.load(ws.blobs, version.bundle).definition)
    values = origins.feature_row(ws.lake, pipeline.name, definition, row)
    missing = [made, model, *([features] if features else [])]
    return {
        "prediction": {**_told(known, made), **row, "others": len(earlier)},
        "version": _version(ws, known, version),
        "features": {
            **_told(known, features or Read(f"{pipeline.name}/features", row["partition"], "")),
            "stored": definition.key == FeatureDefinition.of(pipeline).key,
            "values": values,
        },
        "rows": [] if values is None else origins.example_rows(ws, definition, values),
        "reads": [{**_told(known, read), "files": _files_of(ws, known, read)} for read in reads],
        "trained_on": [_told(known, node.place) for node in known.upstream(model, past=carries) if carries(node)],
        "missing": _missing(known, missing),
    }


def of_version(ws: Workspace, pipeline: ModelPipeline, number: int) -> Story:
    """What a version was made of, down to the files, and what it scored. Raises NotFoundError."""
    known = graph(ws.state)
    version = versions.version(ws.state, pipeline.name, number)
    place = reading.version(version)
    made_of = known.upstream(place, past=carries)
    readers = [known.nodes[reader] for reader in known.readers.get(place, []) if reader in known.nodes]
    return {
        "version": _version(ws, known, version),
        "made_of": [_told(known, node.place) for node in made_of],
        "files": _files(ws, [node for node in made_of if node.kind == "file"]),
        "scored": [_told(known, node.place) for node in readers if node.kind == "predictions"],
        "missing": _missing(known, [place]),
    }


def of_file(ws: Workspace, pipeline: ModelPipeline, path: str) -> Story:
    """What was built on every content of a landed file, the newest first. Raises NotFoundError."""
    known = graph(ws.state)
    tables = [table.name for table in pipeline.tables]
    contents = [file for file in _all_files(ws) if file["path"] == path and file["table"] in tables]
    if not contents:
        some = sorted({file["path"] for file in _all_files(ws) if file["table"] in tables})
        raise NotFoundError(f"file of {pipeline.name}", path, [*some[:3], *(["…"] if len(some) > 3 else [])])
    for content in contents:
        place = Read(f"raw/{content['table']}", path, content["sha256"])
        built = [node for node in known.downstream(place, past=carries) if _of(pipeline, node)]
        numbers = sorted({_number(node.version) for node in built if node.kind == "version" and node.version})
        content["built"] = [_told(known, node.place) for node in built if node.kind != "promotion"]
        content["versions"] = [_service(ws, pipeline, number) for number in numbers]
    return {
        "file": path,
        "landing": _on_disk(ws, path, contents),
        "contents": contents,
        "missing": _missing(known, [n.place for n in known.nodes.values() if n.stands and _of(pipeline, n)]),
    }


def _scoring(known: Graph, pipeline: ModelPipeline, partition: str, version: Read) -> Read:
    """The newest making of the partition's predictions by the version: others may have followed."""
    asset = f"{pipeline.name}/predictions"
    made = [node.place for node in known.nodes.values() if (node.asset, node.partition) == (asset, partition)]
    scored = [place for place in made if version in known.reads.get(place, [])]
    return (scored or made)[-1]


def _told(known: Graph, place: Read) -> Story:
    node = known.nodes.get(place)
    return {
        "kind": node.kind if node else None,
        "asset": place.asset,
        "partition": place.partition,
        "content_key": place.content_key,
        "state": known.state(place),
        "rows": node.rows if node else None,
        "version": node.version if node else None,
    }


def _version(ws: Workspace, known: Graph, version: Version) -> Story:
    judged = [v for v in verdicts.of(ws.state, version.pipeline, version.version) if v.slice == ""]
    bounds = version.bounds
    return {
        **_service_of(ws, version),
        "decided_at": version.decided_at,
        "training_set": version.training_set,
        "examples": {part: bounds[part].get("rows") for part in ("train", "validation", "holdout") if part in bounds},
        "gates_passed": sum(v.passed is not False for v in judged),
        "gates": len(judged),
        "content_key": version.content_key,
        "state": known.state(reading.version(version)),
        "run_id": version.run_id,
    }


def _service(ws: Workspace, pipeline: ModelPipeline, number: int) -> Story:
    return _service_of(ws, versions.version(ws.state, pipeline.name, number))


def _service_of(ws: Workspace, version: Version) -> Story:
    """Whether a version serves, from when to when it did last, and why."""
    changes = promotions.changes(promotions.history(ws.state, version.pipeline))
    last = max((place for place, entry in enumerate(changes) if entry.version == version.version), default=None)
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


def _files_of(ws: Workspace, known: Graph, read: Read) -> list[Story]:
    return _files(ws, [node for node in known.upstream(read) if node.kind == "file"])


def _files(ws: Workspace, nodes: list[Node]) -> list[Story]:
    wanted = {(node.asset, node.partition, node.content_key) for node in nodes}
    return [f for f in _all_files(ws) if (f"raw/{f['table']}", f["path"], f["sha256"]) in wanted]


def _all_files(ws: Workspace) -> list[Story]:
    """Every content of every file, by table and path, the newest first."""
    names = ("table", "path", "version", "sha256", "bytes", "rows", "arrival", "status", "error")
    files = sorted(landed_files(ws.state), key=lambda file: (file.table, file.path, -file.version))
    return [{name: getattr(file, name) for name in names} for file in files]


def _on_disk(ws: Workspace, path: str, contents: list[Story]) -> str:
    """How the landing folder stands to the newest content: "taken in", "waits" or "gone"."""
    file = ws.settings.landing / path
    if not file.is_file():
        return "gone"
    return "taken in" if file_hash(file) == contents[0]["sha256"] else "waits"


def _of(pipeline: ModelPipeline, node: Node) -> bool:
    return node.asset.startswith(("validated/", f"{pipeline.name}/"))


def _missing(known: Graph, places: list[Read]) -> list[str]:
    """Which of these, or of what they were made from, were made before lineage was kept."""
    nodes = [known.nodes[place] for place in places if place in known.nodes]
    lacking = known.unrecorded([*nodes, *known.upstream(*places)])
    return sorted({f"{node.asset} {node.partition}" for node in lacking})


def _number(version: str | None) -> int:
    return int(re.sub(r".*@", "", version or "0"))
