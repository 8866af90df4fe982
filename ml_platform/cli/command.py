"""Exit codes: 2 for wrong arguments, 1 for other errors that the user can fix, 130 for an interrupt."""

import errno
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from ml_platform.cli.output import complain
from ml_platform.errors import NotFoundError, PlatformError, QuestionRefused, first_line, secret_free_errors

WRONG_ARGUMENTS = (NotFoundError, QuestionRefused)


class Command(TyperCommand):
    """A command that prints platform errors as messages. Any other exception is a bug and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with secret_free_errors():
                return super().invoke(ctx)
        except typer.BadParameter as error:
            error.ctx = error.ctx or ctx  # so that the command's usage is shown with it
            raise
        except WRONG_ARGUMENTS as error:
            raise typer.BadParameter(str(error), ctx=ctx) from None
        except PlatformError as error:
            complain(error.what, error.remedy)
        except KeyboardInterrupt:
            complain("Stopped.", "Finished work is kept; the same command continues from there.")
            raise typer.Exit(130) from None
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:  # whoever read our output went away
                raise
            complain(
                f"{error.filename}: {error.strerror}.", "Check that the path exists, is writable and has free space."
            )
        except Exception as error:
            if not _of_duckdb(error):
                raise
            complain(f"The lake could not be read: {first_line(error)}.", "`ml-platform doctor` lists what is damaged.")
        raise typer.Exit(1)


def _of_duckdb(error: Exception) -> bool:
    duckdb = sys.modules.get("duckdb")  # not imported for this: what never ran cannot have failed
    return duckdb is not None and isinstance(error, duckdb.Error)
