"""The stores of the platform, opened together: lake, state and blobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Transaction
from ml_platform.settings import Settings
from ml_platform.state.database import State
from ml_platform.state.lake_marks import set_mark


@dataclass(frozen=True)
class Stores:
    """The lake's tables, the operational state about them, and the blobs."""

    lake: Lake
    state: State
    blobs: Blobs

    @property
    def settings(self) -> Settings:
        return self.lake.settings

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reads of lake and state in this thread see one moment each, and small ones are cached.

        Nothing can be written meanwhile. Nested contexts share the outer one.
        """
        with self.lake.reading(), self.state.reading():
            yield

    def close(self) -> None:
        """Close the databases. Further use is an error."""
        self.state.close()
        self.lake.close()


def after(tx: Transaction, state: State, *actions: Callable[[], object]) -> None:
    """Record, in one transaction of the state, what `tx` wrote, once it is committed (S43)."""

    def record() -> None:
        with state.writing() as connection:
            for action in actions:
                action()
            if tx.snapshot is not None:
                set_mark(connection, tx.lake.identity, tx.snapshot)

    tx.after_commit(record)
