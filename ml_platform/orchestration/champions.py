"""Tells Dagster who serves when a person promoted a version or rolled one back: no run has materialized that.

The champion asset gets a materialization without a run. The newest event of the asset then says the same as the
promotion log, from which `status`, `models`, cards and notebooks read (S42).
"""

import dagster as dg

from ml_platform.escaping import printable
from ml_platform.orchestration.latest_events import newest_metadata
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import promotions
from ml_platform.state.database import State


def report(instance: dg.DagsterInstance, state: State, pipeline: str) -> bool:
    """Report the champion if the newest event of its asset names another one. Returns whether it was reported."""
    log = promotions.history(state, pipeline)
    changed = promotions.changes(log)
    key = dg.AssetKey([pipeline, "champion"])
    if not changed or newest_metadata(instance, key, "champion") == f"{pipeline}@{changed[-1].version}":
        return False
    entry = changed[-1]
    partitions = [one.partition for one in log if one.partition not in ("", WHOLE)]
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key,
            description=printable(f"{entry.actor}: {entry.reason}"),
            partition=max(partitions, default=None),
            metadata={
                "dagster/row_count": 1,
                "champion": f"{pipeline}@{entry.version}",
                "outcome": entry.action,
                "reason": entry.reason,
                "by": entry.actor,
                "champion before": f"{pipeline}@{entry.previous}" if entry.previous else "none",
                "since": dg.MetadataValue.timestamp(entry.recorded_at),
            },
            tags={"dagster/data_version": content_key("champion by hand", pipeline, entry.version, entry.seq)},
        )
    )
    return True
