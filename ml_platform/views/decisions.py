"""The decisions of a pipeline, for people and programs."""

import json
from dataclasses import asdict
from typing import Any

from ml_platform.state import decisions
from ml_platform.state.stores import Stores


def history(stores: Stores, pipeline: str) -> list[dict[str, Any]]:
    """Every decision, newest first. `counts` marks the newest of each partition."""
    rows, seen = [], set[str]()
    for entry in reversed(decisions.history(stores.state, pipeline)):
        row = asdict(entry)
        del row["pipeline"]
        row |= {name: json.loads(row[name]) for name in ("policy", "evidence")}
        rows.append({**row, "counts": entry.partition not in seen})
        seen.add(entry.partition)
    return rows
