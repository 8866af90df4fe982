"""What happened to a version since it was trained: drift, realised performance, changes of champion."""

from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.state import promotions
from ml_platform.state.promotions import Promotion
from ml_platform.views.model_card.card import Change, DriftSoFar, Realised, SoFar

_NOTABLE = 0.1  # PSI: below, by convention, a column did not change
_MOST = 5  # columns of a partition that are named
_CHANGES = {"promoted": "promoted", "rolled_back": "rolled back to", "kept": "kept out"}


def so_far(ws: Workspace, pipeline: str, number: int) -> SoFar:
    """Drift and realised metrics of every partition that the version scored, in order."""
    return SoFar(_serves(ws, pipeline, number), _drift(ws, pipeline, number), _realised(ws, pipeline, number))


def _serves(ws: Workspace, pipeline: str, number: int) -> str:
    champion = promotions.champion_at(ws.state, pipeline)
    if champion == number:
        return "yes"
    return f"no; the champion is {pipeline}@{champion}" if champion else "no; there is no champion"


def _drift(ws: Workspace, pipeline: str, number: int) -> tuple[DriftSoFar, ...]:
    if not ws.lake.columns(pipeline, "drift"):
        return ()
    rows = ws.lake.rows(
        "SELECT _partition, feature, kind, psi, rows FROM "
        f"{quoted(pipeline)}.drift WHERE version = ? AND role = 'champion' ORDER BY _partition, psi DESC, feature",
        [number],
    )
    weighted = {row[0]: (row[4], row[3]) for row in rows if row[2] == "weighted"}
    moved: dict[str, dict[str, float]] = {partition: {} for partition in weighted}
    for partition, feature, kind, psi, _ in rows:
        most = moved.get(partition)
        if kind != "weighted" and most is not None and psi is not None and psi >= _NOTABLE and len(most) < _MOST:
            most["the score" if kind == "score" else feature] = psi
    return tuple(DriftSoFar(name, int(count or 0), psi, moved[name]) for name, (count, psi) in weighted.items())


def _realised(ws: Workspace, pipeline: str, number: int) -> tuple[Realised, ...]:
    if not ws.lake.columns(pipeline, "performance"):
        return ()
    rows = ws.lake.rows(
        "SELECT _partition, role, metric, value, low, high, rows, unlabelled FROM "
        f"{quoted(pipeline)}.performance WHERE version = ? AND sliced_by = '' ORDER BY _partition, role, metric",
        [number],
    )
    return tuple(
        Realised(partition, role, metric, value, low, high, int(labelled), int(unlabelled or 0))
        for partition, role, metric, value, low, high, labelled, unlabelled in rows
    )


def changes_about(log: list[Promotion], number: int, partition: str) -> tuple[Change, ...]:
    """What the promotion log says of a version, in the order of writing."""
    about: list[Change] = []
    for entry in log:
        if entry.action != "kept" and entry.version == number:
            about.append(_change(_CHANGES[entry.action], entry))
        elif entry.action != "kept" and entry.previous == number:
            about.append(_change(f"replaced by {entry.pipeline}@{entry.version}", entry))
        elif entry.action == "kept" and entry.partition == partition and entry.version != number:
            about.append(_change(_CHANGES["kept"], entry))
    return tuple(about)


def _change(what: str, entry: Promotion) -> Change:
    return Change(what, entry.effective_at, entry.actor, entry.reason, entry.overrides)
