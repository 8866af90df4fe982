"""Forgetting an entity: who may, when, and until the last byte is gone. A killed erasure is finished by `resume`."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from filelock import FileLock, Timeout

from ml_platform.erasure import dagster_home, purge, served
from ml_platform.erasure import plan as plans
from ml_platform.erasure.applying import Context, Report, Say, apply, outlook_of
from ml_platform.erasure.entity import Entity
from ml_platform.erasure.errors import ErasureRefused
from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.lake.lost_catalog import catalog_file
from ml_platform.lake.unfinished_erasure import is_unfinished
from ml_platform.lake.work_marks import at_work
from ml_platform.monitoring.alert_rules import FORGOTTEN_ROWS
from ml_platform.naming import counted, listed
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import alerts, erasures
from ml_platform.state.engine import path as state_file
from ml_platform.validation.forgotten import arrived_again


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
        outlook = outlook_of(context, plan, examples)
        if dry_run or not outlook.counts or not confirm(outlook):
            return outlook
        _refuse_while_at_work(settings)
        plans.write(settings, replace(plan, counts=outlook.counts), examples)
    return resume(settings, declared, say=say)


def resume(settings: Settings, declared: Declarations, *, say: Say = lambda _: None) -> Report:
    """Finish the erasure that is under way.

    Raises ErasureRefused where there is none, while runs are at work, and while another process is at it.
    """
    path = settings.lake / "locks" / "erasure.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path, timeout=0))
        except Timeout:
            raise ErasureRefused(
                "Another process is forgetting these rows.",
                remedy="Wait for it. If it ends before it is done, `ml-platform forget --resume` finishes it.",
            ) from None
        return _resumed(settings, declared, say)


def _resumed(settings: Settings, declared: Declarations, say: Say) -> Report:
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
        report = apply(context, plan, examples, markers)
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


def _context(ws: Workspace, declared: Declarations, say: Say) -> Context:
    pipelines = list(declared.pipelines.values())
    return Context(ws, pipelines, {table.name: table for one in pipelines for table in one.tables}, say)


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


def _resolve(ws: Workspace, plan: Plan) -> None:
    """Resolve the alerts that forgotten keys arrived again."""
    standing = [
        item for name in plan.columns for item in alerts.open_alerts(ws.state, ["contract"], f"validated/{name}")
    ]
    again = [item.alert_id for item in standing if item.about == FORGOTTEN_ROWS]
    alerts.resolve(ws.state, dict.fromkeys(again, "The rows were forgotten again."))
