"""Columns whose names the checks use in their own SQL."""

import dataframely as dy

from ml_platform.quality.checks import Reference, run_checks
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox


class Find(dy.Schema):
    """One find at a dig."""

    found = dy.String(primary_key=True)
    parts = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")


FINDS = Table("finds", Files("finds/*.csv"), Find, event_time="at")
EARLIER = Reference("finds", {"found": "found"}, timed=True)


def test_columns_called_found_and_parts_are_compared_as_any_others(sandbox: IngestionSandbox) -> None:
    for month in (1, 2):
        rows = [f"a{n:02},{month},2013-{month:02}-{1 + n % 28:02}T{n // 28:02}:00:00Z" for n in range(40)]
        sandbox.put(f"finds/{month}.csv", "\n".join(["found,parts,at", *rows]) + "\n")
    sandbox.run(FINDS)
    results = {one.name: one for one in run_checks(sandbox.stores, FINDS, "2013-02", [EARLIER], MONTHS)}
    assert results["keys"].passed and results["keys"].value == 0
    assert results["matches"].passed
