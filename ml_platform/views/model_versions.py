"""The versions of a pipeline with what was measured of them. Needs no declaration."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.database import State


@dataclass(frozen=True)
class VersionSummary:
    """One version.

    serves:       whether it is the champion now.
    rows:         examples by part: train, validation, holdout.
    holdout:      metric → value on its holdout; None where it is not defined.
    gates_passed: how many it passed, of the `gates` that judged it: `state.verdicts.gate_count`.
    seconds:      how long the training took; None for versions that did not record it.
    """

    version: int
    serves: bool
    partition: str
    decided_at: datetime | None
    created_at: datetime
    rows: Mapping[str, int]
    holdout: Mapping[str, float | None]
    gates_passed: int
    gates: int
    training_set: str
    bundle: str
    seconds: float | None


def version_summaries(state: State, pipeline: str) -> list[VersionSummary]:
    """Every version of the pipeline of that name, oldest first."""
    champion = promotions.champion_at(state, pipeline)
    return [_summary(state, one, serves=one.version == champion) for one in versions.versions(state, pipeline)]


def _summary(state: State, one: versions.Version, *, serves: bool) -> VersionSummary:
    count = verdicts.gate_count(verdicts.of(state, one.pipeline, one.version))
    return VersionSummary(
        version=one.version,
        serves=serves,
        partition=one.partition,
        decided_at=one.decided_at,
        created_at=one.created_at,
        rows={part: one.bounds[part]["rows"] for part in ("train", "validation", "holdout") if part in one.bounds},
        holdout=one.metrics["holdout"],
        gates_passed=count.passed,
        gates=count.gates,
        training_set=one.training_set,
        bundle=one.bundle,
        seconds=one.durations.get("total"),
    )
