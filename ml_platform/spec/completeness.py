"""When a table's slice of time is complete: a declared rule instead of a guess (S20)."""

from pathlib import PurePosixPath

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.vocabulary import word


@word
class Watermark:
    """Complete once a valid row of the table lies at or after the slice's end plus `after`, such as "2h"."""

    after: str = "0s"

    def __post_init__(self) -> None:
        _ = self.microseconds

    @property
    def microseconds(self) -> int:
        """`after` in microseconds; 0 for "0s"."""
        return 0 if self.after == "0s" else microseconds(self.after, f"Watermark({self.after!r})")


@word
class Marker:
    """Complete once a file of this name is in the landing folder, even where the slice is empty.

    `path` is relative to the landing folder and holds `{partition}`, as `done/transactions_{partition}` does.
    """

    path: str

    def __post_init__(self) -> None:
        where, path = f"Marker({self.path!r})", PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise DeclarationError(where, "the path leaves the landing folder", remedy="Make it relative.")
        if "{partition}" not in self.path:
            raise DeclarationError(
                where, "it does not say of which partition", remedy="Write {partition} where its key stands."
            )

    def of(self, partition: str) -> str:
        """The file that tells of a partition, relative to the landing folder."""
        return self.path.replace("{partition}", partition)
