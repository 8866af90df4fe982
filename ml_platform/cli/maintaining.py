"""The command that keeps growth bounded: maintain."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.dagster_home import missing_dagster
from ml_platform.cli.output import emit_json, emit_lines, note
from ml_platform.errors import DeclarationError, PlatformError

if TYPE_CHECKING:
    from ml_platform.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(maintain)


def _keep(text: str | None) -> str | None:
    if text is None:
        return None
    from ml_platform.spec.durations import microseconds

    try:
        microseconds(text)
    except DeclarationError as error:
        raise typer.BadParameter(f"{error.problem}. {error.remedy}") from None
    return text


def maintain(
    keep: Annotated[
        str | None,
        typer.Option(
            help="Keep snapshots younger than this: 12h, 7d, 4w. Default: ML_PLATFORM_KEEP_SNAPSHOTS_DAYS.",
            callback=_keep,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Maintenance: merge small files, expire old snapshots and history, remove unreferenced files."""
    from ml_platform.runtime import retention
    from ml_platform.spec.durations import microseconds

    settings = opening.settings()
    days = microseconds(keep) / microseconds("1d") if keep else settings.keep_snapshots_days
    swept = retention.sweep(settings)  # before anything is opened, which a full disk may not allow
    history, fault = _forget_history(settings)
    report = asdict(retention.maintain(opening.writing(), keep_days=days))
    report["leftovers_removed"] += swept
    emit_json({**report, **history}) if as_json else emit_lines({**report, **history})
    if fault is not None:  # the lake was tidied all the same
        raise fault


def _forget_history(settings: "Settings") -> tuple[dict[str, Any], PlatformError | None]:
    """Apply the retention of Dagster's history; what was removed, and what stood in the way."""
    if why_not := missing_dagster():
        note(f"The history of runs is left alone: {why_not}.")
        return {}, None
    from ml_platform.orchestration.history import forget_history

    try:
        return asdict(forget_history(settings, list(opening.declarations().pipelines.values()))), None
    except PlatformError as error:
        return {}, error
