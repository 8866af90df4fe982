"""The steps of a table: ingesting files, and validating a partition."""

from collections.abc import Callable
from typing import Any

from ml_platform.lake.transaction import Author
from ml_platform.monitoring.alert_rules import of_forgotten, of_refused, of_unavailable
from ml_platform.plots.markdown import ROWS, rows_table
from ml_platform.quality import checks
from ml_platform.quality.check_result import CheckResult
from ml_platform.quality.checks import Reference
from ml_platform.runtime.display import preview
from ml_platform.runtime.reading import record_missing_spans
from ml_platform.runtime.workspace import Outcome, Status, Workspace
from ml_platform.sources import raw
from ml_platform.sources.registry import source_of
from ml_platform.sources.scan import refused as turned_away
from ml_platform.sources.scan import unavailable_message
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import alerts as alert_records
from ml_platform.state import checks as check_records
from ml_platform.state import files, ledger
from ml_platform.state.alerts import Alert
from ml_platform.state.checks import CheckRow
from ml_platform.state.files import FileVersion
from ml_platform.state.results import RawResult
from ml_platform.validation import quarantine, validated
from ml_platform.validation.forgotten import arrived_again


def ingest(
    ws: Workspace, table: Table, references: list[Reference], run_id: str, say: Callable[[str], None]
) -> Outcome:
    """Ingest every new version of the source. A refused version stays where it is and is reported, the others go on.

    A source that cannot be read raises an alert. `references` are those of `references_of`, for checks that failed.
    """
    report = raw.ingest(ws, table, run_id, on_file=say)
    standing = files.standing(ws.state, table.name)
    display: dict[str, Any] = {"files": len(standing), "new": len(report.ingested), "replaced": len(report.replaced)}
    display |= source_of(ws.settings, table).display
    if report.reread:
        display["read again"] = [{"file": path} for path in report.reread]
        say(f"read again, for the lake had lost their rows: {', '.join(report.reread)}")
    if report.renamed:
        display["renamed"] = [{"file": new, "before": old} for new, old in report.renamed.items()]
        for new, old in report.renamed.items():
            say(f"renamed: {old} is {new} now; its rows stand")
    if standing:
        newest = sorted(standing, key=lambda version: (version.arrival, version.path), reverse=True)[:ROWS]
        display["newest files"] = {"text": rows_table([_file(version) for version in newest], len(standing))}
        beginning = preview(ws, f"raw.{table.name}", rows=newest[0].rows, of=newest[0].file_id, column="_file")
        display["preview"] = {"text": beginning}
    key = raw.raw_key(ws.state, table)
    alerts: list[Alert] = of_refused(table.name, turned_away(ws.state, table), run_id)
    if report.unavailable is not None:
        display["unavailable"] = report.unavailable.error
        say(unavailable_message(table.name, report.unavailable))
        alerts.append(of_unavailable(table.name, report.unavailable, key, run_id))
    refused = [{"file": r.path, "why": r.error} for r in [*report.refused, *report.waiting]]
    if refused:
        display["refused"] = refused
        for item in refused:
            say(f"refused: {item['why']}")
    _check_failed_again(ws, table, references, run_id)
    rows = sum(version.rows for version in standing)
    return Outcome(
        rows,
        "made" if report.ingested or report.reread else "unchanged",
        result=RawResult(tuple(report.ingested)),
        display=display,
        content_key=key,
        alerts=tuple(alerts),
    )


def _file(version: FileVersion) -> dict[str, Any]:
    """A file for display."""
    shown = {"file": version.path, "rows": version.rows, "arrived": version.arrival, "sha256": version.sha256}
    return {**shown, "file_id": version.file_id}


