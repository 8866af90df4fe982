"""The decisions of a pipeline, for people and programs."""

import json
from dataclasses import asdict
from typing import Any

from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions


def history(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Every decision, newest first. `counts` marks the newest of each partition."""
    rows, seen = [], set[str]()
    for entry in reversed(decisions.history(ws.state, pipeline.name)):
        row = asdict(entry)
        del row["pipeline"]
        row |= {name: json.loads(row[name]) for name in ("policy", "evidence")}
        rows.append({**row, "counts": entry.partition not in seen})
        seen.add(entry.partition)
    return rows
