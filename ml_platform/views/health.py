"""Health checks. Each check runs separately, so that one fault does not hide another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

import duckdb

from ml_platform.errors import PlatformError
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores
from ml_platform.views.health_finding import Finding
from ml_platform.views.machine_health import machine_findings
from ml_platform.views.stores_health import CHECKS, Check, opened_stores, waiting_files


def examine(
    load_settings: Callable[[], Settings], load_pipelines: Callable[[Settings], Mapping[str, ModelPipeline]]
) -> list[Finding]:
    """All findings: settings, declarations, machine, lake and state, waiting files.

    A PlatformError of the two functions becomes a finding. A temporary file in each folder is written and removed.
    """
    try:
        settings = load_settings()
    except PlatformError as error:
        return [Finding("settings", "bad", error.what, error.remedy)]
    pipelines: Sequence[ModelPipeline] = ()
    try:
        pipelines = list(load_pipelines(settings).values())
        declarations = _declarations(settings, pipelines)
    except PlatformError as error:
        declarations = Finding("declarations", "bad", error.what, error.remedy)
    data = Finding("settings", "ok", f"data in {settings.data.resolve()}")
    return [data, declarations, *machine_findings(settings), *_stores(settings, pipelines)]


def _declarations(settings: Settings, pipelines: Sequence[ModelPipeline]) -> Finding:
    modules = ", ".join(settings.pipelines)
    if pipelines:
        return Finding("declarations", "ok", f"{', '.join(one.name for one in pipelines)} from {modules}")
    remedy = "Name modules that declare some in ML_PLATFORM_PIPELINES."
    return Finding("declarations", "warn", f"no pipeline in {modules}", remedy)


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
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        return [Finding(name, "bad", detail, "The lake may be incomplete: run a pipeline.")]
