"""One version while it is read: what its rows look like in the raw table, or why they are refused."""

import polars as pl
from polars.exceptions import PanicException

from ml_platform import interrupts
from ml_platform.lake.storable import storable
from ml_platform.sources.column_names import check_columns
from ml_platform.sources.column_values import check_values
from ml_platform.sources.faults import refusal
from ml_platform.sources.raw_columns import Placed, Places, as_stored, without_form
from ml_platform.sources.row_intake import RowIntake
from ml_platform.sources.scan import Waiting
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state.erasures import rewritten_files
from ml_platform.state.stores import Stores


class ArrivingVersion:
    """A version while it is read: its rows in the form of the raw table, and where its columns go."""

    def __init__(self, stores: Stores, table: Table, item: Waiting, places: Places) -> None:
        self._table, self._item, self._places, self._before = table, item, places, places.columns
        self._state = stores.state
        self.placed: Placed = {}
        self.rows = RowIntake(stores.lake, self._stored)

    def file_id(self, fingerprint: str) -> str:
        """The id of the version with that content."""
        same = sum(v.sha256 == fingerprint for v in self._item.recorded)
        return file_records.file_id(self._table.name, self._item.path, fingerprint, self.number, same)

    @property
    def number(self) -> int:
        """Among the versions of its path."""
        return max((v.version for v in self._item.recorded), default=0) + 1

    def refuse(self) -> None:
        """Nothing of it is to be stored."""
        self.rows.discard()
        self._places.columns = self._before
        self.placed = {}

    def _stored(self, read: pl.DataFrame, first: int, fingerprint: str) -> pl.DataFrame:
        path = self._item.path
        try:
            frame = storable(read)
            check_columns(self._table, frame.columns, path)
            check_values(frame, path)
            self.placed = self._places.of(frame, path)
            removed = rewritten_files(self._state, self._table.name).removed.get(fingerprint, ())
            return as_stored(frame, self.placed, self.file_id(fingerprint), first, removed)
        except PanicException as panic:  # polars ends so at values that it has no form for
            interrupts.stop_if_arrived()
            raise without_form(read, path, panic) from None
        except Exception as fault:  # whatever it is, unless it is about the lake: the others go on
            raise refusal(path, fault, "its columns were placed") from fault
