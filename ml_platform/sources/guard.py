"""The limits of one file while it is unpacked, checked and parsed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import polars as pl

from ml_platform.errors import LimitExceeded
from ml_platform.settings import FileLimits

_HARMLESS = 100_000_000  # unpacked bytes, up to which any ratio may be
_SPLIT = "Split it into smaller files."


@dataclass
class Guard:
    """Refuses a file as soon as it is beyond a limit.

    path:   what messages call the file.
    clock:  seconds that only grow.
    """

    path: str
    limits: FileLimits
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def seconds_left(self) -> float:
        """Until the file has had its time; negative afterwards."""
        return self._began + self.limits.max_file_seconds - self.clock()

    def check_time(self, position: str = "") -> None:
        """Raise LimitExceeded once the file has had its time."""
        if self.seconds_left < 0:
            problem = f"it takes longer than {self.limits.max_file_seconds:,g} seconds"
            raise self._beyond("max_file_seconds", problem, position, _SPLIT)

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt`, from another thread, once the file has had its time and until the context ends."""
        ended = Event()

        def watch() -> None:
            over = ended.wait(max(0.0, self.seconds_left))
            while not over:
                interrupt()  # again and again: one that comes before the query has begun is lost
                over = ended.wait(0.05)

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def check_bytes(self, size: int, position: str) -> None:
        """Raise LimitExceeded for more bytes than a file may have."""
        if size > self.limits.max_file_bytes:
            problem = f"it holds more than {self.limits.max_file_bytes:,} bytes"
            raise self._beyond("max_file_bytes", problem, position, _SPLIT)

    def check_unpacked(self, unpacked: int, packed: int) -> None:
        """Raise LimitExceeded for what unpacks to too much, or to too many times its size."""
        position = f"after {unpacked:,} unpacked bytes"
        self.check_bytes(unpacked, position)
        if unpacked > max(_HARMLESS, packed * self.limits.max_unpacked_ratio):
            problem = f"it unpacks to more than {self.limits.max_unpacked_ratio:,g} times its {packed:,} bytes"
            raise self._beyond("max_unpacked_ratio", problem, position, "Unpack it if it is sound.")
        self.check_time(position)

    def check_width(self, columns: int, position: str) -> None:
        """Raise LimitExceeded for too many columns."""
        if columns > self.limits.max_columns:
            remedy = "Keep fewer columns, or rows of name and value instead of columns."
            raise self._beyond("max_columns", f"it has {columns:,} columns", position, remedy)

    def check_line(self, size: int, position: str) -> None:
        """Raise LimitExceeded for too long a line."""
        if size > self.limits.max_line_bytes:
            problem = f"a line is longer than {self.limits.max_line_bytes:,} bytes"
            remedy = "Is a quote missing? Keep large objects in files of their own."
            raise self._beyond("max_line_bytes", problem, position, remedy)

    def check_depth(self, depth: int, position: str) -> None:
        """Raise LimitExceeded for lists and objects that are nested too deeply."""
        if depth > self.limits.max_nesting:
            problem = f"lists and objects are nested more than {self.limits.max_nesting:,} deep"
            raise self._beyond("max_nesting", problem, position, "Write what is inside as text.")

    def cell_too_long(self, position: str) -> LimitExceeded:
        """The refusal of a file with a cell that is too long."""
        problem = f"a cell is longer than {self.limits.max_cell_bytes:,} bytes"
        remedy = "Is a quote missing? Keep large objects in files of their own."
        return self._beyond("max_cell_bytes", problem, position, remedy)

    def check_cells(self, frame: pl.DataFrame, first: int = 0) -> None:
        """Raise LimitExceeded for the first text, or bytes, that are too long. `first`: the number of the first row."""
        for named in frame:
            column = named.alias("column")  # polars reads a name such as "*" as a pattern
            if column.dtype == pl.String:
                sizes = column.str.len_bytes()
            elif column.dtype == pl.Binary:
                sizes = column.bin.size()
            else:
                continue
            if int(sizes.max() or 0) > self.limits.max_cell_bytes:  # type: ignore[arg-type]  # a number
                raise self.cell_too_long(f"row {first + int(sizes.arg_max() or 0):,} of {named.name!r}")

    def _beyond(self, setting: str, problem: str, position: str, remedy: str) -> LimitExceeded:
        limit = getattr(self.limits, setting)
        return LimitExceeded(self.path, problem, setting, limit, position=position, remedy=remedy)
