"""From which moment on the operational state changed since a plan: partitions that ended before it stand (S32)."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from ml_platform.errors import DeclarationError
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.durations import EPOCH, microseconds
from ml_platform.spec.examples import Label
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import schema, settled_plans, spans
from ml_platform.state.check_tables import checks
from ml_platform.state.settled_plans import SettledPlan

EVERYTHING = datetime.min.replace(tzinfo=UTC)  # the moment of a change that cannot be placed in time

_Moments = Iterator[datetime]


def first_change(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> datetime | None:
    """The first moment that a change since `plan` may matter to; None where nothing changed.

    A partition that ended by that moment is as it was. EVERYTHING where a change has no moment.
    """
    now = settled_plans.newest_numbers(ws.state)
    if now.keys() != plan.marks.keys() or any(now[name] < plan.marks[name] for name in now):
        return EVERYTHING  # the state is not the one that the plan was made of
    changed = (name for name in now if now[name] > plan.marks[name])
    moments = (moment for name in changed for moment in _CHANGES[name](ws, pipeline, plan))
    return min(moments, default=None)


def start_of(pipeline: ModelPipeline, partition: str | None) -> datetime:
    """The start of a partition; EVERYTHING for what is no partition of the pipeline."""
    if pipeline.partitions is None or partition is None:
        return EVERYTHING
    try:
        return pipeline.partitions.window(partition)[0]
    except DeclarationError:
        return EVERYTHING


def ends_of_tables(ws: Workspace, pipeline: ModelPipeline) -> Mapping[str, spans.Ends]:
    """When each table of the pipeline with an event time first became usable, and its newest event."""
    return {table.name: spans.ends(ws.state, table.name) for table in pipeline.tables if table.event_time}


def _of_records(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    """New outputs: of the pipeline itself and of its validated tables."""
    c = schema.records.c
    tables = {f"validated/{table.name}": table for table in pipeline.tables}
    needed = {name for table in pipeline.tables for name in table.needs}
    new = ws.state.rows(select(c.asset, c.partition).where(c.id > plan.marks["records"]).distinct())
    for asset, partition in new:
        if asset.startswith(f"{pipeline.name}/"):
            yield start_of(pipeline, partition)
        elif asset in tables:
            table = tables[asset]
            yield EVERYTHING if table.event_time is None or table.name in needed else start_of(pipeline, partition)
            yield from _of_spans(ws, pipeline, table.name, partition, plan)
    if any(asset in tables for asset, _ in new):
        yield from _of_ends(ws, pipeline, plan)


def _of_spans(ws: Workspace, pipeline: ModelPipeline, table: str, partition: str, plan: SettledPlan) -> _Moments:
    """When the rows of a partition first mattered: those that it has now, and those that it had."""
    label, late = pipeline.examples.label, _maturity(pipeline)
    if isinstance(label, Label) and label.table == table and label.matures_after is None:
        yield EVERYTHING  # every label that ever comes is in the key of each partition's performance
    for one in spans.history(ws.state, table, partition, after=plan.marks["records"]):
        if one is None:
            yield EVERYTHING  # recorded by older code
            continue
        for moment in (one.first_usable, one.first_known):
            if moment is not None:
                yield _moment(moment, late)


def _of_ends(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    """What depends on a table as a whole: since when it is usable (S14), and which labels are mature (S17)."""
    label = pipeline.examples.label
    matures = isinstance(label, Label) and label.matures_after is not None
    for table, now in ends_of_tables(ws, pipeline).items():
        before = plan.ends.get(table)
        if before is None or before.first_usable is None or before.first_usable != now.first_usable:
            yield EVERYTHING
            continue
        if matures and table == pipeline.examples.table and before.newest_event != now.newest_event:
            moments = [moment for moment in (before.newest_event, now.newest_event) if moment is not None]
            yield EVERYTHING if len(moments) < 2 else _moment(min(moments) - 1, _maturity(pipeline))


def _maturity(pipeline: ModelPipeline) -> timedelta:
    """How long after the end of a partition its labels may still come."""
    label = pipeline.examples.label
    late = label.matures_after if isinstance(label, Label) else None
    return timedelta(microseconds=microseconds(late)) if late is not None else timedelta()


def _moment(number: int, earlier_by: timedelta) -> datetime:
    """A moment in microseconds since 1970, moved; EVERYTHING for what Python cannot hold."""
    try:
        return EPOCH + timedelta(microseconds=number) - earlier_by
    except OverflowError:
        return EVERYTHING


def _of_files(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    """New versions of files: the partitions that any version of their paths has rows in."""
    c = schema.files.c
    new = select(c.table_name, c.path).where(c.id > plan.marks["files"], c.status != "refused").distinct()
    for table, path in ws.state.rows(new):
        yield from _of_path(ws, pipeline, table, path)


def _of_screenings(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    """The same of files that were screened."""
    c, f = schema.screenings.c, schema.files.c
    of_file = (f.table_name == c.table_name) & (f.file_id == c.file_id)
    new = select(c.table_name, f.path).join(schema.files, of_file).where(c.id > plan.marks["screenings"]).distinct()
    for table, path in ws.state.rows(new):
        yield from _of_path(ws, pipeline, table, path)


def _of_path(ws: Workspace, pipeline: ModelPipeline, table: str, path: str) -> _Moments:
    if table not in {one.name for one in pipeline.tables}:
        return
    f, s = schema.files.c, schema.screenings.c
    of_file = (s.table_name == f.table_name) & (s.file_id == f.file_id)
    screened = select(f.status, s.id, s.partitions).outerjoin(schema.screenings, of_file)
    for status, number, partitions in ws.state.rows(screened.where(f.table_name == table, f.path == path)):
        if number is None and status != "refused":
            yield EVERYTHING  # not screened: nobody knows which partitions it has rows in
        for partition in json.loads(partitions) if number is not None else ():
            yield start_of(pipeline, partition or None)


def _of_checks(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    """New results of checks that block promotions, or of which an earlier one did: nothing else is decided by them."""
    tables = [table.name for table in pipeline.tables]
    new, earlier = checks.alias(), checks.alias()
    same = [new.c[name] == earlier.c[name] for name in ("table_name", "partition", "name")]
    blocking = select(earlier.c.id).where(*same, ~earlier.c.passed, earlier.c.severity == "error").exists()
    chosen = select(new.c.partition).where(new.c.id > plan.marks["checks"], new.c.table_name.in_(tables), blocking)
    for (partition,) in ws.state.rows(chosen.distinct()):
        yield start_of(pipeline, partition)


def _of_versions(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    c = schema.versions.c
    new = select(c.version).where(c.id > plan.marks["versions"], c.pipeline == pipeline.name)
    yield from _of_trained(ws, pipeline, [row[0] for row in ws.state.rows(new)])


def _of_verdicts(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    c = schema.verdicts.c
    new = select(c.version).where(c.id > plan.marks["verdicts"], c.pipeline == pipeline.name).distinct()
    yield from _of_trained(ws, pipeline, [row[0] for row in ws.state.rows(new)])


def _of_promotions(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    c = schema.promotions.c
    new = select(c.partition, c.effective_at, c.action, c.version)
    rows = ws.state.rows(new.where(c.seq > plan.marks["promotions"], c.pipeline == pipeline.name))
    for partition, moment, _, _ in rows:
        yield from (moment, start_of(pipeline, partition))
    yield from _of_trained(ws, pipeline, [row.version for row in rows if row.action != "kept"])


def _of_trained(ws: Workspace, pipeline: ModelPipeline, numbers: list[int]) -> _Moments:
    """The partitions whose candidate is one of these versions: more than one where they trained the same."""
    if not numbers:
        return
    v, r = schema.versions.c, schema.records.c
    mine = select(v.partition, v.content_key).where(v.pipeline == pipeline.name, v.version.in_(numbers))
    trained = ws.state.rows(mine)
    keys = [row.content_key for row in trained]
    again = select(r.partition).where(r.asset == f"{pipeline.name}/candidate", r.content_key.in_(keys)).distinct()
    for partition in {row.partition for row in trained} | {row[0] for row in ws.state.rows(again)}:
        yield start_of(pipeline, partition)


def _of_decisions(ws: Workspace, pipeline: ModelPipeline, plan: SettledPlan) -> _Moments:
    c = schema.decisions.c
    new = select(c.partition).where(c.id > plan.marks["decisions"], c.pipeline == pipeline.name).distinct()
    for (partition,) in ws.state.rows(new):
        yield start_of(pipeline, partition)


_CHANGES: Mapping[str, Callable[[Workspace, ModelPipeline, SettledPlan], _Moments]] = {
    "records": _of_records,
    "files": _of_files,
    "screenings": _of_screenings,
    "checks": _of_checks,
    "versions": _of_versions,
    "verdicts": _of_verdicts,
    "promotions": _of_promotions,
    "decisions": _of_decisions,
}
