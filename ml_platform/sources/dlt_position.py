"""Where a resource of dlt goes on: dlt's own state, as a text on record."""

import json
from collections.abc import Iterator
from typing import Any

from ml_platform.errors import SourceUnavailable

_MOST = 1_000_000  # characters: dlt keeps a hash of every row that has the cursor's greatest value


def packed(state: dict[str, Any], path: str) -> str | None:
    """The state as a text; None where the resource keeps none. Raises SourceUnavailable for what is too large."""
    from dlt.common.json import json as dlt_json

    if not any(True for _ in _resources(state)):
        return None
    text = dlt_json.typed_dumps(state, sort_keys=True)
    if len(text) > _MOST:
        raise SourceUnavailable(
            path,
            f"its state takes {len(text):,} characters, and {_MOST:,} are kept",
            remedy="Take a cursor that tells rows apart: dlt keeps a hash of every row with the greatest value.",
        )
    return text


def unpacked(position: str | None) -> dict[str, Any]:
    """The state that `packed` wrote; empty for the first read."""
    from dlt.common.json import json as dlt_json

    return {} if position is None else dict(dlt_json.typed_loads(position))


def cursors(position: str | None) -> str:
    """The last value of each cursor in a position, as JSON; `{}` where the resource keeps a state of another kind.

    >>> state = {"sources": {"shop": {"resources": {"orders": {"incremental": {"id": {"last_value": 7}}}}}}}
    >>> cursors(json.dumps(state))
    '{"id": 7}'
    """
    found = {} if position is None else dict(_cursors(json.loads(position)))
    return json.dumps({name: cursor.get("last_value") for name, cursor in found.items()}, ensure_ascii=False)


def is_same(one: str | None, other: str | None) -> bool:
    """Whether two positions are one. dlt also notes where a read began, and keeps hashes in any order."""
    return (one is None) == (other is None) and (one is None or _plain(one) == _plain(other or ""))


def _plain(position: str) -> Any:
    state = json.loads(position)
    for _, cursor in _cursors(state):
        cursor.pop("start_value", None)
        cursor["unique_hashes"] = sorted(cursor.get("unique_hashes") or [])
    return state


def _resources(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each resource keeps, where it keeps anything."""
    for source in state.get("sources", {}).values():
        yield from (kept for kept in source.get("resources", {}).values() if kept)
        if source.keys() - {"resources"}:
            yield source


def _cursors(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in _resources(state):
        yield from resource.get("incremental", {}).items()
