"""Health checks of lake and operational state, and the list of what is checked in them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from ml_platform.errors import PlatformError
from ml_platform.lake import file_hashes, snapshots
from ml_platform.lake.blobs import Blobs, file_hash, stored
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import damaged, unusable
from ml_platform.lake.lost_catalog import RESTORE, catalog_file, is_missing
from ml_platform.models.registry import model_of_format, recorded_format
from ml_platform.naming import counted, listed
from ml_platform.runtime.retention import stored_outputs
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.lake_marks import ran
from ml_platform.state.schema import REVISION
from ml_platform.state.stores import Stores
from ml_platform.state.versions import versions
from ml_platform.training.environment import differences, environment
from ml_platform.views.alert_health import set_clock, standing_alerts, undelivered_alerts
from ml_platform.views.champion_health import champions
from ml_platform.views.data_health import rejected_rows, waiting_files, waiting_partitions
from ml_platform.views.databases_health import catalog_findings, damaged_pages, mismatch
from ml_platform.views.erasure_health import erasures
from ml_platform.views.health_finding import Finding, surveyed
from ml_platform.views.raw_health import lost_rows
from ml_platform.views.serving_health import services_behind

LakeCheck = Callable[[Lake], Iterator[Finding]]
StateCheck = Callable[[State, Sequence[ModelPipeline]], Iterator[Finding]]
StoresCheck = Callable[[Stores, Sequence[ModelPipeline]], Iterator[Finding]]

_NAMED = 10  # missing blobs
_INCOMPLETE = "The lake may be incomplete: run a pipeline."


def stores_findings(settings: Settings, pipelines: Sequence[ModelPipeline], *, deep: bool = False) -> Iterator[Finding]:
    """Lake and operational state, opened read-only, and what is in them. Where one cannot be opened, the other is.

    `deep`: every byte of every data file and blob is read.
    """
    if lost := list(catalog_findings(settings)):
        yield from lost
        return
    if not settings.catalog.get_secret_value() and is_missing(catalog_file(settings)):
        remedy = "The first `ml-platform run PIPELINE` creates it."
        yield Finding("lake", "warn", f"there is none in {settings.lake} yet", remedy)
        return
    with ExitStack() as opened:
        lakes: list[Lake] = []
        states: list[State] = []
        yield from surveyed("lake", partial(_open_lake, settings, opened, lakes), RESTORE)
        yield from surveyed("state", partial(_open_state, settings, opened, lakes, states), RESTORE)
        yield from surveyed("databases", partial(damaged_pages, settings, with_state=bool(states)), RESTORE)
        for lake, state in zip(lakes, states, strict=False):
            yield from surveyed("lake and state", partial(mismatch, lake, state), RESTORE)
        for lake in lakes:
            for name, of_lake in {**LAKE, **(DEEP if deep else {})}.items():
                yield from surveyed(name, partial(of_lake, lake), _INCOMPLETE)
        if deep:
            yield from surveyed("blobs", partial(changed_blobs, settings), _INCOMPLETE)
            for state in states:
                yield from surveyed("blobs", partial(missing_blobs, state), _INCOMPLETE)
        for state in states:
            for name, of_state in STATE.items():
                yield from surveyed(name, partial(of_state, state, pipelines), _INCOMPLETE)
            for pipeline in pipelines:
                for name, of_pipeline in PIPELINE.items():
                    yield from surveyed(name, partial(of_pipeline, state, [pipeline]), _INCOMPLETE)
        for lake, state in zip(lakes, states, strict=False):  # one each, where both opened
            stores = Stores(lake, state, Blobs(settings))
            for pipeline in pipelines:
                for name, of_stores in STORES.items():
                    yield from surveyed(name, partial(of_stores, stores, [pipeline]), _INCOMPLETE)


def _open_lake(settings: Settings, opened: ExitStack, lakes: list[Lake]) -> Iterator[Finding]:
    try:
        lake = opened.enter_context(closing(Lake(settings, read_only=True)))
        yield Finding("lake", "ok", f"opens; {snapshots.current(lake):,} commits so far")
    except PlatformError as error:
        yield Finding("lake", "bad", error.what, error.remedy)
    else:
        lakes.append(lake)


def _open_state(settings: Settings, opened: ExitStack, lakes: list[Lake], states: list[State]) -> Iterator[Finding]:
    unused = any(not ran(lake) for lake in lakes)  # where a run makes a missing state, and nothing is to be restored
    state = opened.enter_context(closing(State(settings, read_only=True, beside_lake=unused)))
    states.append(state)
    yield Finding("state", "ok", f"{state.location}, revision {REVISION}")


def damaged_files(lake: Lake) -> Iterator[Finding]:
    """Data files of the lake that are missing or truncated."""
    lost = {file.location for file in damaged(lake)}
    lost |= {one for one in unusable(lake) if one.schema != "raw"}  # lost raw rows have a check of their own
    if lost:
        names = ", ".join(sorted(one.name for one in lost))
        remedy = "`ml-platform run PIPELINE` writes them again; what is settled otherwise, with `--recompute`."
        yield Finding("data files", "bad", f"missing or truncated: {names}", remedy)
    else:
        yield Finding("data files", "ok", "all present and complete")


def changed_files(lake: Lake) -> Iterator[Finding]:
    """Data files whose bytes are others than were committed."""
    changed = sorted({file.location.name for file in file_hashes.changed(lake) if file.is_complete})
    if changed:
        remedy = "`ml-platform maintain` sets them aside; `ml-platform run PIPELINE` then makes them again."
        yield Finding("bytes of data files", "bad", f"changed since they were committed: {', '.join(changed)}", remedy)
    else:
        yield Finding("bytes of data files", "ok", "as committed")
    if unknown := file_hashes.without_hash(lake):
        remedy = "`ml-platform maintain` notes it."
        never = counted(len(unknown), "file was", "files were")
        yield Finding("bytes of data files", "warn", f"{never} never hashed", remedy)


def changed_blobs(settings: Settings) -> Iterator[Finding]:
    """Training sets, bundles and other blobs whose bytes are not what their names say."""
    changed = [path for path in sorted(stored(settings.artifacts)) if _is_changed(path)]
    for path in changed:
        remedy = "Delete it. `ml-platform run PIPELINE` makes those of newest results again."
        yield Finding("blobs", "bad", f"{path} is damaged", remedy)
    if not changed:
        yield Finding("blobs", "ok", "all are what their names say")


def _is_changed(blob: Path) -> bool:
    try:
        return file_hash(blob) != blob.name
    except FileNotFoundError:  # maintenance has removed it meanwhile
        return False


def missing_blobs(state: State) -> Iterator[Finding]:
    """Blobs that are the outputs of records and versions, or screened files, and are not there."""
    blobs = Blobs(state.settings)
    missing = sorted(digest for digest in stored_outputs(state) if not blobs.path(digest).is_file())
    if missing:
        names = listed([digest[:12] for digest in missing], _NAMED)
        remedy = "`ml-platform run PIPELINE` makes those of newest results again; the others are in earlier backups."
        are = counted(len(missing), "blob that the state names is", "blobs that the state names are")
        yield Finding("blobs", "warn", f"{are} missing: {names}", remedy)


def changed_libraries(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Whether libraries and machine are the same as at the last training."""
    newest = [trained[-1] for pipeline in pipelines if (trained := versions(state, pipeline.name))]
    if not newest:
        return
    last = max(newest, key=lambda version: version.created_at)
    libraries = model_of_format(recorded_format(last.metrics)).libraries
    now = environment(libraries)
    moved = differences(last.environment, now)
    if moved:
        yield Finding(
            "versions",
            "warn",
            f"since {last.name} was trained: {'; '.join(moved)}",
            "New trainings make new versions. `make install` installs the locked libraries again.",
        )
    else:
        yield Finding(
            "versions",
            "ok",
            f"as when {last.name} was trained: Python {now['python']}, "
            + ", ".join(f"{name} {version}" for name, version in now["libraries"].items()),
        )


LAKE: dict[str, LakeCheck] = {"data files": damaged_files}
DEEP: dict[str, LakeCheck] = {"bytes of data files": changed_files}
STATE: dict[str, StateCheck] = {
    "clock": set_clock,
    "open alert": standing_alerts,
    "alerts": undelivered_alerts,
    "versions": changed_libraries,
    "erasure": erasures,
}
PIPELINE: dict[str, StateCheck] = {"quarantine": rejected_rows, "champion": champions, "landed files": waiting_files}
STORES: dict[str, StoresCheck] = {"raw rows": lost_rows, "partitions": waiting_partitions, "service": services_behind}
