"""The files that events land as (S36): Parquet below a folder of the platform's own, whatever the table's files are."""

from pathlib import Path

from ml_platform.spec.sources import Files

FOLDER = "_events"  # in the landing folder


def event_file_path(table: str, arrival: int) -> str:
    """Where events land that arrive at a moment, in microseconds: paths of later ones come later in their order.

    >>> event_file_path("traffic", 1_700_000_000_000_000)
    '_events/traffic/00001700000000000000.parquet'
    """
    return f"{FOLDER}/{table}/{arrival:020d}.parquet"


def pattern_of(table: str) -> str:
    """What the files of a table's events are called."""
    return f"{FOLDER}/{table}/*.parquet"


def format_of(file: Path, landing: Path, declared: Files) -> Files:
    """How a file of the landing folder is read: as declared, or as events are written."""
    return Files(f"{FOLDER}/*/*.parquet") if file.is_relative_to(landing / FOLDER) else declared
