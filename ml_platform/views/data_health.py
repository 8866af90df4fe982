"""Health checks of data: refused and waiting files, sources, rejected rows, partitions that wait."""

from collections.abc import Iterator, Sequence
from functools import partial
from shlex import quote

from ml_platform.monitoring.alert_rules import of_refused
from ml_platform.monitoring.freshness import stale
from ml_platform.monitoring.waiting import waiting, waits_too_long
from ml_platform.naming import counted
from ml_platform.sources.foreseen import foreseen
from ml_platform.sources.scan import pending, refused, unavailable_message
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.results import ValidatedResult
from ml_platform.state.stores import Stores
from ml_platform.views.alert_health import acknowledged
from ml_platform.views.health_finding import Finding, Severity, surveyed


def waiting_files(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """What waits to be ingested, what was refused, and sources that cannot be read."""
    for pipeline in pipelines:
        waits: dict[str, int] = {}
        for table in pipeline.tables:
            look = partial(_files_of, state, table, waits)
            yield from surveyed("landed files", look, f"Look at the source of {table.name}; the others go on.")
        counts = {table: count for table, count in waits.items() if count}
        if counts:
            listed = ", ".join(f"{count} of {table}" for table, count in counts.items())
            yield Finding(
                "landed files", "warn", f"{pipeline.name}: {listed} wait", f"`ml-platform run {pipeline.name}`"
            )
        elif len(waits) == len(pipeline.tables):
            yield Finding("landed files", "ok", f"{pipeline.name}: none waits")


def _files_of(state: State, table: Table, waits: dict[str, int]) -> Iterator[Finding]:
    """The findings about one source. `waits` gets how many versions of it wait, unless it cannot be read."""
    look = pending(state, table)
    if look.unavailable is None or look.paths:
        waits[table.name] = len(look.paths)
    if look.unavailable is not None:
        detail = unavailable_message(table.name, look.unavailable)
        yield Finding("source", "bad", detail, "Other tables go on; the next run tries again.")
    for file in refused(state, table, look):
        (candidate,) = of_refused(table.name, [file], "")
        acknowledgement = acknowledged(state, candidate)
        detail = f"{table.name}: {file.error}"
        if acknowledgement:
            yield Finding("refused file", "ok", f"{detail} {acknowledgement}")
        else:
            remedy = (
                f"{table.source.correction} Where it is not to be read: `ml-platform withdraw {quote(table.name)} "
                f"{quote(file.path)} --why TEXT`. Where it can stay as it is: `ml-platform alerts resolve ID --why "
                "TEXT`; `ml-platform alerts --open` lists the IDs."
            )
            yield Finding("refused file", "bad", detail, remedy)
    if look.gone:
        yield Finding("file that left", "warn", f"{table.name}: {look.departed}", look.withdrawing)
    for refusal in foreseen(state.settings, table, look.paths):
        yield Finding("waiting file", "warn", f"would be refused: {refusal.error}", table.source.correction)


def waiting_partitions(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """The partition that each pipeline waits for, and for what; data that are late."""
    for pipeline in pipelines:
        slices = pipeline.slices
        for late in stale(stores.state, pipeline, slices):
            if acknowledgement := acknowledged(stores.state, late):
                yield Finding("late data", "ok", f"{late.title}. {acknowledgement}")
            else:
                yield Finding("late data", "bad" if late.severity == "error" else "warn", late.title, late.text)
        waits = waiting(stores, pipeline, slices)
        if waits is None:
            continue
        alarm = waits_too_long(stores, pipeline, slices)
        acknowledgement = acknowledged(stores.state, alarm) if alarm else ""
        remedy = f"Land what is missing: `ml-platform land {pipeline.name} TABLE FILE…`."
        if waits.refused:
            remedy = "Correct the refused files and land them again."
        state: Severity = "ok"
        if alarm and not acknowledgement:
            state = "bad" if alarm.severity == "error" else "warn"
        yield Finding("partitions", state, f"{pipeline.name}: {waits.text} {acknowledgement}".strip(), remedy)


def rejected_rows(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """How many rows of the newest partition of each table were rejected; whether a check of a table stands failed."""
    for pipeline in pipelines:
        counts = [text for table in pipeline.tables if (text := _rejected(state, table))]
        if counts:
            yield Finding("quarantine", "ok", f"{pipeline.name}: {'; '.join(counts)}")


def _rejected(state: State, table: Table) -> str:
    records = ledger.latest(state, f"validated/{table.name}")
    if not records:
        return ""
    (_, partition), record = max(records.items(), key=lambda item: item[0][1])
    result = record.result_as(ValidatedResult)
    where = table.name if table.event_time is None else f"{table.name} {partition}"
    return f"{result.quarantined:,} of {counted(result.rows + result.quarantined, 'row')} of {where} rejected"
