"""The `ml-platform` command, one module for each group of subcommands.

Arguments, output and exit codes belong here. What a command shows or changes belongs to `views` and the layers below.
"""

import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from ml_platform.cli import (
    alerting,
    asking,
    authoring,
    backing_up,
    changing,
    deciding,
    inspecting,
    maintaining,
    reporting,
    running,
    tracing,
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
_GROUPS = (authoring, running, inspecting, tracing, reporting, alerting, asking, deciding, changing, maintaining)
for module in (*_GROUPS, backing_up):
    module.register(app)


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
    """The entry point of the installed command. Ctrl-C ends it with one line and exit code 130, wherever it is."""
    try:
        app(prog_name="ml-platform")
    except KeyboardInterrupt:
        complain("Stopped.")
        sys.exit(130)
    except Exception as error:  # a bug: its trace, which may quote data
        sys.stderr.write(lines(without_secrets("".join(traceback.format_exception(error)))))
        sys.exit(1)


if __name__ == "__main__":
    main()
