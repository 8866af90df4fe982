"""The `ml-platform` command."""

import sys

import typer

from ml_platform.cli import changing, inspecting, running
from ml_platform.cli.output import errors
from ml_platform.errors import PlatformError

app = typer.Typer(
    name="ml-platform",
    help="One declaration of a model becomes its whole production life, over a DuckDB lake.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
for module in (running, inspecting, changing):
    module.register(app)


def main() -> None:
    """Run the command; what the user can mend is one message and exit code 1, never a trace."""
    try:
        app()
    except PlatformError as error:
        errors.print(f"[bold red]error[/bold red] {error.what}".rstrip(), soft_wrap=True)
        if error.remedy:
            errors.print(f"      {error.remedy}", soft_wrap=True, markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("Stopped. What was made stays; run it again to go on.")
        sys.exit(130)


if __name__ == "__main__":
    main()