def validate(
    ws: Workspace, table: Table, references: list[Reference], partition: str, run_id: str
) -> tuple[Outcome, Outcome]:
    """Write a partition of the validated table and of its quarantine. Returns both outcomes."""
    author = Author(f"validated/{table.name}", partition, run_id=run_id)
    report = validated.build_validated(ws, table, ws.slices.get(table.name), partition, author)
    record_missing_spans(ws, table)
    status: Status = "unchanged" if report.unchanged else "made"
    result = report.result
    display: dict[str, Any] = {
        "versions": result.versions,
        "quarantined": result.quarantined,
        "duplicates": result.duplicates,
        "files": list(result.files),
        "preview": {"text": preview(ws, f"validated.{table.name}", rows=result.rows, of=partition)},
    }
    results = tuple(checks.run_checks(ws, table, partition, references, ws.slices.get(table.name)))
    rows_by_check = [_check_row(table, partition, report.content_key, result, run_id) for result in results]
    check_records.record(ws.state, table.name, partition, rows_by_check)
    _check_failed_again(ws, table, references, run_id, besides=partition)
    again = sum(map(len, arrived_again(ws, table, partition).values()))
    good = Outcome(
        result.rows,
        status,
        result=result,
        display=display,
        checks=results,
        content_key=report.content_key,
        alerts=(
            *of_refused(table.name, turned_away(ws.state, table), run_id),
            *of_forgotten(table.name, partition, again, report.content_key, run_id),
        ),
    )
    rows = quarantine.rows(ws, table, partition=partition, limit=ROWS) if result.quarantined else []
    rejected = {"by rule": dict(result.by_rule), "preview": {"text": rows_table(rows, result.quarantined)}}
    bad = Outcome(result.quarantined, status, display=rejected, content_key=report.content_key)
    return good, bad


def _check_row(table: Table, partition: str, content_key: str, result: CheckResult, run_id: str) -> CheckRow:
    about = (result.name, result.severity, result.passed, result.value, result.threshold, result.description)
    return CheckRow(table.name, partition, content_key, *about, run_id)


def _check_failed_again(
    ws: Workspace, table: Table, references: list[Reference], run_id: str, besides: str = ""
) -> None:
    """Run the failed checks of other partitions again: what mends them may lie in another file or partition."""
    declared = {name for name, _ in checks.check_names(table, ws.slices.get(table.name))}
    failed: dict[str, set[str]] = {}
    for row in check_records.failed_of(ws.state, table.name):
        if row.partition != besides and row.name in declared:
            failed.setdefault(row.partition, set()).add(row.name)
    again: list[CheckRow] = []
    for partition, names in failed.items():
        record = ledger.latest_of(ws.state, f"validated/{table.name}", partition)
        if record is not None:
            results = checks.run_checks(ws, table, partition, references, ws.slices.get(table.name))
            again += [_check_row(table, partition, record.content_key, r, run_id) for r in results if r.name in names]
    if again:
        check_records.add(ws.state, table.name, again)
        _resolve_alerts(ws, table, {(row.partition, row.name) for row in again if not row.blocks})


def _resolve_alerts(ws: Workspace, table: Table, passing: set[tuple[str, str]]) -> None:
    """Resolve the open alerts of these checks, by partition and name."""
    standing = alert_records.open_alerts(ws.state, ["contract"], f"validated/{table.name}") if passing else []
    mended = [item for item in standing if (item.partition, item.about) in passing]
    alert_records.resolve(ws.state, {item.alert_id: f"{item.about} was run again and passes." for item in mended})


def replay(ws: Workspace, table: Table) -> quarantine.Replay:
    """Validate the table's rejected rows again with the current contract and `clean`."""
    return quarantine.replay(ws, table, ws.slices.get(table.name))


def references_of(pipelines: list[ModelPipeline], table: str) -> list[Reference]:
    """The tables that a table's rows refer to, from the joins of its examples."""
    references = {}
    for pipeline in pipelines:
        for feature in pipeline.joined:
            if pipeline.examples.table == table:
                on = {o: t for o, t in feature.keys.items() if o in pipeline.table(table).columns}
                if on:
                    reference = Reference(feature.table, on, feature.timed)
                    references[feature.table, tuple(on.items()), feature.timed] = reference
    return list(references.values())
