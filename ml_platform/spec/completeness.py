"""When a partition of a table is complete: a declared rule instead of a guess (S20)."""

from glob import escape
from pathlib import PurePosixPath

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.vocabulary import word


@word
class Watermark:
    """A partition is complete once a row arrives whose event time is past the partition's end plus `after`.

    Only valid rows of the table count; a row exactly at that moment completes the partition too.

    Args:
        after: A span such as "2h" or "1d"; "0s" for no delay.

    Raises:
        DeclarationError: For anything that is not a span of time.

    >>> Watermark("2h").microseconds
    7200000000
    """

    after: str = "0s"

    def __post_init__(self) -> None:
        _ = self.microseconds

    @property
    def microseconds(self) -> int:
        """`after` in microseconds; 0 for "0s"."""
        return 0 if self.after == "0s" else microseconds(self.after, f"Watermark({self.after!r})")


@word
class Marker:
    """A partition is complete once a file of this name is in the landing folder, even when the partition is empty.

    Args:
        path: Relative to the landing folder. It contains `{partition}`, which stands for the partition's key.

    Raises:
        DeclarationError: For an absolute path, a path with `..` and a path without `{partition}`.

    >>> Marker("done/transactions_{partition}").of("2013-01")
    'done/transactions_2013-01'
    """

    path: str

    def __post_init__(self) -> None:
        where, path = f"Marker({self.path!r})", PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise DeclarationError(where, "the path leaves the landing folder", remedy="Make it relative.")
        if "{partition}" not in self.path:
            raise DeclarationError(
                where, "the path does not contain {partition}", remedy="Write {partition} in the place of the key."
            )

    @property
    def pattern(self) -> str:
        """The glob of the marker files of all partitions; other signs in the path stand for themselves."""
        return escape(self.path).replace("{partition}", "*")

    def of(self, partition: str) -> str:
        """The marker file of a partition, relative to the landing folder."""
        return self.path.replace("{partition}", partition)
