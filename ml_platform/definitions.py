"""The code location: every declared pipeline as Dagster definitions."""

import dagster as dg

from ml_platform.discovery import pipelines
from ml_platform.orchestration.build import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs and resources of every pipeline that the settings name."""
    return build_definitions(pipelines().values())
