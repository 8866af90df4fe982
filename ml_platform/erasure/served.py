"""What a service keeps of an entity: the prediction log, posted events, and the online store."""

import time
from collections.abc import Callable, Sequence, Set
from datetime import timedelta
from pathlib import Path

from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.models import bundle as bundles
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving import prediction_log
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.filling import fill
from ml_platform.serving.filling_predictions import fill_predictions
from ml_platform.serving.log_mover import move
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import OnlineStore, Role
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.stored_predictions import predictions_fingerprint
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions

_ROLES: tuple[Role, ...] = ("champion", "challenger", "canary")
_SEALED_WITHIN = 3 * prediction_log.SEGMENT_SECONDS
_LOOK = 0.5  # seconds


def logs(settings: Settings) -> Path:
    """The prediction log: one folder of segments a pipeline."""
    return settings.online / "log"


def bring_in(ws: Workspace, pipelines: Sequence[ModelPipeline], say: Callable[[str], None]) -> None:
    """Land posted events and move the prediction log to the lake: what is in files there is found like any other.

    Waits for a segment that a running service writes to: it seals each within seconds.
    """
    with _keeper(ws.settings, pipelines) as keeper:
        for table in keeper.posted:
            keeper.land(ws.state, table, all_of_them=True)
    for folder in sorted(path for path in logs(ws.settings).glob("*") if path.is_dir()):
        say(f"moves the prediction log of {folder.name}")
        move(ws, folder.name, folder)
        open_before = set(folder.glob(f"*{prediction_log.OPEN}"))
        until = time.monotonic() + _SEALED_WITHIN
        while open_before & set(folder.glob(f"*{prediction_log.OPEN}")) and time.monotonic() < until:
            time.sleep(_LOOK)  # of another process, which tells nobody when it seals one
        move(ws, folder.name, folder)


def fill_anew(ws: Workspace, pipelines: Sequence[ModelPipeline], tables: Set[str]) -> list[str]:
    """Fill the online store and the rows of events from what is left; what a person has to see to.

    A running service answers from the new values at once.
    """
    if not _has_store(ws.settings):
        return []
    affected = [pipeline for pipeline in pipelines if any(table.name in tables for table in pipeline.tables)]
    span = timedelta(days=ws.settings.online_days)
    store = open_store(ws.settings)
    try:
        filled = _fill(ws, affected, store, span, pipelines)
        for pipeline in affected:
            name = predictions_fingerprint(pipeline.name)
            if name in store.fillings():
                fill_predictions(ws, pipeline.name, store, span, anew=True)
                filled.add(name)
        for fingerprint, filling in store.fillings().items():
            if filling.table in tables and fingerprint not in filled:
                store.forget(fingerprint)
    finally:
        store.close()
    if ws.settings.online_store.get_secret_value():
        return [
            "Redis has its own files (RDB, AOF): what is in them goes when it writes them again (BGREWRITEAOF, SAVE)."
        ]
    return []


def _fill(
    ws: Workspace,
    affected: Sequence[ModelPipeline],
    store: OnlineStore,
    span: timedelta,
    pipelines: Sequence[ModelPipeline],
) -> set[bytes]:
    """The fingerprints of the layouts that were filled."""
    names, filled = {pipeline.name: pipeline for pipeline in affected}, set[bytes]()
    with _keeper(ws.settings, pipelines) as keeper:
        for table in keeper.posted:
            if (rows := keeper.event_rows(table)) is not None:
                with rows.database.writing():
                    rows.database.note(filled=0)
        for role in _ROLES:
            for deployed in store.deployments(role).values():
                if (pipeline := names.get(deployed.pipeline)) is None:
                    continue
                digest = versions.version(ws.state, deployed.pipeline, deployed.version).bundle
                definition = OnlinePredictor.definition_of(bundles.load(ws.blobs, digest))
                of_events = frozenset(tables_with_events(pipeline)) & keeper.taking
                fill(ws, definition, store, span, keeper, of_events, anew=True)
                filled |= {one.layout.fingerprint for one in OnlineFeatures(definition).passes}
    return filled


def databases(settings: Settings) -> list[Path]:
    """The SQLite files of a service."""
    return [settings.online / "store.sqlite", *sorted(settings.events.glob("*.sqlite"))]


def damaged_segments(settings: Settings) -> list[Path]:
    """Segments of the prediction log that were set aside, or are still written to."""
    patterns = (prediction_log.DAMAGED, prediction_log.OPEN)
    return sorted(path for pattern in patterns for path in logs(settings).glob(f"*/*{pattern}"))


def _keeper(settings: Settings, pipelines: Sequence[ModelPipeline]) -> EventKeeper:
    return EventKeeper(
        settings, {name: one for pipeline in pipelines for name, one in tables_with_events(pipeline).items()}
    )


def _has_store(settings: Settings) -> bool:
    return bool(settings.online_store.get_secret_value()) or (settings.online / "store.sqlite").exists()
