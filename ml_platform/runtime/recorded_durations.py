"""How long outputs took, by the times of their records: what a plan's estimate is made of."""

from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from sqlalchemy import select

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.schema import records

_LOOKED_AT = 2_000  # newest records
_NEWEST = 5  # of each asset


def recorded_durations(state: State, pipeline: ModelPipeline) -> Mapping[str, float]:
    """Asset → median seconds of its newest five outputs, of the assets whose duration is on record.

    An output took the time since the record before it in the same run, so the first output of a run tells nothing.
    Dagster's work between two steps counts, waiting for a run's start does not.
    """
    c = records.c
    newest = select(c.asset, c.run_id, c.recorded_at).order_by(c.id.desc()).limit(_LOOKED_AT)
    tables = {f"{layer}/{table.name}" for layer in ("raw", "validated") for table in pipeline.tables}
    seconds, later = defaultdict[str, list[float]](list), dict[str, tuple[str, float]]()
    for asset, run_id, recorded_at in state.rows(newest):  # newest first
        moment = recorded_at.timestamp()
        if run_id in later:
            following, at = later[run_id]
            if len(seconds[following]) < _NEWEST:
                seconds[following].append(max(0.0, at - moment))
        later[run_id] = asset, moment
    return {
        asset: median(durations)
        for asset, durations in seconds.items()
        if asset in tables or asset.startswith(f"{pipeline.name}/")
    }
