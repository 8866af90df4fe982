"""Health checks of lake and operational state, and the list of what is checked in them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import duckdb

from ml_platform.errors import PlatformError, first_line
from ml_platform.lake import snapshots
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import unusable
from ml_platform.lake.lost_catalog import RESTORE, catalog_file, is_missing
from ml_platform.models.registry import recorded_format, trainer_of_format
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.schema import REVISION
from ml_platform.state.stores import Stores
from ml_platform.state.versions import versions
from ml_platform.training.environment import differences, environment
from ml_platform.views.alert_health import set_clock, standing_alerts, undelivered_alerts
from ml_platform.views.champion_health import champions
from ml_platform.views.data_health import rejected_rows, waiting_partitions
from ml_platform.views.databases_health import damaged_pages, lost_catalog, mismatch
from ml_platform.views.health_finding import Finding

Check = Callable[[Stores, Sequence[ModelPipeline]], Iterator[Finding]]


def opened_stores(settings: Settings) -> tuple[list[Finding], Stores | None]:
    """Open lake and state read-only; None if either cannot be opened. The caller closes them."""
    if lost := list(lost_catalog(settings)):
        return lost, None
    if not settings.catalog.get_secret_value() and is_missing(catalog_file(settings)):
        remedy = "The first `ml-platform run PIPELINE` creates it."
        return [Finding("lake", "warn", f"there is none in {settings.lake} yet", remedy)], None
    with ExitStack() as opened:
        try:
            lake = opened.enter_context(closing(Lake(settings, read_only=True)))
            findings = [Finding("lake", "ok", f"opens; {snapshots.current(lake):,} commits so far")]
        except (PlatformError, duckdb.Error) as error:
            remedy = error.remedy if isinstance(error, PlatformError) else RESTORE
            detail = error.what if isinstance(error, PlatformError) else first_line(error)
            return [Finding("lake", "bad", detail, remedy)], None
        try:
            state = opened.enter_context(closing(State(settings, read_only=True)))
        except PlatformError as error:
            return [*findings, Finding("state", "bad", error.what, error.remedy)], None
        opened.pop_all()
    findings.append(Finding("state", "ok", f"{state.location}, revision {REVISION}"))
    findings += [*damaged_pages(settings), *mismatch(lake, state)]
    return findings, Stores(lake, state, Blobs(settings))


def damaged_files(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Data files of the lake that are missing or truncated."""
    lost = sorted({f"{s.schema}.{s.table}" + (f" {s.partition}" if s.partition else "") for s in unusable(stores.lake)})
    if lost:
        yield Finding(
            "data files",
            "bad",
            f"missing or truncated: {', '.join(lost)}",
            "`ml-platform run PIPELINE` writes them again.",
        )
    else:
        yield Finding("data files", "ok", "all present and complete")


def changed_libraries(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Whether libraries and machine are the same as at the last training."""
    newest = [trained[-1] for pipeline in pipelines if (trained := versions(stores.state, pipeline.name))]
    if not newest:
        return
    last = max(newest, key=lambda version: version.created_at)
    libraries = trainer_of_format(recorded_format(last.metrics)).model.libraries
    now = environment(libraries)
    moved = differences(last.environment, now)
    if moved:
        yield Finding(
            "versions",
            "warn",
            f"since {last.name} was trained: {'; '.join(moved)}",
            "New trainings make new versions. `make install` restores the locked libraries.",
        )
    else:
        yield Finding(
            "versions",
            "ok",
            f"as when {last.name} was trained: Python {now['python']}, "
            + ", ".join(f"{name} {version}" for name, version in now["libraries"].items()),
        )


CHECKS: dict[str, Check] = {
    "data files": damaged_files,
    "quarantine": rejected_rows,
    "partitions": waiting_partitions,
    "champion": champions,
    "clock": set_clock,
    "open alert": standing_alerts,
    "alerts": undelivered_alerts,
    "versions": changed_libraries,
}
