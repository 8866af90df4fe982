"""Commands that write: land, withdraw, promote, rejudge, rollback, reproduce."""

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform import interrupts
from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName, VersionName, Why, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.dagster_home import missing_dagster
from ml_platform.cli.output import counting, emit_json, emit_lines, emit_table, note, say
from ml_platform.errors import IngestionError, NotFoundError, PromotionRefused, first_line
from ml_platform.naming import counted

if TYPE_CHECKING:
    from ml_platform.state.database import State
    from ml_platform.state.promotions import Promotion
    from ml_platform.training.reproduction import Reproduction


_SHOWN = 20  # landed files that are listed one by one


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (land, withdraw, promote, rejudge, rollback, reproduce):
        app.command(cls=Command)(command)


def land(
    pipeline: PipelineName,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table whose files these are.")],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", exists=True, readable=True, help="Files, and folders of files, to copy there."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace other content that stands under the same name: a correction.")
    ] = False,
    arrived: Annotated[datetime | None, typer.Option(help="When the files became available, UTC; default now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy files into the landing folder, each atomically. `run` ingests them.

    Under a pattern with `**` files keep their folders. Nothing is copied when two files would land under one name, or
    when other content stands there and `--replace` is not given.
    """
    from ml_platform.sources.landing import land as put

    declared = opening.declared(pipeline)
    tables = {one.name: one for one in declared.tables}
    if table not in tables:
        raise NotFoundError("table", table, list(tables))
    moment = arrived.replace(tzinfo=UTC) if arrived else None
    try:
        with counting("files landed", quiet=as_json) as count:
            landed = put(
                opening.settings(), tables[table], files, arrived=moment, replace=replace, on_file=lambda _: count()
            )
    except IngestionError as error:
        raise typer.BadParameter(str(error)) from None
    rows = [{"table": table, "landed": str(one.path), "outcome": one.outcome} for one in landed]
    if as_json:
        emit_json(rows)
        return
    emit_table(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(f"and {counted(len(rows) - _SHOWN, 'more file')}.")
    note(f"`ml-platform run {pipeline}` ingests them.")


def withdraw(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table whose file it is.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Its path in the landing folder, or its name.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Withdraw a file: its rows end now, on record. The file stays where it is and is not read until it lands again.

    One that a run refused, or has not read yet, is withdrawn as well. A second time it changes nothing. `run` carries
    it through; past predictions stay.
    """
    from ml_platform.sources import withdrawing
    from ml_platform.state import database

    settings, there = opening.settings(), opening.declarations()
    declared = [one for pipeline in there.pipelines.values() for one in pipeline.tables]
    if not database.exists(settings):  # a wrong name makes no lake
        withdrawing.check_table(None, table, declared)
        withdrawing.find_path(list(withdrawing.files_lying(settings, table, declared)), table, file)
    state = opening.writing(there).state
    outcome = withdrawing.withdraw(state, settings, table, file, why=why, actor=getpass.getuser(), declared=declared)
    if as_json:
        emit_json(asdict(outcome))
    elif outcome.changed:
        rows = (
            f"{counted(outcome.rows, 'row is', 'rows are')} withdrawn"
            if outcome.rows
            else "it is withdrawn and will not be read"
        )
        say(f"{outcome.file}: {rows}. `ml-platform run PIPELINE` carries it through.")
        for way in {one.source.taking_back for one in declared if one.name == table}:
            note(way)
    else:
        note(
            f"{outcome.file} was withdrawn at {outcome.at:%Y-%m-%d %H:%M} UTC already ({outcome.why}); nothing changed."
        )


def promote(
    version: Annotated[
        str, typer.Argument(metavar="PIPELINE[@N]", help="A model version; with --to the champion where none is named.")
    ],
    why: Why,
    to: Annotated[
        str | None, typer.Option(metavar="ENVIRONMENT", help="Promote it there, such as production (environments.md).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --to: say whether it may be, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion manually. A failed verdict still blocks the promotion.

    Failed checks on its data do not: the log keeps what you passed over, with your reason. With --to the version goes
    to another environment after its integration test passed, and failed checks on its data block it.
    """
    if to is not None:
        from ml_platform.cli.promoting import promote_to

        pipeline, number = parse_version(version) if "@" in version else (version, None)
        promote_to(pipeline, number, to, why, dry_run=dry_run, as_json=as_json)
        return
    if dry_run:
        raise typer.BadParameter("--dry-run goes with --to")
    from ml_platform.runtime.data_blocks import data_blocks
    from ml_platform.state import promotions
    from ml_platform.state.publishing import publish
    from ml_platform.state.versions import version as find_version
    from ml_platform.views.undeclared import Undeclared

    name, number = parse_version(version)
    workspace = opening.writing()
    declared = opening.declared_or_recorded(workspace, name)
    state = workspace.state
    find_version(state, name, number)
    gates = declared.required_gates.get(number) if isinstance(declared, Undeclared) else declared.required_gates
    if gates is None:
        raise PromotionRefused(name, number, [f"no gate judged it; correct the declaration of {name} and run it first"])
    champion = promotions.champion_at(state, name)
    if champion == number:
        note(f"{version} is the champion already; nothing changed.")
    blocks: list[str] = []
    if not isinstance(declared, Undeclared):  # which tables a broken declaration reads, nobody knows
        blocks = [block.phrase for block in data_blocks(workspace, declared, number, champion)]
    entry = promotions.promote(
        state, name, number, gates, partition="", reason=why, actor=getpass.getuser(), by_hand=True, data_blocks=blocks
    )
    publish(workspace)
    for block in blocks:
        note(f"Passed over: {block}.")
    _tell_dagster(state, name)
    _emit(_entry(entry), as_json=as_json)


def rejudge(
    version: VersionName,
    gate: Annotated[
        str | None,
        typer.Option(metavar="GATE", help="A gate, such as latency; default those that the version waits for."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure gates of a version anew. The newest verdict counts; the earlier ones stay on record.

    The next `run` decides again about a candidate that waited or was kept.
    """
    from ml_platform.state.publishing import publish
    from ml_platform.steps import rejudging

    name, number = parse_version(version)
    declared = opening.declared(name)
    chosen = rejudging.gates_named(declared, gate) if gate else None
    workspace = opening.writing()
    chosen = chosen or rejudging.gates_that_wait(workspace, declared, number)
    measured = rejudging.rejudge(workspace, declared, number, chosen, getpass.getuser()) if chosen else []
    publish(workspace)
    shown = ("value", "threshold", "low", "high", "rows", "severity", "measurement", "detail")
    rows = [
        {"version": version, "gate": v.gate, "slice": v.slice or None, "passed": v.outcome}
        | {key: getattr(v, key) for key in shown}
        for v in measured
    ]
    if as_json:
        emit_json(rows)
        return
    if not rows:
        note(f"{version} waits for no gate. Name one with --gate.")
        return
    for row in rows:
        emit_lines(row)
    note(f"`ml-platform run {name}` decides again about a candidate that waited or was kept.")


def rollback(
    pipeline: PipelineName,
    why: Why,
    to: Annotated[int | None, typer.Option(help="An earlier champion; default the previous one.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Let an earlier champion serve again, effective immediately."""
    from ml_platform.state import promotions
    from ml_platform.state.publishing import publish

    workspace = opening.writing()
    name = opening.declared_or_recorded(workspace, pipeline).name
    entry = promotions.rollback(workspace.state, name, why=why, actor=getpass.getuser(), to=to)
    publish(workspace)
    _tell_dagster(workspace.state, name)
    _emit(_entry(entry), as_json=as_json)


def reproduce(version: VersionName, as_json: AsJson = False) -> None:
    """Train a version again from its stored training set, in a new process, and compare the bytes."""
    from ml_platform.state.versions import version as find_version
    from ml_platform.training.reproduction import reproduce as again

    name, number = parse_version(version)
    opening.declared(name)
    workspace = opening.reading()
    stored = find_version(workspace.state, name, number)
    outcome = again(workspace.blobs, stored.training_set, stored.bundle)
    if as_json:
        emit_json({"version": version, **asdict(outcome)})
    else:
        emit_lines({"version": version, **_for_people(outcome)})
    if not outcome.identical:
        raise typer.Exit(1)


def _tell_dagster(state: "State", pipeline: str) -> None:
    """Report the champion to the Dagster instance. The promotion stands whether or not there is one."""
    untold = missing_dagster()
    if not untold:
        from ml_platform.orchestration.champions import report
        from ml_platform.orchestration.instances import opened_instance

        try:
            with opened_instance() as instance:
                report(instance, state, pipeline)
        except Exception as error:  # the champion has changed already, whatever is wrong with the instance
            interrupts.stop_if_arrived()
            untold = f"its instance cannot be opened ({first_line(error)})"
    if untold:
        note(f"Dagster does not show it yet: {untold}. A running sensor of {pipeline} reports it at its next tick.")


def _for_people(outcome: "Reproduction") -> dict[str, Any]:
    """A reproduction, with digests that say what they are of: neither is the one of the bundle."""
    return {
        "identical": outcome.identical,
        "SHA-256 of the stored model": outcome.expected,
        "SHA-256 of the model trained now": outcome.actual,
        "detail": outcome.detail,
    }


def _entry(entry: "Promotion") -> dict[str, Any]:
    shown = ("pipeline", "action", "version", "previous", "effective_at", "reason", "overrides", "actor", "recorded_at")
    return {name: getattr(entry, name) for name in shown}


def _emit(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(value)
        return
    emit_lines({name: _to_the_second(one) if isinstance(one, datetime) else one for name, one in value.items()})


def _to_the_second(moment: datetime) -> str:  # one on record, which is in UTC
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
