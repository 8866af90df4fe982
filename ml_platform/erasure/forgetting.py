"""Forgetting an entity: the steps in their order. Each may be repeated, so a killed erasure is finished by the next."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.erasure import blob_rows, dagster_home, lake_rows, purge, served, state_texts
from ml_platform.erasure import plan as plans
from ml_platform.erasure.entity import Entity
from ml_platform.erasure.errors import ErasureRefused
from ml_platform.erasure.finding import Matcher
from ml_platform.erasure.landed_files import rewrite_landed, waiting_rows
from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.erasure.unreached import unreached_places
from ml_platform.lake import durable, maintenance
from ml_platform.lake.lost_catalog import catalog_file
from ml_platform.lake.unfinished_erasure import is_unfinished, plan_folder
from ml_platform.lake.work_marks import at_work
from ml_platform.monitoring.alert_rules import FORGOTTEN_ROWS
from ml_platform.naming import counted, listed
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import alerts, erasures
from ml_platform.state.engine import path as state_file
from ml_platform.validation.forgotten import arrived_again, key_texts

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What was forgotten, or would be.

    Args:
        table: Whose rows they were; `key_columns`: by which of its columns they were named.
        counts: Place → rows, such as `{"raw.customers": 2}`.
        versions: Model versions that learnt from them: they cannot be reproduced any more, and stand otherwise.
        unreached: What a person has to see to, one sentence each.
        erasure: Its number on record; empty where there was nothing to forget.
    """

    table: str
    key_columns: tuple[str, ...]
    counts: Mapping[str, int]
    versions: tuple[str, ...]
    unreached: tuple[str, ...]
    erasure: str = ""
    done: bool = False


@dataclass
class _Context:
    """What the steps share."""

    ws: Workspace
    pipelines: Sequence[ModelPipeline]
    tables: Mapping[str, Table]
    say: Say
    counts: dict[str, int] = field(default_factory=dict)
    unreached: list[str] = field(default_factory=list)

    def add(self, counts: Mapping[str, int]) -> None:
        for place, rows in counts.items():
            self.counts[place] = self.counts.get(place, 0) + rows


def forget(
    settings: Settings,
    declared: Declarations,
    entity: Entity,
    *,
    actor: str,
    why: str = "",
    dry_run: bool = False,
    confirm: Callable[[Report], bool] = lambda _: True,
    say: Say = lambda _: None,
) -> Report:
    """Remove an entity's rows, and what was made of them row by row, from everywhere that the platform writes.

    Args:
        settings: Where the lake is.
        declared: All pipelines: their joins say in which tables the entity has rows.
        entity: Which rows are meant (`entity_of`).
        actor: Who asked for it.
        why: The reason, for the record. It must not name the entity.
        dry_run: Report what would go, and change nothing.
        confirm: Asked with what would go, before anything does.
        say: Called with what is being done, in a line.

    Raises:
        ErasureRefused: While runs are at work, while an earlier erasure is not finished, and for a reason that names
            the entity.
    """
    _refuse_broken(declared)
    if is_unfinished(settings):
        raise ErasureRefused(
            "An earlier erasure is not finished.", remedy="`ml-platform forget --resume` finishes it; then repeat this."
        )
    opened = Workspace.open_for_reading if dry_run else Workspace.open
    with closing(opened(settings, _slices(declared))) as ws:
        context = _context(ws, declared, say)
        if not dry_run:
            _refuse_while_at_work(settings)
            served.bring_in(ws, context.pipelines, say)
        plan, examples = plans.made(
            ws,
            context.pipelines,
            context.tables,
            entity,
            actor=actor,
            why=why,
            on_file=lambda path: say(f"reads {path}"),
        )
        if why and Markers(plan.markers).are_in(why):
            raise ErasureRefused(
                "The reason names what is to be forgotten.", remedy="Give another: it stays on record."
            )
        outlook = _outlook(context, plan, examples)
        if dry_run or not outlook.counts or not confirm(outlook):
            return outlook
        _refuse_while_at_work(settings)
        plans.write(settings, replace(plan, counts=outlook.counts), examples)
    return resume(settings, declared, say=say)


