"""Faults of the database of the operational state, as errors of the platform with the remedy that fits."""

from pathlib import Path

from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from ml_platform.errors import StateError, first_line
from ml_platform.lake.catalog_faults import CHECK_SERVER
from ml_platform.lake.disk_faults import exhausted
from ml_platform.lake.lost_catalog import RESTORE

_UNFIT = UnicodeEncodeError, OverflowError  # of a driver: a text with bytes of another encoding, a number too large


def raise_as_state_errors(engine: Engine, location: str) -> None:
    """Let every fault of `engine` reach its caller as a StateError.

    Args:
        engine: The engine of the operational state.
        location: Where the database is, without secrets. It becomes part of the messages.
    """

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> StateError | None:
        # A ping decides by the driver's own error whether to connect anew.
        return None if context.is_pre_ping else _state_error(context, location)


def _state_error(context: ExceptionContext, location: str) -> StateError:
    original = context.original_exception
    cause = first_line(original)
    if (fault := exhausted(original, Path(location), "Nothing was recorded.")) is not None:
        return StateError(fault.what, remedy=fault.remedy)
    if "malformed" in cause or "not a database" in cause:
        return StateError(f"The operational state ({location}) cannot be opened: {cause}.", remedy=RESTORE)
    if context.connection is None:
        return StateError(
            f"The operational state ({location}) cannot be opened: {cause}.",
            remedy="Restore it from a copy, or see `ml-platform doctor`."
            if context.dialect.name == "sqlite"
            else CHECK_SERVER,
        )
    kind = context.sqlalchemy_exception
    if isinstance(kind, IntegrityError):
        doubled = "unique" in str(original).lower()
        return StateError(
            f"The database refused a row: {cause}.",
            remedy="Another process recorded it at the same moment; run again." if doubled else "Report it.",
        )
    if isinstance(kind, DataError) or isinstance(original, _UNFIT):  # psycopg refuses a NUL in a text, for example
        return StateError(
            f"The database cannot hold a value: {cause}.",
            remedy="Nothing was recorded. Remove the value from its source, and run again.",
        )
    if isinstance(kind, ProgrammingError):
        return StateError(
            f"The operational state ({location}) has other tables than this version: {cause}.",
            remedy="See `ml-platform doctor`.",
        )
    return StateError(
        f"The operational state ({location}) could not be read or written: {cause}.",
        remedy="Nothing was recorded. Free space, wait for the database or the other writer, and run again.",
    )
