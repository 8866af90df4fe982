"""The command that keeps growth bounded: maintain."""

from dataclasses import asdict
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines
from ml_platform.errors import DeclarationError


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
    """Maintenance: merge small files, expire old snapshots, remove unreferenced files."""
    from ml_platform.runtime import retention
    from ml_platform.spec.durations import microseconds

    settings = opening.settings()
    days = microseconds(keep) / microseconds("1d") if keep else settings.keep_snapshots_days
    swept = retention.sweep(settings)  # before anything is opened, which a full disk may not allow
    report = asdict(retention.maintain(opening.writing(), keep_days=days))
    report["leftovers_removed"] += swept
    emit_json(report) if as_json else emit_lines(report)
