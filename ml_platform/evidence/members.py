"""What an evidence archive holds of a version: every record behind its card, and what the card is about."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ml_platform.evidence import verify
from ml_platform.evidence.archive import described
from ml_platform.models import bundle as bundles
from ml_platform.redaction import without_secrets
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import checks, decisions, promotions, verdicts, versions
from ml_platform.state.lineage import Node, graph
from ml_platform.state.versions import Version
from ml_platform.steps.candidate import recipe_of
from ml_platform.views.model_card import json_form
from ml_platform.views.model_card.assembled import model_card, triggering_decision
from ml_platform.views.model_card.card import ModelCard
from ml_platform.views.model_card.markdown import markdown
from ml_platform.views.model_card.page import page
from ml_platform.views.model_card.tables_read import files_behind, nodes_behind

Members = dict[str, bytes | Path]
_COMMENTED = "# The libraries of the training. Equal bytes are promised on the same machine only (S16).\n"


def members(ws: Workspace, pipeline: ModelPipeline, number: int, *, with_data: bool = False) -> Members:
    """The members of the archive with its manifest, by name. No name of a member comes from data.

    Args:
        ws: What is on record.
        pipeline: As it is declared today.
        number: Of the version.
        with_data: With the rows of the training set.

    Raises:
        NotFoundError: When the version does not exist.
        BlobError: Without its bundle or its training set.
    """
    with ws.reading():
        version = versions.version(ws.state, pipeline.name, number)
        card = _secret_free(model_card(ws, pipeline, number))
        bundle = ws.blobs.get(version.bundle)
        contents: Members = {
            "README.md": _readme(card, with_data=with_data).encode(),
            "verify.py": Path(verify.__file__).read_bytes(),
            "card/card.md": markdown(card).encode(),
            "card/card.html": page(card).encode(),
            "card/card.json": json_form.as_json(card).encode(),
            "model/bundle.zip": bundle,
            "environment/requirements.txt": _requirements(version).encode(),
            **{name: _json(values) for name, values in _records(ws, pipeline, version, card).items()},
        }
        if with_data:
            contents["data/training_set.parquet"] = ws.blobs.get(version.training_set)
    manifest = {
        "format": verify.LAYOUT,
        "version": version.name,
        "bundle": version.bundle,
        "training_set": version.training_set,
        "with_data": with_data,
        "members": {name: described(content) for name, content in sorted(contents.items())},
    }
    return {**contents, verify.MANIFEST: _json(manifest)}


def _records(ws: Workspace, pipeline: ModelPipeline, version: Version, card: ModelCard) -> dict[str, Any]:
    """Member → its JSON values."""
    name, number = version.pipeline, version.version
    nodes = nodes_behind(ws, version)
    judged = verdicts.history(ws.state, name, number)
    decision = triggering_decision(ws, version)
    return {
        "declaration/at_training.json": _as_it_was(ws, version, judged, decision),
        "declaration/today.json": {
            "key": content_key(pipeline),
            "trains_the_same_version": recipe_of(pipeline, version.training_set).content_key == version.content_key,
            "declaration": canonical(pipeline),
        },
        "environment/environment.json": version.environment,
        "records/version.json": asdict(version),
        "records/decision.json": None if decision is None else _decision(decision),
        "records/verdicts.json": [asdict(verdict) for verdict in judged],
        "records/promotions.json": [asdict(entry) for entry in promotions.history(ws.state, name)],
        "records/reproduction.json": asdict(card.reproduction),
        "records/checks.json": _checks(ws, nodes),
        "data/files.json": [_file(file) for file in files_behind(ws, nodes)],
        "data/lineage.json": _lineage(ws, version, nodes),
    }


def _as_it_was(
    ws: Workspace, version: Version, judged: list[verdicts.Verdict], decision: decisions.DecisionRecord | None
) -> dict[str, Any]:
    """What is on record of the declaration that the version was trained by, and its content key."""
    bundle = bundles.load(ws.blobs, version.bundle)
    gates = {one.gate_key: {"gate": one.gate, "severity": one.severity} for one in judged if not one.slice}
    return {
        "content_key": version.content_key,
        "features": json.loads(bundle.definition),
        "training": bundle.training,
        "contract": bundle.contract,
        "gates": gates,
        "retrain": None if decision is None else json.loads(decision.policy),
    }


def _decision(decision: decisions.DecisionRecord) -> dict[str, Any]:
    parsed = {name: json.loads(getattr(decision, name)) for name in ("policy", "evidence")}
    return {**asdict(decision), **parsed}


def _checks(ws: Workspace, nodes: list[Node]) -> list[dict[str, Any]]:
    """The newest results of the checks of every partition that was read."""
    partitions: dict[str, set[str]] = {}
    for node in nodes:
        if node.kind == "validated":
            partitions.setdefault(node.asset.partition("/")[2], set()).add(node.partition)
    return [asdict(row) for table in sorted(partitions) for row in checks.standing(ws.state, table, partitions[table])]


def _file(file: Any) -> dict[str, Any]:
    shown = ("table", "path", "version", "sha256", "bytes", "rows", "arrival", "status", "run_id")
    return {name: getattr(file, name) for name in shown}


def _lineage(ws: Workspace, version: Version, nodes: list[Node]) -> dict[str, Any]:
    """The graph behind the version. An edge is [reader, read], by position among the nodes; 0 is the version."""
    of = graph(ws.state)
    addresses = [reading.version(version), *(node.address for node in nodes)]
    places = {address: place for place, address in enumerate(addresses)}
    facts = [of.nodes[address] for address in addresses if address in of.nodes]
    edges = [
        [place, places[read]]
        for address, place in places.items()
        for read in of.reads.get(address, ())
        if read in places
    ]
    shown = ("kind", "asset", "partition", "content_key", "output", "rows", "version", "stands", "run_id")
    listed = [{**{name: getattr(node, name) for name in shown}, "recorded_at": node.recorded_at} for node in facts]
    return {"nodes": listed, "edges": sorted(edges)}


def _requirements(version: Version) -> str:
    libraries: Mapping[str, str] = version.environment.get("libraries", {})
    return _COMMENTED + "".join(f"{name}=={number}\n" for name, number in sorted(libraries.items()))


def _secret_free(card: ModelCard) -> ModelCard:
    """The card without any secret that this process knows of, before it is drawn: a picture hides its texts."""
    return json_form.from_json(without_secrets(json_form.as_json(card)))


def _json(values: Any) -> bytes:
    text = json.dumps(values, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False, default=_plain)
    return f"{without_secrets(text)}\n".encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here: {value!r}")


def _readme(card: ModelCard, *, with_data: bool) -> str:
    rows = "`data/training_set.parquet`: the rows that it was trained on." if with_data else "The rows are not in it."
    return f"""# Evidence of {card.name}

Verify it offline, with Python 3.9 or newer and nothing else:

    python verify.py ARCHIVE.zip --sha256 HASH

HASH is what `ml-platform evidence` printed when the archive was made. Without `--sha256` the script finds damage and
changes of single members, and not a forger who changed the manifest, too.

| member | what |
|---|---|
| `manifest.json` | the SHA-256 and size of every other member |
| `card/` | the model card: page, Markdown, JSON |
| `declaration/at_training.json` | what is on record of the declaration that it was trained by, and its content key |
| `declaration/today.json` | the declaration of the moment at which this was made, in canonical form, and its key |
| `records/` | the version, its decision, every verdict, the promotion log, checks of its data, reproduction |
| `data/files.json` | every landed file behind it, by SHA-256 |
| `data/lineage.json` | the graph from the version to these files |
| `environment/` | libraries, interpreter and machine of the training |
| `model/bundle.zip` | the model itself; its SHA-256 is the bundle of `records/version.json` |

{rows}
"""
