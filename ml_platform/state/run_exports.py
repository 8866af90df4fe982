"""The records of what a tracking server was sent of runs.

Their times come from the machine's clock as it is: they order nothing, as those of experiments.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from ml_platform.redaction import without_secrets
from ml_platform.state.database import State
from ml_platform.state.export_tables import run_exports as table


@dataclass(frozen=True)
class RunExport:
    """How far the export of a run got.

    server:     the address without credentials. run: as lists of runs name it.
    remote_run: the server's own id of it; empty before it has one.
    sent:       the digest of what was sent; empty until all of it was.
    error:      why the last attempt ended early; empty where it did not.
    """

    server: str
    run: str
    remote_run: str = ""
    sent: str = ""
    error: str = ""


def of_server(state: State, server: str) -> dict[str, RunExport]:
    """Run → how far its export got, of one server."""
    c = table.c
    rows = state.rows(select(c.server, c.run, c.remote_run, c.sent, c.error).where(c.server == server))
    return {row.run: RunExport(*row) for row in rows}


def record(state: State, export: RunExport) -> None:
    """Put on record how far an export got, in place of what was there."""
    values = {**vars(export), "error": without_secrets(export.error), "tried_at": datetime.now(UTC)}
    with state.writing() as connection:
        connection.execute(delete(table).where(table.c.server == export.server, table.c.run == export.run))
        connection.execute(insert(table).values(values))


def forget(state: State, server: str) -> None:
    """Forget what the server was sent. What it has is known again by its tags when the next export looks."""
    with state.writing() as connection:
        connection.execute(delete(table).where(table.c.server == server))
