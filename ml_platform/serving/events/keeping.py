"""What one process of a service does for all event tables: it fills their rows, and lands what workers took."""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Self

from ml_platform.serving.events.database import EventDatabase
from ml_platform.serving.events.landing import land_events
from ml_platform.serving.events.layout_values import LayoutValues
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
        tables: All tables by name. Of those that take no events it lands what was taken before.
    """

    def __init__(self, settings: Settings, tables: Mapping[str, EventTable]) -> None:
        self.event_span = timedelta(days=settings.event_days)
        self._folder = settings.events
        self._tables = dict(tables)
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
        """The tables that take events, and of which some were ever posted."""
        return frozenset(name for name in self.posted if self.refusal_of(name) is None)

    @property
    def posted(self) -> list[str]:
        """The tables of which events were ever posted, also those that take none any more, sorted."""
        return sorted(file.stem for file in self._folder.glob(database_path(Path(), "*").name))

    def event_rows(self, table: str) -> EventRows | None:
        """The rows of a table; None of one that takes no events, or of which none was ever posted."""
        if self.refusal_of(table) is not None or not database_path(self._folder, table).exists():
            return None
        if table not in self._rows:
            database = EventDatabase(database_path(self._folder, table))
            self._rows[table] = EventRows(self._tables[table], database)
        return self._rows[table]

    def catch_up(self, table: str, store: OnlineStore) -> None:
        """Let the online store have what a worker had journalled when it was killed.

        Raises ServingError when others change events of the table meanwhile.
        """
        rows = self.event_rows(table)
        if rows is None:
            return
        with rows.database.locked(_WAIT):
            if rows.database.meta().get("filled"):
                LayoutValues(rows).catch_up(store)

    def land(self, state: State, table: str, *, all_of_them: bool = False) -> int:
        """Land what was taken of one of the `posted` tables (`land_events`); how many files.

        Of a table that takes none any more all of them land. Raises PlatformError where they cannot.
        """
        rows = self.event_rows(table)
        if rows is not None:
            return land_events(state, table, rows.database, all_of_them=all_of_them)
        with closing(EventDatabase(database_path(self._folder, table))) as database:
            return land_events(state, table, database, all_of_them=True)

    def refusal_of(self, table: str) -> str | None:
        """Why no event of a table is taken, as a sentence; None where they are."""
        if table in self._tables:
            return self._tables[table].refusal
        return "No pipeline that is served declares it, or its declaration does not load."
