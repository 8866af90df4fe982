"""What a run did and what came of it, read from the records that it made: the document of `run --json`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ml_platform.errors import PlatformError
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts, decisions, ledger, promotions, versions
from ml_platform.state.ledger import Record
from ml_platform.state.results import ChampionResult
from ml_platform.views.status import months, version_facts

RunOutcome = Literal[
    "nothing_to_do", "no_training", "promoted", "refused", "blocked", "waiting", "failed", "interrupted"
]
RUN_SCHEMA = 1  # of the document; raised when a key changes its meaning or goes
_OF_CHAMPION: dict[str, RunOutcome] = {
    "promoted": "promoted",
    "kept": "refused",
    "blocked": "blocked",
    "waiting": "waiting",
}


@dataclass(frozen=True)
class Before:
    """The records and alerts that were there before a run, by which its own are told."""

    record: int
    alert_ids: frozenset[str]


@dataclass(frozen=True)
class Ended:
    """How a run ended: Dagster runs that were launched, seconds, and the error that ended it, if one did."""

    launched: int
    seconds: float
    error: PlatformError | KeyboardInterrupt | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run of a pipeline did. `made`: the records of its outputs, in order; `raised`: the alerts about them."""

    outcome: RunOutcome
    made: Sequence[Record]
    raised: Sequence[alerts.Alert]


def before(ws: Workspace) -> Before:
    """What is there before a run."""
    ids = frozenset(alert.alert_id for alert in alerts.raised(ws.state))
    return Before(ledger.newest_number(ws.state), ids)


def run_result(ws: Workspace, pipeline: ModelPipeline, since: Before, ended: Ended) -> RunResult:
    """What the run did since, from the operational state alone.

    The newest candidate that the run decided on tells the outcome. Where it decided on none, one that is still blocked
    by data or waits for a gate does: each run tries it again.
    """
    assets = _assets(pipeline)
    with ws.reading():
        made = [one for one in ledger.since(ws.state, since.record) if one.asset in assets]
        raised = [one for one in alerts.raised(ws.state) if one.alert_id not in since.alert_ids and one.asset in assets]
        return RunResult(_outcome(ws, pipeline, made, ended), made, raised)


def document(ws: Workspace, pipeline: ModelPipeline, result: RunResult, ended: Ended, exit_code: int) -> dict[str, Any]:
    """The document of a run, of stable keys (docs/cli.md)."""
    error = ended.error
    with ws.reading():
        serving = promotions.champion_at(ws.state, pipeline.name)
        return {
            "schema_version": RUN_SCHEMA,
            "pipeline": pipeline.name,
            "outcome": result.outcome,
            "exit_code": exit_code,
            "error": {"text": error.what, "remedy": error.remedy} if isinstance(error, PlatformError) else None,
            "launched": ended.launched,
            "seconds": round(ended.seconds, 3),
            "champion": f"{pipeline.name}@{serving}" if serving else None,
            "made": [_record(record) for record in result.made],
            "candidates": [_candidate(ws, pipeline, *one) for one in _candidates(pipeline, result.made)],
            "alerts": [_alert(alert) for alert in result.raised],
            # after Ctrl-C the lake is not asked again
            "partitions": [] if result.outcome == "interrupted" else months(ws, pipeline),
        }


def _assets(pipeline: ModelPipeline) -> "_Assets":
    return _Assets(pipeline.name, frozenset(table.name for table in pipeline.tables))


@dataclass(frozen=True)
class _Assets:
    """The assets of a pipeline and of its tables, by name."""

    pipeline: str
    tables: frozenset[str]

    def __contains__(self, asset: str) -> bool:
        layer, _, name = asset.partition("/")
        return layer == self.pipeline or (layer in ("raw", "validated", "quarantine") and name in self.tables)


def _outcome(ws: Workspace, pipeline: ModelPipeline, made: Sequence[Record], ended: Ended) -> RunOutcome:
    if ended.error is not None:
        return "interrupted" if isinstance(ended.error, KeyboardInterrupt) else "failed"
    decided = [result for _, result in _candidates(pipeline, made)]
    standing = decided[-1:] or [one for one in _newest(ws, pipeline) if one.undecided]
    for one in standing:
        if one.candidate not in _promoted(ws, pipeline):
            return _OF_CHAMPION[one.outcome]
        if decided:
            return "promoted"
    return "no_training" if ended.launched else "nothing_to_do"


def _promoted(ws: Workspace, pipeline: ModelPipeline) -> set[int | None]:
    """The versions that were promoted, also by a person since."""
    return {entry.version for entry in promotions.changed(ws.state, pipeline.name) if entry.action == "promoted"}


def _newest(ws: Workspace, pipeline: ModelPipeline) -> Iterator[ChampionResult]:
    """What became of the candidate of the newest partition that was decided on."""
    decided = ledger.latest(ws.state, f"{pipeline.name}/champion").values()
    newest = max(decided, key=lambda record: record.partition, default=None)
    if newest is not None:
        yield newest.result_as(ChampionResult)


def _candidates(pipeline: ModelPipeline, made: Sequence[Record]) -> Iterator[tuple[str, ChampionResult]]:
    """The partitions whose candidates were decided on, with what became of them, in order."""
    for record in made:
        if record.asset == f"{pipeline.name}/champion":
            result = record.result_as(ChampionResult)
            if result.candidate is not None:
                yield record.partition, result


def _candidate(ws: Workspace, pipeline: ModelPipeline, partition: str, result: ChampionResult) -> dict[str, Any]:
    assert result.candidate is not None  # such results alone are given
    facts = version_facts(ws, pipeline, result.candidate)
    decision = decisions.current_of(ws.state, pipeline.name, partition)
    version = versions.version(ws.state, pipeline.name, result.candidate)
    return {
        "version": version.name,
        "partition": partition,
        "decision": {"outcome": decision.outcome, "reason": decision.reason} if decision else None,
        "outcome": _OF_CHAMPION[result.outcome],
        "reasons": list(result.reasons),
        "metric": pipeline.headline,
        "holdout": version.metrics["holdout"].get(pipeline.headline),
        "bundle": version.bundle,
        "training_set": version.training_set,
        "seconds": version.durations.get("total"),
        "verdicts": facts["verdicts"],
    }


def _record(record: Record) -> dict[str, Any]:
    moment: datetime = record.recorded_at
    return {
        "asset": record.asset,
        "partition": record.partition,
        "rows": record.rows,
        "content_key": record.content_key,
        "run_id": record.run_id,
        "recorded_at": moment,
    }


def _alert(alert: alerts.Alert) -> dict[str, Any]:
    names = ("alert_id", "kind", "severity", "asset", "partition", "about", "title", "text", "link", "raised_at")
    return {name: getattr(alert, name) for name in names}
