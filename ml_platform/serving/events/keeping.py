"""What one process of a service does for all event tables: it fills their rows, and lands what workers took."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from ml_platform.errors import ServingError
from ml_platform.serving.events.database import EventDatabase
from ml_platform.serving.events.landing import land_events
from ml_platform.serving.events.rows import EventRows
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.events.taking import database_path
from ml_platform.serving.online_store import OnlineStore
from ml_platform.settings import Settings
from ml_platform.state.database import State

_WAIT = 1.0  # seconds, for who takes events


class EventKeeper:
    """The files of the event tables of a service. One thread uses it.

    Args:
        settings: Where they are.
        tables: All tables by name. Those that take no events are nothing to it.
    """

    def __init__(self, settings: Settings, tables: Mapping[str, EventTable]) -> None:
        self.event_span = timedelta(days=settings.event_days)
        self._folder = settings.events
        self._tables = {name: table for name, table in tables.items() if table.refusal is None}
        self._rows: dict[str, EventRows] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for rows in self._rows.values():
            rows.database.close()
        self._rows.clear()

    @property
    def taking(self) -> frozenset[str]:
        """The tables of which events were ever posted."""
        return frozenset(name for name in self._tables if database_path(self._folder, name).exists())

    def rows_of(self, table: str) -> EventRows | None:
        """The rows of a table; None of one of which no event was ever posted."""
        if table not in self.taking:
            return None
        if table not in self._rows:
            database = EventDatabase(database_path(self._folder, table))
            self._rows[table] = EventRows(self._tables[table], database)
        return self._rows[table]

    def catch_up(self, store: OnlineStore) -> None:
        """Let the online store have what a worker had journalled when it was killed."""
        for name in sorted(self.taking):
            rows = self.rows_of(name)
            assert rows is not None  # it is one of `taking`
            with rows.database.locked(_WAIT):
                if rows.database.meta().get("filled"):
                    rows.catch_up(store)

    def land(self, state: State, *, all_of_them: bool = False) -> int:
        """Land what was taken (`land_events`); how many files.

        Raises ServingError, when the other tables are done, for those that could not be.
        """
        landed, problems = 0, list[str]()
        for name in sorted(self.taking):
            rows = self.rows_of(name)
            assert rows is not None  # it is one of `taking`
            try:
                landed += land_events(state, name, rows.database, all_of_them=all_of_them)
            except ServingError as error:
                problems.append(str(error))
        if problems:
            raise ServingError(f"Events were not landed: {' '.join(problems)}", remedy="The next attempt is made soon.")
        return landed
