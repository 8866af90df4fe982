"""Nothing reads a step's display values to decide anything: every label may change."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from ml_platform.lake.blobs import file_hash
from ml_platform.lake.transaction import Author
from ml_platform.runtime import retention
from ml_platform.runtime.settled import settled_steps
from ml_platform.state import ledger
from ml_platform.state.results import ReportResult
from ml_platform.state.schema import record_details
from ml_platform.steps import decision
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform.views.decisions import history
from ml_platform.views.report_index import reports
from ml_platform.views.status import months, version_rows
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World


def _relabelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"x {name}": _relabelled(item) for name, item in value.items()}
    return [_relabelled(item) for item in value] if isinstance(value, list) else value


def _relabel_everything(world: World) -> int:
    """Rename every label of every display and of the metadata of every check; how many records have some."""
    changed = 0
    rows = world.ws.state.rows(select(record_details))
    with world.ws.state.writing() as connection:
        for row in rows:
            display, checks = json.loads(row.display), json.loads(row.checks)
            renamed = [{**check, "metadata": _relabelled(check["metadata"])} for check in checks]
            changed += bool(display) or any(check["metadata"] for check in checks)
            connection.execute(
                update(record_details)
                .where(record_details.c.record_id == row.record_id)
                .values(display=json.dumps(_relabelled(display)), checks=json.dumps(renamed))
            )
    return changed


def _put_a_report(world: World, partition: str) -> None:
    """Record a report with two files, as the report step does, without the seconds that drawing one takes."""
    asset = f"{world.pipeline.name}/report"
    earlier = world.records()[asset, partition]
    folder = world.settings.reports / world.pipeline.name / partition
    folder.mkdir(parents=True)
    files = {}
    for name in ("report.html", "report.json"):
        (folder / name).write_text("{}")
        files[str((folder / name).relative_to(world.settings.data))] = file_hash(folder / name)
    ledger.record(
        world.ws.state,
        Author(asset, partition, earlier.content_key, "test", ()),
        rows=1,
        result=ReportResult(champion=1, rows=10, weighted_drift=0.1),
        display={"weighted drift": 0.2, "columns": [{"column": "km"}]},
        files=files,
    )


def _decided_by_the_platform(world: World) -> dict[str, Any]:
    """What planner, settled history, views and decisions say."""
    ws, pipeline = world.ws, world.pipeline
    plan = planner(ws, pipeline)
    partitions = plan.complete()
    return {
        "planned": world.planned(),
        "outdated": plan.outdated(),
        "settled": {partition: settled_steps(ws, pipeline, STEPS, partition) for partition in partitions},
        "months": months(ws, pipeline),
        "version_rows": version_rows(ws, pipeline),
        "reports": reports(ws, pipeline),
        "decisions": history(ws, pipeline.name),
        "kept blobs": retention.referenced(ws.state),
        "current": {partition: decision.of(ws, pipeline, partition) for partition in partitions},
    }


def test_new_labels_of_display_values_and_check_metadata_change_no_plan_no_view_and_no_decision(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    _put_a_report(trips, "2024-02")
    before = _decided_by_the_platform(trips)
    assert before["planned"] == [] and any(before["settled"].values())
    assert before["months"] and before["version_rows"] and before["reports"] and before["decisions"]
    assert retention.shown(trips.ws.state) <= before["kept blobs"]

    assert _relabel_everything(trips) > 10
    trips.declare()  # the next process reads the state again

    labels = trips.display("trip_delay/candidate", "2024-02")
    assert labels and all(label.startswith("x ") for label in labels)
    assert any(ledger.details(trips.ws.state, record.id).checks for record in trips.records().values())
    assert _decided_by_the_platform(trips) == before
    assert trips.run() == []