def resume(settings: Settings, declared: Declarations, *, say: Say = lambda _: None) -> Report:
    """Finish the erasure that is under way. Raises ErasureRefused where there is none."""
    if not is_unfinished(settings):
        raise ErasureRefused(
            "No erasure is under way.", remedy="Say which rows: `ml-platform forget TABLE --key VALUE`."
        )
    _refuse_while_at_work(settings)
    plan, examples = plans.read(settings)
    markers = Markers(plan.markers)
    with closing(Workspace.open(settings, _slices(declared), erasing=True)) as ws:
        context = _context(ws, declared, say)
        missing = [name for name in plan.columns if name not in context.tables]
        if missing:
            raise ErasureRefused(
                f"{listed(missing)} is not declared any more, or its declaration is broken.",
                remedy="Mend it (`ml-platform doctor`), and `ml-platform forget --resume`.",
            )
        erasures.begin(ws.state, plan.erasure_id, plan.table, plan.key_columns, actor=plan.actor, why=plan.why)
        report = _apply(context, plan, examples, markers)
    say("writes the databases anew")
    own = [] if settings.catalog.get_secret_value() else [catalog_file(settings), state_file(settings)]
    purge.rewrite_databases([*own, *served.databases(settings), *dagster_home.databases()])
    with closing(Workspace.open(settings, _slices(declared), erasing=True)) as ws:
        erasures.finish(
            ws.state,
            plan.erasure_id,
            counts=report.counts,
            versions=report.versions,
            unreached=[markers.without(line) for line in report.unreached],
        )
        _resolve(ws, plan)
    plans.remove(settings)
    return report


def _slices(declared: Declarations) -> dict[str, Partitions | None]:
    return {name: slices for one in declared.pipelines.values() for name, slices in one.slices.items()}


def _context(ws: Workspace, declared: Declarations, say: Say) -> _Context:
    pipelines = list(declared.pipelines.values())
    return _Context(ws, pipelines, {table.name: table for one in pipelines for table in one.tables}, say)


def _refuse_broken(declared: Declarations) -> None:
    """Raise ErasureRefused where a declaration does not load: nobody knows in which tables it names the entity."""
    if declared.broken:
        raise ErasureRefused(
            f"{listed([one.name for one in declared.broken])} does not load, so where it has rows cannot be told.",
            remedy="Mend the declaration; `ml-platform doctor` names file and line.",
        )


def forget_again(
    settings: Settings, declared: Declarations, table: Table, *, actor: str, why: str, **options: Any
) -> list[Report]:
    """Forget the keys of a table that were forgotten before and arrived again; one report for each set of columns."""
    with closing(Workspace.open_for_reading(settings, _slices(declared))) as ws:
        again = arrived_again(ws, table)
    entities = [Entity(table.name, columns, tuple(sorted(values))) for columns, values in again.items()]
    return [forget(settings, declared, entity, actor=actor, why=why, **options) for entity in entities]


def _refuse_while_at_work(settings: Settings) -> None:
    """Raise ErasureRefused while a run is under way: what it holds in memory would come back."""
    if marks := at_work(settings.lake):
        raise ErasureRefused(
            f"{counted(len(marks), 'run is', 'runs are')} at work on the lake: {listed(marks)}.",
            remedy="Wait for the end; then repeat this, or `ml-platform forget --resume` where it had begun.",
        )


def _outlook(context: _Context, plan: Plan, examples: Mapping[str, pl.DataFrame]) -> Report:
    """What would go."""
    rows = {f"raw.{name}": sum(map(len, files.values())) for name, files in plan.rows.items() if files}
    made = {f"{name} examples": frame.height for name, frame in examples.items() if frame.height}
    for pipeline in context.pipelines:
        if pipeline.name in examples and (answers := lake_rows.answers_about(context.ws, pipeline, plan)):
            made[f"{pipeline.name}.served"] = answers
    unreached = unreached_places(context.ws, context.pipelines, plan, Markers(plan.markers))
    landed: dict[str, int] = {}
    for name in plan.columns:
        table = context.tables[name]
        if not rows.get(f"raw.{name}") and table.source.in_landing_folder:
            waiting = waiting_rows(context.ws, table, Matcher(context.ws.lake, table, plan.keys(table), ()))
            landed |= {f"landed files of {name}": waiting} if waiting else {}
    return Report(
        plan.table, plan.key_columns, {**rows, **landed, **made}, _learnt(context, examples), tuple(unreached)
    )


