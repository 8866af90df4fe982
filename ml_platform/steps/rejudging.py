"""Gates of a version measured anew because a person asked (S23, S40)."""

from ml_platform.errors import NotFoundError
from ml_platform.evaluation.gates.measuring import measure_again
from ml_platform.evaluation.gates.registry import evidence_for
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.gates import Gate
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import verdicts, versions
from ml_platform.state.verdicts import Verdict
from ml_platform.steps.judged_candidate import candidate_of


def gates_named(pipeline: ModelPipeline, name: str) -> list[Gate]:
    """The gates of that name: `latency`, `roc_auc_at_least_0_62`, or the kind `at_least`.

    Raises NotFoundError, which lists the names.
    """
    chosen = [gate for gate in pipeline.all_gates if name in (gate.short_name, gate.kind)]
    if not chosen:
        raise NotFoundError(f"gate of {pipeline.name}", name, [gate.short_name for gate in pipeline.all_gates])
    return chosen


def gates_that_wait(ws: Workspace, pipeline: ModelPipeline, number: int) -> list[Gate]:
    """The gates that the version waits for, or that broke. Raises NotFoundError for an unknown version."""
    versions.version(ws.state, pipeline.name, number)
    unmeasured = {v.gate_key for v in verdicts.of(ws.state, pipeline.name, number) if not v.measured}
    return [gate for gate in pipeline.all_gates if gate.key in unmeasured]


def rejudge(ws: Workspace, pipeline: ModelPipeline, number: int, gates: list[Gate], actor: str) -> list[Verdict]:
    """Measure these gates of a version anew and give the new verdicts. Older ones stay on record, and no longer count.

    A candidate that waits or was kept is decided again by the next run. Raises NotFoundError for an unknown version.
    """
    version = versions.version(ws.state, pipeline.name, number)
    with candidate_of(ws, pipeline, version.partition, version, evidence_for(gates)) as candidate:
        return measure_again(ws.state, f"asked by {actor}", gates, candidate)
