"""Health checks. Each check runs separately, so that one fault does not hide another."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import duckdb

from ml_platform.errors import PlatformError, first_line
from ml_platform.redaction import without_secrets
from ml_platform.settings import Settings
from ml_platform.sources.landed import sentences, strays
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores
from ml_platform.views.data_health import waiting_files
from ml_platform.views.health_finding import Finding
from ml_platform.views.machine_health import machine_findings
from ml_platform.views.stores_health import CHECKS, Check, opened_stores

Look = Callable[[Settings, Sequence[ModelPipeline]], Iterator[Finding]]


def examine(
    load_settings: Callable[[], Settings],
    load_declarations: Callable[[Settings], Declarations],
    look_at_runs: Look | None = None,
) -> list[Finding]:
    """All findings: settings, declarations, machine, lake and state, data, champions, alerts, runs and sensors.

    A PlatformError of the settings and every broken declaration become findings. A temporary file in each folder is
    written and removed.
    `look_at_runs` looks at what orchestrates the pipelines; None: nothing does.
    """
    try:
        settings = load_settings()
    except PlatformError as error:
        return [Finding("settings", "bad", error.what, error.remedy)]
    declared = load_declarations(settings)
    pipelines = list(declared.pipelines.values())
    data = Finding("settings", "ok", f"data in {settings.data.resolve()}")
    folder = _landing_folder(settings, declared)
    runs = _runs(look_at_runs, settings, pipelines) if look_at_runs else []
    stores = _stores(settings, pipelines)
    return [data, *_declarations(settings, declared), *machine_findings(settings), *stores, *folder, *runs]


def _runs(look: Look, settings: Settings, pipelines: Sequence[ModelPipeline]) -> list[Finding]:
    try:
        return list(look(settings, pipelines))
    except Exception as error:  # what orchestrates has errors of its own kinds, and they must not hide the rest
        return [Finding("Dagster", "bad", f"its instance cannot be read: {first_line(error)}", "See DAGSTER_HOME.")]


def _declarations(settings: Settings, declared: Declarations) -> Iterator[Finding]:
    modules = ", ".join(settings.pipelines)
    for one in declared.broken:
        yield Finding("declarations", "bad", f"{one.name}: {one.error.what}", one.error.remedy)
    if declared.pipelines:
        yield Finding("declarations", "ok", f"{', '.join(declared.pipelines)} from {modules}")
    elif not declared.broken:
        remedy = "Name modules that declare some in ML_PLATFORM_PIPELINES."
        yield Finding("declarations", "warn", f"no pipeline in {modules}", remedy)


def _landing_folder(settings: Settings, declared: Declarations) -> list[Finding]:
    """What lies in the landing folder and is read by no table, or by two. Nothing while a declaration is broken."""
    if declared.broken or not declared.pipelines:
        return []
    stray_sentences = sentences(
        strays(settings, [table for one in declared.pipelines.values() for table in one.tables])
    )
    remedy = "Rename it, move it away, or declare a pattern that covers it once."
    return [Finding("landing folder", "warn", sentence, remedy) for sentence in stray_sentences]


def _stores(settings: Settings, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    findings, stores = opened_stores(settings)
    yield from findings
    if stores is None:
        return
    with closing(stores):
        for name, check in CHECKS.items():
            yield from _checked(name, check, stores, pipelines)
        for pipeline in pipelines:
            yield from _checked("landed files", waiting_files, stores, [pipeline])


def _checked(name: str, check: Check, stores: Stores, pipelines: Sequence[ModelPipeline]) -> list[Finding]:
    """The findings of a check. A failure of the check is a finding, too."""
    try:
        return list(check(stores, pipelines))
    except (PlatformError, duckdb.Error, OSError) as error:
        detail = (without_secrets(str(error)).splitlines() or [type(error).__name__])[0]
        return [Finding(name, "bad", detail, "The lake may be incomplete: run a pipeline.")]
