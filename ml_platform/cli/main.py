"""The `ml-platform` command, one module for each group of subcommands.

Arguments, output and exit codes belong here. What a command shows or changes belongs to `views` and the layers below.
"""

import typer

from ml_platform.cli import alerting, asking, authoring, changing, deciding, inspecting, reporting, running, tracing

app = typer.Typer(
    name="ml-platform",
    help="One declaration of a model becomes its whole production life, over a DuckDB lake.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (authoring, running, inspecting, tracing, reporting, alerting, asking, deciding, changing):
    module.register(app)


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="ml-platform")


if __name__ == "__main__":
    main()
