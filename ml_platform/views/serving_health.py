"""Health checks of serving: what was answered or posted and is not in the lake yet, and services behind their log."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ml_platform.naming import counted
from ml_platform.serving import column_segments, prediction_log
from ml_platform.serving.events.database import LANDED
from ml_platform.serving.opening_store import existing_store
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.running import running
from ml_platform.serving.service_state import GRACE, service_state
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores
from ml_platform.views.health_finding import Finding

_SEGMENTS = (prediction_log.OPEN, prediction_log.SEALED, column_segments.COLUMNS)
_LATE = 300.0  # seconds, after which what a running service moves every ten should be in the lake


def serving_findings(settings: Settings, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Findings of the folders of the service, also of pipelines and tables that nobody declares any more.

    Nothing where nothing was ever served.
    """
    logs = logs_folder(settings.online)
    for folder in sorted(path for path in logs.iterdir() if path.is_dir()) if logs.is_dir() else []:
        yield from _log_findings(settings, folder)
    declared = {table.name for pipeline in pipelines for table in pipeline.tables}
    for file in sorted(settings.events.glob("*.sqlite")) if settings.events.is_dir() else []:
        yield from _event_findings(file, declared)
    for name, fault in filling_faults.read(settings.online).items():
        if running(settings, name):
            yield Finding("service", "bad", f"{name} cannot be filled: {fault}", "`ml-platform serve` tries it again.")


def services_behind(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """A finding for each running service: which version answers, and whether that is the champion of the log."""
    store = existing_store(stores.settings)
    if store is None:
        return
    with closing(store):
        for pipeline in pipelines:
            service = service_state(stores, pipeline.name, store)
            if not service.services:
                continue
            addresses = ", ".join(one.address(stores.settings) for one in service.services)
            if not service.lags_for_long():
                yield Finding("service", "ok", f"{service.phrase} at {addresses}")
                continue
            champion = service.promotion.version if service.promotion else None
            log = f"the log names {pipeline.name}@{champion}" if champion else "the log names no champion"
            yield Finding(
                "service",
                "bad",
                f"{service.phrase} at {addresses}, and {log} for more than {GRACE.seconds:,} seconds",
                f"`curl {service.services[0].address(stores.settings)}/readyz` says why; so does what `serve` prints.",
            )


def _log_findings(settings: Settings, folder: Path) -> Iterator[Finding]:
    damaged, waiting = list[Path](), list[tuple[Path, float, int]]()
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # it was moved since the folder was listed
        if path.suffix == prediction_log.DAMAGED:
            damaged.append(path)
        elif path.suffix in _SEGMENTS and status.st_size:
            waiting.append((path, status.st_mtime, status.st_size))
    if damaged:
        yield Finding(
            "prediction log",
            "bad",
            f"{counted(len(damaged), 'segment')} of {folder.name} could not be read and {_were(damaged)} set aside",
            f"Look at {folder}/*{prediction_log.DAMAGED}; put back what is whole, remove the rest.",
        )
    oldest = min((changed for _, changed, _ in waiting), default=time.time())
    if time.time() - oldest > _LATE:
        size = sum(length for *_, length in waiting)
        yield Finding(
            "prediction log",
            "warn",
            f"{counted(len(waiting), 'segment')} of {folder.name} ({size:,} bytes) of logged predictions are not in "
            f"the lake, the oldest for {(time.time() - oldest) / 60:,.0f} minutes",
            _moved_by(settings, folder.name),
        )


def _event_findings(file: Path, declared: set[str]) -> Iterator[Finding]:
    table = file.stem
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows, opened = connection.execute(
            "SELECT coalesce(sum(rows), 0), min(opened_at) FROM groups WHERE status <> ?", [LANDED]
        ).fetchone()
    if not rows:
        return
    events = counted(rows, "event")
    if table not in declared:
        yield Finding(
            "posted events",
            "warn",
            f"{events} of {table} have not landed, and no pipeline that loads declares {table}",
            "`ml-platform serve` lands them when it starts and stops: serve any pipeline of this lake.",
        )
    elif time.time() - opened > _LATE:
        yield Finding(
            "posted events",
            "warn",
            f"{events} of {table} have not landed, the oldest for {(time.time() - opened) / 60:,.0f} minutes",
            "`ml-platform serve` lands them when their group is whole and when it stops; see what it prints.",
        )


def _moved_by(settings: Settings, pipeline: str) -> str:
    if running(settings, pipeline):
        return "The service tries it every ten seconds: see what `ml-platform serve` prints."
    return f"`ml-platform serve {pipeline}` moves them when it starts."


def _were(things: list[Path]) -> str:
    return "was" if len(things) == 1 else "were"
