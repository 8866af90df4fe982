"""The steps of a table: taking files in, and making a partition of the validated table."""

from collections.abc import Callable
from typing import Any

from ml_platform.lake.transaction import Author
from ml_platform.plots.markdown import ROWS, rows_table
from ml_platform.quality import checks
from ml_platform.quality.checks import Reference
from ml_platform.runtime.display import preview
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.sources import raw
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.validation import quarantine, validated


def ingest(ws: Workspace, table: Table, run_id: str, say: Callable[[str], None]) -> Outcome:
    """Take in every file that waits. A file that cannot be read stays where it is and is named; the others go on."""
    report = raw.ingest(ws.lake, table, run_id, on_file=say)
    known = ws.lake.rows(
        "SELECT sha256, rows FROM platform.files WHERE table_name = ? AND status = 'ingested' ORDER BY path",
        [table.name],
    )
    told: dict[str, Any] = {"files": len(known), "new": len(report.ingested), "replaced": len(report.replaced)}
    told["landing folder"] = {"path": str(ws.settings.landing)}
    if known:
        newest = _newest_files(ws, table)
        told["newest files"] = {"text": rows_table(newest, len(known))}
        first = newest[0]
        beginning = preview(ws, f"raw.{table.name}", rows=first["rows"], of=first["file_id"], column="_file")
        told["preview"] = {"text": beginning}
    refused = [{"file": r.path, "why": r.error} for r in [*report.refused, *report.waiting]]
    if refused:
        told["refused"] = refused
        for item in refused:
            say(f"refused: {item['why']}")
    rows = sum(count or 0 for _, count in known)
    return Outcome(
        rows,
        "made" if report.ingested else "unchanged",
        metadata=told,
        content_key=content_key("raw", [digest for digest, _ in known]),
    )


def _newest_files(ws: Workspace, table: Table) -> list[dict[str, Any]]:
    """The files that stand, newest arrival first."""
    return ws.lake.frame(
        "SELECT path AS file, rows, arrival AS arrived, sha256, run_id AS run, file_id FROM platform.files "
        f"WHERE table_name = ? AND status = 'ingested' ORDER BY arrival DESC, path DESC LIMIT {ROWS}",
        [table.name],
    ).to_dicts()


def validate(
    ws: Workspace, table: Table, references: list[Reference], partition: str, run_id: str
) -> tuple[Outcome, Outcome]:
    """Make a partition of the validated table and of its quarantine; the outcome of each."""
    author = Author(f"validated/{table.name}", partition, run_id=run_id)
    report = validated.build_validated(ws.lake, table, ws.slices.get(table.name), partition, author)
    status = "unchanged" if report.unchanged else "made"
    told: dict[str, Any] = {
        "versions": report.versions,
        "quarantined": report.quarantined,
        "duplicates": report.duplicates,
        "files": report.files,
    }
    told["preview"] = {"text": preview(ws, f"validated.{table.name}", rows=report.rows, of=partition)}
    found = tuple(checks.run_checks(ws.lake, table, partition, references, ws.slices.get(table.name)))
    good = Outcome(report.rows, status, metadata=told, checks=found, content_key=report.content_key)
    refused = quarantine.rows(ws.lake, table, partition=partition, limit=ROWS) if report.quarantined else []
    told_bad = {"by rule": report.by_rule, "preview": {"text": rows_table(refused, report.quarantined)}}
    bad = Outcome(report.quarantined, status, metadata=told_bad, content_key=report.content_key)
    return good, bad


def replay(ws: Workspace, table: Table) -> quarantine.Replay:
    """What today's contract and `clean` make of the table's refused rows."""
    return quarantine.replay(ws.lake, table, ws.slices.get(table.name))


def references_of(pipelines: list[ModelPipeline], table: str) -> list[Reference]:
    """Where a table's rows point to: the Lookups of examples that are its rows."""
    found = {}
    for pipeline in pipelines:
        for feature in pipeline.joined:
            if pipeline.examples.table == table and not feature.timed:
                on = {o: t for o, t in feature.keys.items() if o in pipeline.table(table).columns}
                if on:
                    found[feature.table, tuple(on.items())] = Reference(feature.table, on)
    return list(found.values())
