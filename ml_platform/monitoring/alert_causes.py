"""Which open alerts have lost their cause, and why: nobody has to look at them any more.

An alert about a step of a pipeline loses its cause when the same check passes for its partition or for a later one.
One about a partition of a table does when that partition was made again: if the check still fails, that is another
alert. One about a file does when the file is accepted or gone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ml_platform.sources.scan import refused
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.alerts import Alert, Kind, latest_of, open_alerts
from ml_platform.state.database import State
from ml_platform.state.files import Refused

OF_STEPS: tuple[Kind, ...] = ("gate", "drift", "check", "blocked")
OF_DATA: tuple[Kind, ...] = ("no_fresh_data", "waiting")


def gone(
    state: State, pipelines: Iterable[ModelPipeline], standing: Sequence[Alert], unseen: Collection[str] = ()
) -> dict[str, str]:
    """The open alerts of these pipelines whose cause is gone: id → why.

    `standing` are the alerts about data that did not arrive, as they are now, of all pipelines that were looked at.
    `unseen` are the tables of others: their data may still be missing.
    """
    declared = list(pipelines)
    names = {pipeline.name for pipeline in declared}
    tables = {table.name: table for pipeline in declared for table in pipeline.tables}
    turned_away = {name: refused(state, table) for name, table in tables.items()}
    here = _ids(state, standing)
    why_by_id: dict[str, str] = {}
    for item in open_alerts(state):
        owner, _, name = item.asset.partition("/")
        table = tables.get(name) if owner in ("raw", "validated") else None
        if table is None and owner not in names:
            continue
        why = ""
        if item.kind in OF_DATA and item.alert_id not in here and (table is None or name not in unseen):
            why = "What was missing has arrived."
        elif item.kind == "refused_file":
            why = file_accepted(item, turned_away[name])
        elif item.kind == "contract":
            why = _made_again(state, item)
        elif item.kind in OF_STEPS and table is None:
            why = passes(state, item.asset, item.partition, item.about)
        if why:
            why_by_id[item.alert_id] = why
    return why_by_id


def replaced(state: State, asset: str, partition: str, kind: Kind, standing: Sequence[Alert]) -> dict[str, str]:
    """The open alerts of an asset and partition that its newest outcome, with the alerts `standing`, does not raise."""
    here = _ids(state, standing)
    return {
        item.alert_id: f"{asset} was made again, and the check passes or has another finding."
        for item in open_alerts(state, [kind], asset)
        if item.partition == partition and item.alert_id not in here
    }


def passes(state: State, asset: str, partition: str, check: str) -> str:
    """Where a check that failed passes now: for its partition or for a later one. Empty where it does not.

    A partition where there was nothing to judge says nothing: no candidate, too few rows, no champion.
    """
    records = sorted(((key, record) for (_, key), record in ledger.latest(state, asset).items()), reverse=True)
    for key, record in records:
        if key < partition:
            break
        if not record.result.judged:
            continue
        outcome = next((one for one in ledger.details(state, record.id).checks if one["name"] == check), None)
        if outcome is not None and not _unmeasured(outcome):
            return f"{check} passes for {key}." if outcome["passed"] else ""
    return ""


def _unmeasured(outcome: Mapping[str, Any]) -> bool:
    """Whether a check passed only because there was no value to compare with its threshold."""
    return bool(outcome["passed"]) and outcome.get("value") is None and outcome.get("threshold") is not None


def file_accepted(item: Alert, turned_away: Collection[Refused]) -> str:
    """Why a refused file is no matter any more; empty while it is refused for the same reason."""
    same = any(
        file.path == item.about and content_key(file.sha256, file.error) == item.evidence for file in turned_away
    )
    return "" if same else f"{item.about} was accepted, replaced or removed."


def _made_again(state: State, item: Alert) -> str:
    record = ledger.latest_of(state, item.asset, item.partition)
    if record is None or record.content_key == item.evidence:
        return ""
    return f"{item.asset} was made again from other files or under another contract."


def _ids(state: State, standing: Iterable[Alert]) -> set[str]:
    """The ids under which these findings are on record."""
    return {last.alert_id for item in standing if (last := latest_of(state, item)) is not None}
