"""Exit codes: 2 for wrong arguments, 1 for other errors that the user can fix, 130 for an interrupt."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer._click.exceptions import UsageError  # which typer gives no public name
from typer.core import TyperCommand, TyperGroup

from ml_platform import interrupts
from ml_platform.cli.output import complain
from ml_platform.disk_errors import is_failing, is_full
from ml_platform.errors import NotFoundError, PlatformError, QuestionRefused, UnfitArgument, first_line
from ml_platform.escaping import lines
from ml_platform.secret_free_errors import secret_free_errors

WRONG_ARGUMENTS = (NotFoundError, QuestionRefused, UnfitArgument)


class Command(TyperCommand):
    """A command that prints platform errors as messages. Any other exception is a bug and keeps its traceback."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        try:
            return super().make_context(*args, **more)
        except UsageError as error:  # a shell may have put names of files among the arguments
            error.message = lines(error.message)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            with _after_an_interrupt(), secret_free_errors():
                return super().invoke(ctx)
        except typer.BadParameter as error:
            error.ctx = error.ctx or ctx  # so that the command's usage is shown with it
            error.message = lines(error.message)
            raise
        except WRONG_ARGUMENTS as error:
            raise typer.BadParameter(lines(str(error)), ctx=ctx) from None
        except PlatformError as error:
            complain(error.what, error.remedy)
        except KeyboardInterrupt:
            complain("Stopped.", "Finished work is kept; the same command continues from there.")
            raise typer.Exit(interrupts.EXIT_CODE) from None
        except OSError as error:
            if is_full(error, _data()) or (is_failing(error) and error.filename is not None):
                _complain_of_exhaustion(error)
                raise typer.Exit(1) from None
            if error.errno == errno.EPIPE or error.filename is None:  # whoever read our output went away
                raise
            complain(
                f"{error.filename}: {error.strerror}.", "Check that the path exists, is writable and has free space."
            )
        except Exception as error:
            if _of_memory(error):
                _complain_of_exhaustion(error)
                raise typer.Exit(1) from None
            if not _of_duckdb(error):
                raise
            complain(f"The lake could not be read: {first_line(error)}.", "`ml-platform doctor` lists what is damaged.")
        raise typer.Exit(1)


class ListByDefault(TyperGroup):
    """Commands of which `list` is meant where none is named: `alerts flight_delay` is `alerts list flight_delay`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@contextmanager
def _after_an_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt instead of whatever failed after Ctrl-C arrived."""
    try:
        yield
    except BaseException:  # typer's own exits too: after Ctrl-C they are its doing
        interrupts.stop_if_arrived()
        raise


def _of_memory(error: Exception) -> bool:
    duckdb = sys.modules.get("duckdb")
    return isinstance(error, MemoryError) or (duckdb is not None and isinstance(error, duckdb.OutOfMemoryException))


def _complain_of_exhaustion(error: Exception) -> None:
    """Say in one line that disk or memory is used up, with the setting that helps."""
    from ml_platform.lake.disk_faults import exhausted

    fault = exhausted(error, _data())
    assert fault is not None  # such an error always is one
    complain(fault.what, fault.remedy)


def _data() -> Path:
    """The data folder of the settings, which a `.env` may name, too."""
    from ml_platform.cli import opening

    try:
        return opening.settings().data
    except PlatformError:  # the command would have named it
        return Path("data")


def _of_duckdb(error: Exception) -> bool:
    duckdb = sys.modules.get("duckdb")  # not imported for this: what never ran cannot have failed
    return duckdb is not None and isinstance(error, duckdb.Error)
