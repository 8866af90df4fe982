"""The steps of an erasure in their order, and what they would do. Each finds nothing where it was done before."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from ml_platform.erasure import blob_rows, dagster_home, lake_rows, purge, served, state_texts
from ml_platform.erasure.finding import Matcher
from ml_platform.erasure.landed_files import rewrite_landed, waiting_rows
from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.erasure.unreached import unreached_places
from ml_platform.lake import durable, maintenance
from ml_platform.lake.unfinished_erasure import plan_folder
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import erasures
from ml_platform.validation.forgotten import key_texts

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
class Context:
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


def outlook_of(context: Context, plan: Plan, examples: Mapping[str, pl.DataFrame]) -> Report:
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


def _learnt(context: Context, examples: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The versions whose training sets have rows of the examples."""
    learnt: list[str] = []
    for pipeline in context.pipelines:
        if pipeline.name in examples:
            sets = blob_rows.training_sets(context.ws, pipeline.name)
            keys = pipeline.examples.keys
            holding = blob_rows.holding_examples(context.ws, sets, examples[pipeline.name], keys)
            learnt += [version for digest in holding for version in sets[digest]]
    return tuple(sorted(learnt))


def apply(context: Context, plan: Plan, examples: Mapping[str, pl.DataFrame], markers: Markers) -> Report:
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


def _noted_versions(context: Context, plan: Plan, examples: Mapping[str, pl.DataFrame]) -> tuple[str, ...]:
    """The versions that learnt from the entity; noted, because after a kill their training sets say it no more."""
    note = plan_folder(context.ws.settings) / "versions.txt"
    if not note.exists():
        durable.write(note, "\n".join(_learnt(context, examples)).encode(), 0o600)
    return tuple(note.read_text().split())
