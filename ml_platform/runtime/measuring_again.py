"""When a gate that could not be measured is tried again: in every run that a person starts, by sensors after a rest."""

from datetime import datetime, timedelta

from ml_platform.runtime.planner import Work
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, verdicts
from ml_platform.state.results import CandidateResult

REST = timedelta(minutes=10)  # a busy machine is not made busier by a run every few seconds


def rests_until(ws: Workspace, pipeline: ModelPipeline, work: Work) -> datetime | None:
    """Until when sensors leave a piece of work alone that only measures gates again; None: it is due.

    Work that trains is due at once.
    """
    assets = work.only or []
    if [pipeline.name, "verdicts"] not in assets or [pipeline.name, "candidate"] in assets:
        return None
    record = ledger.latest_of(ws.state, f"{pipeline.name}/candidate", work.partition)
    number = record.result_as(CandidateResult).candidate if record else None
    if number is None:
        return None
    tried = [v.recorded_at for v in verdicts.of(ws.state, pipeline.name, number) if v.waits]
    moments = [at + REST for at in tried if at is not None]
    return max(moments, default=None)
