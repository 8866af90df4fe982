"""Health checks of lake, operational state, champions and waiting files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import duckdb

from ml_platform.errors import PlatformError
from ml_platform.lake import snapshots
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import unusable
from ml_platform.models.registry import recorded_format, trainer_of_format
from ml_platform.monitoring.delivery import deliveries
from ml_platform.settings import Settings
from ml_platform.sources.foreseen import foreseen
from ml_platform.sources.scan import pending, unavailable_message
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions
from ml_platform.state.database import State
from ml_platform.state.schema import REVISION
from ml_platform.state.stores import Stores
from ml_platform.state.versions import version, versions
from ml_platform.training.environment import differences, environment
from ml_platform.views.health_finding import Finding

Check = Callable[[Stores, Sequence[ModelPipeline]], Iterator[Finding]]


def opened_stores(settings: Settings) -> tuple[list[Finding], Stores | None]:
    """Open lake and state read-only; None if either cannot be opened. The caller closes them."""
    if not settings.catalog.get_secret_value() and not (settings.lake / "catalog.sqlite").exists():
        remedy = "The first `ml-platform run PIPELINE` creates it."
        return [Finding("lake", "warn", f"there is none in {settings.lake} yet", remedy)], None
    with ExitStack() as opened:
        try:
            lake = opened.enter_context(closing(Lake(settings, read_only=True)))
            findings = [Finding("lake", "ok", f"opens; {snapshots.current(lake):,} commits so far")]
        except (PlatformError, duckdb.Error) as error:
            remedy = "Restore lake/catalog.sqlite from a copy; the data files are not affected."
            return [Finding("lake", "bad", str(error).splitlines()[0], remedy)], None
        try:
            state = opened.enter_context(closing(State(settings, read_only=True)))
        except PlatformError as error:
            return [*findings, Finding("state", "bad", error.what, error.remedy)], None
        opened.pop_all()
    findings.append(Finding("state", "ok", f"{state.location}, revision {REVISION}"))
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


def undelivered_alerts(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Alerts that did not reach their channel."""
    ends = [end for ends in deliveries(stores.state).values() for end in ends if end.state in ("failed", "given up")]
    for channel in sorted({end.channel for end in ends}):
        stuck = [end for end in ends if end.channel == channel]
        lost = sum(end.state == "given up" for end in stuck)
        detail = f"{len(stuck)} did not reach {channel}, {lost} given up. {stuck[-1].error}"
        yield Finding("alerts", "warn", detail, "Correct ML_PLATFORM_ALERTS, then `ml-platform alerts --deliver`.")


def damaged_champions(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Whether the bundle and the training set of each champion are undamaged."""
    for pipeline in pipelines:
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


def changed_libraries(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Whether libraries and machine are the same as at the last training."""
    newest = [trained[-1] for pipeline in pipelines if (trained := versions(stores.state, pipeline.name))]
    if not newest:
        return
    last = max(newest, key=lambda version: version.created_at)
    libraries = trainer_of_format(recorded_format(last.metrics)).model.libraries
    now = environment(int(last.environment.get("threads", 0)), libraries)
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


def waiting_files(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """What waits to be ingested, what was refused, and sources that cannot be read."""
    for pipeline in pipelines:
        looks = [(table, pending(stores.state, table)) for table in pipeline.tables]
        waiting = {table.name: len(look.paths) for table, look in looks if look.paths}
        unavailable = [look.table for _, look in looks if look.unavailable is not None]
        for table, look in looks:
            if look.unavailable is not None:
                detail = unavailable_message(table.name, look.unavailable)
                yield Finding("source", "bad", detail, "Other tables go on; the next run tries again.")
            for refusal in look.refused:
                yield Finding("refused file", "warn", refusal.error, table.source.correction)
        for table, look in looks:
            for refusal in foreseen(stores.settings, table, look.paths):
                yield Finding("waiting file", "warn", f"would be refused: {refusal.error}", table.source.correction)
        if waiting:
            counts = ", ".join(f"{count} of {table}" for table, count in waiting.items())
            detail = f"{pipeline.name}: {counts} wait"
            yield Finding("landed files", "warn", detail, f"`ml-platform run {pipeline.name}`")
        elif not unavailable:
            yield Finding("landed files", "ok", f"{pipeline.name}: none waits")


CHECKS: dict[str, Check] = {
    "data files": damaged_files,
    "champion": damaged_champions,
    "alerts": undelivered_alerts,
    "versions": changed_libraries,
}
