"""A pipeline by its records alone: for commands that need the lake and not the declaration (S39)."""

from dataclasses import dataclass
from typing import Any

from ml_platform.errors import NotFoundError
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.metrics import METRICS
from ml_platform.state import decisions, ledger, promotions, verdicts, versions
from ml_platform.state.results import ChampionResult, VerdictsResult
from ml_platform.views.pipelines import recorded_pipelines


@dataclass(frozen=True)
class Undeclared:
    """A pipeline that is on record and whose declaration is broken or gone.

    headline:       the metric of the first gate that judged its newest version.
    required_gates: the key of every gate that judged a version and blocks → its phrase, by version that was judged.
    """

    name: str
    headline: str
    required_gates: dict[int, dict[str, str]]


def undeclared(ws: Workspace, name: str, declared: Declarations) -> Undeclared:
    """The pipeline by its records. Without any it raises why its declaration does not load, or NotFoundError."""
    on_record = recorded_pipelines(ws.state)
    if name not in on_record:
        raise declared.problem(name) or NotFoundError("pipeline", name, sorted({*declared.pipelines, *on_record}))
    judged = {
        one.version: [verdict for verdict in verdicts.of(ws.state, name, one.version) if verdict.slice == ""]
        for one in versions.versions(ws.state, name)
    }
    metrics = [verdict.metric for number in sorted(judged, reverse=True) for verdict in judged[number]]
    headline = next((metric for metric in metrics if metric in METRICS), "metric")
    required = {n: {v.gate_key: v.gate for v in gates if v.severity == "block"} for n, gates in judged.items() if gates}
    return Undeclared(name, headline, required)


def recorded_months(ws: Workspace, pipeline: Undeclared) -> list[dict[str, Any]]:
    """The rows of `status.status_rows` as far as the records tell: without the rejected rows of its tables."""
    with ws.reading():
        name = pipeline.name
        features, judged, decided = (ledger.latest(ws.state, f"{name}/{step}") for step in _STEPS)
        choices, log = decisions.current(ws.state, name), promotions.history(ws.state, name)
        rows = []
        for (_, partition), record in sorted(features.items()):
            verdict = judged.get((f"{name}/verdicts", partition))
            gates = verdict.result_as(VerdictsResult) if verdict else VerdictsResult()
            champion = decided.get((f"{name}/champion", partition))
            outcome = champion.result_as(ChampionResult) if champion else None
            choice = choices.get(partition)
            serving = outcome.champion if outcome else None
            rows.append(
                {
                    "partition": partition,
                    "rows": record.rows,
                    "quarantined": None,
                    "metric": pipeline.headline,
                    "realised": None,
                    "gates": f"{gates.passed} of {gates.gates}" if gates.candidate else None,
                    "outcome": outcome.outcome if outcome else "skipped" if choice and not choice.trains else None,
                    "reasons": list(outcome.reasons) if outcome and outcome.candidate else [],
                    "champion": f"{name}@{serving}" if serving else None,
                    "waits_for": [],
                    "waiting_since": None,
                }
            )
        if rows:  # what a person decided since counts now
            serving = promotions.serving_at(log)
            rows[-1]["champion"] = f"{name}@{serving}" if serving else None
        return rows


_STEPS = ("features", "verdicts", "champion")
