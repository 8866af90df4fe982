"""Health checks. Each runs by itself: whatever it raises is a finding, and the others are shown."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ml_platform.errors import PlatformError, first_line
from ml_platform.settings import Settings
from ml_platform.sources.landed import sentences, strays
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.env_file_health import readable_credentials
from ml_platform.views.health_finding import Finding, surveyed
from ml_platform.views.machine_health import machine_findings
from ml_platform.views.serving_health import serving_findings
from ml_platform.views.stores_health import stores_findings

Look = Callable[[Settings, Sequence[ModelPipeline]], Iterator[Finding]]


def examine(
    load_settings: Callable[[], Settings],
    load_declarations: Callable[[Settings], Declarations],
    look_at_runs: Look | None = None,
    *,
    deep: bool = False,
) -> list[Finding]:
    """All findings: settings, declarations, machine, lake and state, data, champions, alerts, runs and sensors.

    A PlatformError of the settings and every broken declaration become findings. A temporary file in each folder is
    written and removed.
    `look_at_runs` looks at what orchestrates the pipelines; None: nothing does. `deep`: every data file is read.
    """
    try:
        settings = load_settings()
    except PlatformError as error:
        return [Finding("settings", "bad", error.what, error.remedy)]
    except Exception as error:  # a setting of a library that refuses its value in a way of its own
        return [Finding("settings", "bad", first_line(error), "Correct the ML_PLATFORM_ variables.")]
    findings = [Finding("settings", "ok", f"data in {settings.data.resolve()}")]
    loaded: list[Declarations] = []
    findings += surveyed("declarations", partial(_declarations, settings, load_declarations, loaded), _DECLARED)
    pipelines = [pipeline for declared in loaded for pipeline in declared.pipelines.values()]
    looks: dict[str, tuple[Callable[[], Iterator[Finding]], str]] = {
        "machine": (partial(machine_findings, settings), "Check ML_PLATFORM_DATA."),
        ".env": (partial(readable_credentials, settings, pipelines), "Look at .env in the working directory."),
        "lake": (partial(stores_findings, settings, pipelines, deep=deep), "The lake may be incomplete."),
        "serving": (partial(serving_findings, settings, pipelines), "Look at ML_PLATFORM_DATA/online."),
        "landing folder": (partial(_landing_folder, settings, loaded), "Look at ML_PLATFORM_DATA/landing."),
    }
    if look_at_runs is not None:
        looks["Dagster"] = (partial(look_at_runs, settings, pipelines), "See DAGSTER_HOME.")
    for name, (look, remedy) in looks.items():
        findings += surveyed(name, look, remedy)
    return findings


_DECLARED = "Correct the modules in ML_PLATFORM_PIPELINES."


def _declarations(
    settings: Settings, load: Callable[[Settings], Declarations], loaded: list[Declarations]
) -> Iterator[Finding]:
    declared = load(settings)
    loaded.append(declared)
    modules = ", ".join(settings.pipelines)
    for one in declared.broken:
        yield Finding("declarations", "bad", f"{one.name}: {one.error.what}", one.error.remedy)
    if declared.pipelines:
        yield Finding("declarations", "ok", f"{', '.join(declared.pipelines)} from {modules}")
    elif not declared.broken:
        remedy = "Name modules that declare some in ML_PLATFORM_PIPELINES."
        yield Finding("declarations", "warn", f"no pipeline in {modules}", remedy)


def _landing_folder(settings: Settings, loaded: Sequence[Declarations]) -> Iterator[Finding]:
    """What lies in the landing folder and is read by no table, or by two. Nothing while a declaration is broken."""
    for declared in loaded:
        if declared.broken or not declared.pipelines:
            continue
        tables = [table for one in declared.pipelines.values() for table in one.tables]
        remedy = "Rename it, move it away, or declare a pattern that covers it once."
        for sentence in sentences(strays(settings, tables)):
            yield Finding("landing folder", "warn", sentence, remedy)
