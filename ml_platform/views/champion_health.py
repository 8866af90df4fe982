"""Health checks of champions: whole, missing, or with a candidate that was kept out, is blocked or waits."""

from collections.abc import Iterator, Mapping, Sequence

from ml_platform.lake.blobs import Blobs
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts, decisions, ledger, promotions
from ml_platform.state.alerts import Alert, Kind
from ml_platform.state.database import State
from ml_platform.state.results import ChampionOutcome, ChampionResult
from ml_platform.state.versions import version, versions
from ml_platform.views.health_finding import Finding


def champions(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Who serves, whether its bundle and training set are whole, and whether the newest candidate serves."""
    for pipeline in pipelines:
        champion = promotions.champion_at(state, pipeline.name)
        yield _serving(state, pipeline.name, champion) if champion else _none(state, pipeline.name)
        kept_out = _kept_out(state, pipeline.name, champion)
        if kept_out is not None:
            yield kept_out


def _serving(state: State, pipeline: str, champion: int) -> Finding:
    serving, blobs = version(state, pipeline, champion), Blobs(state.settings)
    gone = [
        kind
        for kind, digest in (("bundle", serving.bundle), ("training set", serving.training_set))
        if not blobs.whole(digest)
    ]
    if not gone:
        return Finding("champion", "ok", f"{serving.name} is whole")
    detail = f"{serving.name}: its {' and '.join(gone)} is missing or damaged"
    return Finding("champion", "bad", detail, f"`ml-platform run {pipeline}` makes it again.")


def _none(state: State, pipeline: str) -> Finding:
    if versions(state, pipeline):
        remedy = f"`ml-platform models {pipeline}` shows the versions and why none serves."
        return Finding("champion", "bad", f"{pipeline} has versions and no champion: nothing is scored", remedy)
    decided = decisions.history(state, pipeline)
    if not decided:
        return Finding("champion", "ok", f"{pipeline} has not trained yet")
    remedy = f"Land more data, or declare another policy; `ml-platform decisions {pipeline}` shows the evidence."
    return Finding("champion", "warn", f"{pipeline} has no champion yet: {decided[-1].reason}", remedy)


# The reason of a blocked one begins "blocked by data: ".
_SAID: Mapping[ChampionOutcome, str] = {"kept": "was kept out: ", "blocked": "is ", "waiting": "waits for a gate: "}


def candidate_alerts(state: State, pipelines: Sequence[ModelPipeline]) -> set[str]:
    """The ids of alerts about newest candidates that do not serve: `champions` has one finding for each candidate."""
    ids: set[str] = set()
    for pipeline in pipelines:
        kept_out = _newest_kept_out(state, pipeline.name, promotions.champion_at(state, pipeline.name))
        if kept_out is not None:
            _, record, result = kept_out
            name = f"{pipeline.name}@{result.candidate}"
            ids |= {item.alert_id for item in _alerts_about(state, name, record, result)}
    return ids


def _newest_kept_out(
    state: State, pipeline: str, champion: int | None
) -> tuple[str, ledger.Record, ChampionResult] | None:
    """The newest candidate, if it was not promoted and does not serve since. Later partitions may have had none."""
    records = ledger.latest(state, f"{pipeline}/champion").items()
    judged = {partition: (one, one.result_as(ChampionResult)) for (_, partition), one in records if one.result.judged}
    if not judged:
        return None
    partition, (record, result) = max(judged.items())
    if result.outcome not in _SAID or result.candidate == champion:
        return None
    return partition, record, result


def _alerts_about(state: State, name: str, record: ledger.Record, result: ChampionResult) -> list[Alert]:
    kind: Kind = "blocked" if result.outcome == "blocked" else "gate"
    return [item for item in alerts.raised(state, [kind]) if item.evidence in (name, record.content_key)]


_REMEDIES: Mapping[ChampionOutcome, str] = {
    "kept": "`ml-platform models {name}` shows every verdict.",
    "blocked": "Correct the file and run again. Where its data are right: `ml-platform promote {name} --why TEXT`.",
    "waiting": "The next run measures it again, or `ml-platform rejudge {name}`.",
}


def _kept_out(state: State, pipeline: str, champion: int | None) -> Finding | None:
    kept_out = _newest_kept_out(state, pipeline, champion)
    if kept_out is None:
        return None
    partition, record, result = kept_out
    name = f"{pipeline}@{result.candidate}"
    about = _alerts_about(state, name, record, result)
    log = [
        entry for entry in promotions.history(state, pipeline) if (entry.action, entry.partition) == ("kept", partition)
    ]
    why = log[-1].reason if log else "a gate failed"
    subject = name if partition == WHOLE else f"{name} of {partition}"
    detail = f"{subject} {_SAID[result.outcome]}{why}"
    if about and not any(item.is_open for item in about):
        closed = about[0]
        return Finding("candidate", "ok", f"{detail}. Resolved by {closed.resolved_by}: {closed.resolved_why}")
    remedy = _REMEDIES[result.outcome].format(name=name)
    closing = [f"`ml-platform alerts resolve {item.alert_id} --why TEXT`" for item in about if item.is_open]
    if closing:
        remedy = f"{remedy} Where it is as it should be: {', '.join(closing)}."
    return Finding("candidate", "warn" if result.outcome == "waiting" else "bad", detail, remedy)