def _learnt(context: _Context, examples: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The versions whose training sets have rows of the examples."""
    learnt: list[str] = []
    for pipeline in context.pipelines:
        if pipeline.name in examples:
            sets = blob_rows.training_sets(context.ws, pipeline.name)
            keys = pipeline.examples.keys
            holding = blob_rows.holding_examples(context.ws, sets, examples[pipeline.name], keys)
            learnt += [version for digest in holding for version in sets[digest]]
    return tuple(sorted(learnt))


def _apply(context: _Context, plan: Plan, examples: Mapping[str, pl.DataFrame], markers: Markers) -> Report:
    """Every step, each of which finds nothing where it was done before."""
    ws, settings = context.ws, context.ws.settings
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    for name, columns in plan.columns.items():
        erasures.remember(ws.state, name, columns, key_texts(plan.keys(context.tables[name])))
    learnt = _noted_versions(context, plan, examples)
    with_rows = {("raw", name) for name in plan.columns} | {("platform", "profiles")}
    for name in plan.columns:
        table = context.tables[name]
        context.say(f"forgets rows of {name}")
        if table.source.in_landing_folder:
            matcher = Matcher(ws.lake, table, plan.keys(table), ())
            landed = rewrite_landed(ws, table, matcher, plan.rows.get(name, {}), lambda _: None)
            context.add({f"landed files of {name}": landed.rows})
            context.unreached += landed.unreached
        context.add({f"screened files of {name}": blob_rows.rewrite_screenings(ws, name, plan)})
        context.add(lake_rows.remove_table_rows(ws, table, plan))
        with_rows |= {("validated", name), ("quarantine", name)}
    for pipeline in context.pipelines:
        if pipeline.name not in examples:
            continue
        context.say(f"forgets examples of {pipeline.name}")
        context.add(
            {f"training sets of {pipeline.name}": blob_rows.rewrite_sets(ws, pipeline, examples[pipeline.name], at)}
        )
        removed = lake_rows.remove_example_rows(ws, pipeline, examples[pipeline.name], plan)
        context.add(removed)
        with_rows |= {(pipeline.name, place.partition(".")[2]) for place in removed}
    for pipeline in context.pipelines:
        if any(table.name in plan.columns for table in pipeline.tables):
            with suppress(FileNotFoundError):  # the next run draws the reports again
                shutil.rmtree(settings.reports / pipeline.name)
    context.say("forgets texts")
    context.add({"levels in bundles": blob_rows.rewrite_bundles(ws, markers, at)})
    context.add({"texts": state_texts.redact(ws.state, markers)})
    context.add(
        {"texts of the lake": lake_rows.redact_tables(ws, markers, {one.name for one in context.pipelines}, with_rows)}
    )
    context.add({"texts of Dagster": dagster_home.redact(markers)})
    context.add({"plots and texts shown": blob_rows.remove_shown(ws, markers)})
    context.say("fills the online store anew")
    context.unreached += served.fill_anew(ws, context.pipelines, set(plan.columns))
    context.say("removes older snapshots and their files")
    maintenance.sweep(settings, grace=timedelta(0))
    purge.purge_lake(ws.lake, with_rows)
    unreached = [*context.unreached, *unreached_places(ws, context.pipelines, plan, markers)]
    places = {**dict.fromkeys(plan.counts, 0), **context.counts}  # of an erasure that went on after a kill, all of them
    counts = {place: max(rows, plan.counts.get(place, 0)) for place, rows in places.items()}
    counts = {place: rows for place, rows in counts.items() if rows}
    return Report(plan.table, plan.key_columns, counts, learnt, tuple(unreached), plan.erasure_id, done=True)


def _resolve(ws: Workspace, plan: Plan) -> None:
    """Resolve the alerts that forgotten keys arrived again."""
    standing = [
        item for name in plan.columns for item in alerts.open_alerts(ws.state, ["contract"], f"validated/{name}")
    ]
    again = [item.alert_id for item in standing if item.about == FORGOTTEN_ROWS]
    alerts.resolve(ws.state, dict.fromkeys(again, "The rows were forgotten again."))


def _noted_versions(context: _Context, plan: Plan, examples: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The versions that learnt from the entity; noted, because after a kill their training sets say it no more."""
    note = plan_folder(context.ws.settings) / "versions.txt"
    if not note.exists():
        durable.write(note, "\n".join(_learnt(context, examples)).encode(), 0o600)
    return tuple(note.read_text().split())
