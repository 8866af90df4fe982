"""Which errors are about one file, and the refusal that names it."""

import duckdb
from polars.exceptions import PanicException

from ml_platform import interrupts
from ml_platform.errors import FileRefused, PlatformError, first_line
from ml_platform.escaping import printable

# All that is raised and no interrupt: a panic of polars is no Exception.
RAISED = (Exception, PanicException)
# Of what DuckDB raises, these are about values that were handed to it; others may be about the lake.
_OF_VALUES = (duckdb.DataError, duckdb.NotSupportedError, duckdb.OutOfMemoryException)
_CAST = "Failed to cast value"  # begins what it says of a value, under the name of an invalid input


def refusal(path: str, fault: BaseException, while_: str) -> FileRefused:
    """The refusal of a file for what was raised while it was looked at.

    Args:
        path: What messages call the file.
        fault: What was raised, one of RAISED.
        while_: What was done with the file, such as "it was parsed".

    Raises:
        BaseException: `fault` itself, where it is about the lake, the operational state or a source, and not the file.
        KeyboardInterrupt: After Ctrl-C: the fault may be its doing.
    """
    interrupts.stop_if_arrived()
    if isinstance(fault, FileRefused):
        return fault
    if isinstance(fault, PlatformError):
        raise fault
    if isinstance(fault, duckdb.Error) and not isinstance(fault, _OF_VALUES) and _CAST not in str(fault):
        raise fault
    if isinstance(fault, MemoryError | duckdb.OutOfMemoryException):
        remedy = "Split it into smaller files."
        return FileRefused(path, f"there is not enough memory for it while {while_}", remedy=remedy)
    if isinstance(fault, RecursionError):
        problem = f"what it holds is nested too deeply, as was noticed while {while_}"
        return FileRefused(path, problem, remedy="Write what is inside as text.")
    detail = next((line for line in str(fault).splitlines() if _CAST in line), first_line(fault))
    problem = f"{type(fault).__name__} while {while_}: {printable(detail.strip())}"
    return FileRefused(path, problem, remedy="Write it anew with another program, or report it.")
