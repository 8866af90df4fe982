"""The code location: every declared pipeline as Dagster definitions."""

import dagster as dg

from ml_platform.discovery import declarations
from ml_platform.orchestration.broken import broken_definitions
from ml_platform.orchestration.build import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs and resources of every pipeline that the settings name, and what does not load (S39)."""
    declared = declarations()
    return dg.Definitions.merge(build_definitions(declared.pipelines.values()), broken_definitions(declared.broken))
