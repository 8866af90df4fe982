"""The `ml-platform` command, one module for each group of subcommands.

Arguments, output and exit codes belong here. What a command shows or changes belongs to `views` and the layers below.
"""

import gc
import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from ml_platform import interrupts
from ml_platform.cli import (
    alerting,
    asking,
    authoring,
    backing_up,
    backtesting,
    canaries,
    challenging,
    changing,
    deciding,
    documenting,
    estimating,
    forgetting,
    inspecting,
    maintaining,
    packaging,
    planning,
    reporting,
    running,
    runs,
    serving,
    tracing,
    trials,
    trying,
)
from ml_platform.cli.output import complain, say
from ml_platform.escaping import lines
from ml_platform.redaction import without_secrets

app = typer.Typer(
    name="ml-platform",
    help="One declaration of a model becomes its whole production life, over a DuckDB lake.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUPS = (
    authoring,
    planning,
    running,
    serving,
    packaging,
    inspecting,
    documenting,
    tracing,
    reporting,
    alerting,
    asking,
    deciding,
    changing,
    canaries,
    challenging,
    trying,
    backtesting,
    estimating,
    runs,
    trials,
    maintaining,
    forgetting,
)
for module in (*_GROUPS, backing_up):
    module.register(app)

# before Python looks for garbage: its default of 700 takes a tenth of a short command, which makes hardly any
_NEW_OBJECTS = 50_000


def _tell_version(wanted: bool) -> None:  # typer calls it with the value alone
    if wanted:
        say(f"ml-platform {version('ml-platform')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """One declaration of a model becomes its whole production life, over a DuckDB lake."""


def main() -> None:
    """The entry point of the installed command.

    Ctrl-C ends it with one line and exit code 130, wherever it is, and a second one at once.
    """
    gc.set_threshold(_NEW_OBJECTS)
    errors = os.dup(2)  # Dagster turns 2 to a file of its own while steps run
    interrupts.listen(lambda: _say_at_once(errors))
    try:
        app(prog_name="ml-platform")
    except KeyboardInterrupt:
        _stop()
    except Exception as error:
        if interrupts.arrived():
            _stop()
        sys.stderr.write(
            lines(without_secrets("".join(traceback.format_exception(error))))
        )  # a bug: its trace, which may quote data
        sys.exit(1)


def _stop() -> NoReturn:
    complain("Stopped.")
    sys.exit(interrupts.EXIT_CODE)


def _say_at_once(errors: int) -> None:
    """Called by another thread in the middle of anything, so it takes no lock and imports nothing."""
    cursor = b"\x1b[?25h" if os.isatty(errors) else b""  # which a progress bar hides
    os.write(errors, cursor + b"\nerror Stopped at once.\n      Finished work is kept; the same command goes on.\n")


if __name__ == "__main__":
    main()
