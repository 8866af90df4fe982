"""A program that forgets the customer and ends itself before the n-th of the calls that change something."""

import sys
from pathlib import Path

from ml_platform.erasure import blob_rows, entity_of, forget, lake_rows, purge
from ml_platform.state import erasures
from ml_platform_tests import scenario
from ml_platform_tests.erasure.churn_world import WHO, declared, settings_of
from ml_platform_tests.faults import moments

CALLS: tuple[moments.Call, ...] = (
    *moments.WRITES,
    *((purge, name) for name in ("_call", "_narrow_statistics")),
    *((lake_rows, name) for name in ("write", "note_heights")),
    *((erasures, name) for name in ("begin", "finish", "remember", "note_rewritten")),
    (blob_rows, "_put"),
)

if __name__ == "__main__":
    moments.end_at(int(sys.argv[2]), CALLS)
    entity = entity_of(scenario.churn().table("customers"), [f"customer={WHO}"])
    forget(settings_of(Path(sys.argv[1])), declared(), entity, actor="ann")
