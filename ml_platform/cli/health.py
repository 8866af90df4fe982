"""The examination behind `doctor`: each finding is made alone, so that one fault does not hide the others."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml_platform.cli import opening
from ml_platform.errors import PlatformError

if TYPE_CHECKING:
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.state.stores import Stores

_LOW = 2_000_000_000  # bytes free; a month of the demo takes 0.03 GB, a merge of files needs them twice


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` is what to do when it is not `ok`."""

    name: str
    state: Literal["ok", "warn", "bad"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Every finding, from the ground up: settings, declarations, disk, lake, what waits in it."""
    try:
        settings = opening.settings()
    except PlatformError as error:
        return [Finding("settings", "bad", error.what, error.remedy)]
    findings = [Finding("settings", "ok", f"data in {settings.data.resolve()}")]
    declared = list(_declared(settings, findings))
    findings += [*_folders(settings), _disk(settings), _dagster_home(), _catalog(settings), *_lock(settings)]
    stores = _opened(settings, findings)
    if stores is None:
        return findings
    with closing(stores):
        for look in (_damage, _champions, _alerts, _libraries):
            findings += _looked(look, stores, declared)
        for pipeline in declared:
            findings += _looked(_files, stores, [pipeline])
    return findings


_Look = Callable[["Stores", "list[ModelPipeline]"], Iterator[Finding]]


def _looked(look: _Look, stores: "Stores", declared: "list[ModelPipeline]") -> list[Finding]:
    import duckdb
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return list(look(stores, declared))
    except (PlatformError, duckdb.Error, SQLAlchemyError, OSError) as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        return [Finding(look.__name__.strip("_"), "bad", told, "The lake may be half made: run a pipeline.")]


def _declared(settings: "Settings", findings: list[Finding]) -> "Iterator[ModelPipeline]":
    from ml_platform.discovery import pipelines

    try:
        found = pipelines(settings)
    except PlatformError as error:
        findings.append(Finding("declarations", "bad", error.what, error.remedy))
        return
    if found:
        findings.append(Finding("declarations", "ok", f"{', '.join(found)} from {', '.join(settings.pipelines)}"))
    else:
        findings.append(
            Finding(
                "declarations",
                "warn",
                f"no pipeline in {', '.join(settings.pipelines)}",
                "Name modules that declare some in ML_PLATFORM_PIPELINES.",
            )
        )
    yield from found.values()


def _folders(settings: "Settings") -> Iterator[Finding]:
    for role in ("landing", "lake", "artifacts"):
        name, folder = f"{role} folder", Path(getattr(settings, role))
        if not folder.exists():
            yield Finding(
                name,
                "ok" if _writable(_existing(folder)) else "bad",
                f"{folder} is not there yet",
                f"{_existing(folder)} is not writable: make it so, or set ML_PLATFORM_DATA.",
            )
        elif _writable(folder):
            yield Finding(name, "ok", f"{folder} is writable")
        else:
            yield Finding(name, "bad", f"{folder} is not writable", "Make it so, or set ML_PLATFORM_DATA.")


def _existing(folder: Path) -> Path:
    return next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())


def _writable(folder: Path) -> bool:
    # Asking for permission is not enough: a disk may be read-only, and root may do everything.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _disk(settings: "Settings") -> Finding:
    folder = _existing(settings.data)
    usage = shutil.disk_usage(folder)
    told = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB free for {folder}"
    return Finding("disk", "ok" if usage.free > _LOW else "warn", told, "`ml-platform maintain` gives some back.")


def _dagster_home() -> Finding:
    home = os.environ.get("DAGSTER_HOME", "")
    remedy = "export DAGSTER_HOME=/absolute/folder; `make` sets it to .dagster in the project."
    if not home:
        return Finding("DAGSTER_HOME", "warn", "not set: runs would leave no history for `dagster dev`", remedy)
    if not Path(home).is_absolute() or not Path(home).is_dir():
        return Finding("DAGSTER_HOME", "bad", f"{home} is not an existing absolute folder", remedy)
    if not (Path(home) / "dagster.yaml").exists():
        return Finding(
            "DAGSTER_HOME",
            "warn",
            f"{home} has no dagster.yaml: two runs of a pipeline may collide",
            "Copy the project's .dagster/dagster.yaml there.",
        )
    return Finding("DAGSTER_HOME", "ok", home)


def _catalog(settings: "Settings") -> Finding:
    if settings.catalog.get_secret_value():  # which may hold a password, so nothing of it is shown
        return Finding("catalog", "ok", "PostgreSQL, from ML_PLATFORM_CATALOG")
    return Finding("catalog", "ok", "SQLite, in the lake's folder")


def _lock(settings: "Settings") -> Iterator[Finding]:
    from filelock import FileLock, Timeout

    from ml_platform.lake.locking import holder

    path = settings.lake / "write.lock"
    if settings.catalog.get_secret_value() or not path.exists():
        return
    told = holder(settings.lake)
    who = f"{told['what']}, process {told['pid']} on {told['host']}, since {told['since']}" if told else "somebody"
    try:
        with FileLock(path, timeout=0):  # let go at once; a writer that comes right now looks again after 10 ms
            yield Finding("write lock", "ok", "free")
    except Timeout:
        stop = f"`kill {told['pid']}`" if told.get("host") == socket.gethostname() else "stopping that process"
        yield Finding(
            "write lock", "warn", f"held by {who}", f"Writers wait for it; {stop} frees it and loses nothing."
        )
    except OSError as error:
        yield Finding("write lock", "bad", f"{path}: {error.strerror}", "Make the lake's folder writable.")


def _opened(settings: "Settings", findings: list[Finding]) -> "Stores | None":
    from ml_platform.lake import snapshots
    from ml_platform.lake.blobs import Blobs
    from ml_platform.lake.connection import Lake
    from ml_platform.state.database import State
    from ml_platform.state.schema import REVISION
    from ml_platform.state.stores import Stores

    if not settings.catalog.get_secret_value() and not (settings.lake / "catalog.sqlite").exists():
        findings.append(
            Finding(
                "lake",
                "warn",
                f"there is none in {settings.lake} yet",
                "The first `ml-platform run PIPELINE` makes it.",
            )
        )
        return None
    try:
        lake = Lake(settings, read_only=True)
        findings.append(Finding("lake", "ok", f"opens; {snapshots.current(lake):,} commits so far"))
    except PlatformError as error:
        mend = "Restore lake/catalog.sqlite from a copy; the data files are as they were."
        findings.append(Finding("lake", "bad", error.what, mend))
        return None
    try:
        state = State(settings, read_only=True)
        findings.append(Finding("state", "ok", f"{state.url}, revision {REVISION}"))
    except PlatformError as error:
        findings.append(Finding("state", "bad", error.what, error.remedy))
        lake.close()
        return None
    return Stores(lake, state, Blobs(settings))


def _damage(stores: "Stores", _: "list[ModelPipeline]") -> Iterator[Finding]:
    from ml_platform.lake.data_files import unusable

    lost = sorted({f"{s.schema}.{s.table}" + (f" {s.partition}" if s.partition else "") for s in unusable(stores.lake)})
    if lost:
        yield Finding(
            "data files",
            "bad",
            f"missing or cut short: {', '.join(lost)}",
            "`ml-platform run PIPELINE` makes them again.",
        )
    else:
        yield Finding("data files", "ok", "all there, none cut short")


def _alerts(stores: "Stores", declared: "list[ModelPipeline]") -> Iterator[Finding]:
    from ml_platform.monitoring.delivery import deliveries

    ends = [end for found in deliveries(stores.state).values() for end in found if end.state in ("failed", "given up")]
    for channel in sorted({end.channel for end in ends}):
        stuck = [end for end in ends if end.channel == channel]
        lost = sum(end.state == "given up" for end in stuck)
        detail = f"{len(stuck)} did not reach {channel}, {lost} given up. {stuck[-1].error}"
        yield Finding("alerts", "warn", detail, "Correct ML_PLATFORM_ALERTS, then `ml-platform alerts --deliver`.")


def _champions(stores: "Stores", declared: "list[ModelPipeline]") -> Iterator[Finding]:
    from ml_platform.state import promotions
    from ml_platform.state.versions import version

    for pipeline in declared:
        champion = promotions.champion_at(stores.state, pipeline.name)
        if champion is None:
            continue
        serving = version(stores.state, pipeline.name, champion)
        gone = [
            kind
            for kind, digest in (("bundle", serving.bundle), ("training set", serving.training_set))
            if not stores.blobs.whole(digest)
        ]
        if gone:
            yield Finding(
                "champion",
                "bad",
                f"{serving.name}: its {' and '.join(gone)} is missing or damaged",
                f"`ml-platform run {pipeline.name}` makes it again.",
            )
        else:
            yield Finding("champion", "ok", f"{serving.name} is whole")


def _libraries(stores: "Stores", declared: "list[ModelPipeline]") -> Iterator[Finding]:
    from ml_platform.models.registry import recorded_format, trainer_of_format
    from ml_platform.state.versions import versions
    from ml_platform.training.environment import differences, environment

    newest = [found[-1] for pipeline in declared if (found := versions(stores.state, pipeline.name))]
    if not newest:
        return
    last = max(newest, key=lambda version: version.created_at)
    own = trainer_of_format(recorded_format(last.metrics)).model.libraries
    now = environment(int(last.environment.get("threads", 0)), own)
    moved = differences(last.environment, now)
    if moved:
        yield Finding(
            "versions",
            "warn",
            f"since {last.name} was trained: {'; '.join(moved)}",
            "New trainings are new versions; `make install` brings back what the lock names.",
        )
    else:
        yield Finding(
            "versions",
            "ok",
            f"as when {last.name} was trained: Python {now['python']}, "
            + ", ".join(f"{name} {version}" for name, version in now["libraries"].items()),
        )


def _files(stores: "Stores", declared: "list[ModelPipeline]") -> Iterator[Finding]:
    from ml_platform.sources import raw

    for pipeline in declared:
        looks = [raw.pending(stores.state, table) for table in pipeline.tables]
        refused = [refusal for look in looks for refusal in look.refused]
        waiting = {look.table: len(look.paths) for look in looks if look.paths}
        for refusal in refused:
            yield Finding("refused file", "warn", refusal.error, "Mend the file where it is, or remove it.")
        if waiting:
            told = ", ".join(f"{count} of {table}" for table, count in waiting.items())
            yield Finding("landed files", "warn", f"{pipeline.name}: {told} wait", f"`ml-platform run {pipeline.name}`")
        else:
            yield Finding("landed files", "ok", f"{pipeline.name}: none waits")
