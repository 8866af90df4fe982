"""A catalog that is missing, empty or damaged is named, and never replaced while files of its lake are there.

Only the catalog says which rows a data file holds for which table. A new catalog in its place would hide all of them,
and maintenance would remove them.
"""

from collections.abc import Iterator
from pathlib import Path

from ml_platform.errors import LakeError, StateError, first_line
from ml_platform.lake.blobs import stored
from ml_platform.naming import counted
from ml_platform.settings import Settings

RESTORE = (
    "Stop what writes, and restore it: `ml-platform restore FOLDER`, or put copies of catalog and state of one moment "
    "back."
)
UNFINISHED_RESTORE = "restore.json"  # in the lake's folder, from the start of a restore to its end


def catalog_file(settings: Settings) -> Path:
    """The SQLite catalog."""
    return settings.lake.resolve() / "catalog.sqlite"


def is_missing(catalog: Path) -> bool:
    """Whether there is no SQLite catalog, or a file without a byte in its place."""
    try:
        return catalog.stat().st_size == 0
    except (FileNotFoundError, NotADirectoryError):
        return True


def holds_tables(settings: Settings) -> bool:
    """Whether the folder of tables holds a file."""
    return any(True for _ in _files(settings.lake.resolve() / "tables"))


def refuse_unfinished_restore(settings: Settings) -> None:
    """Raise LakeError while a restore is under way, or was killed."""
    folder = settings.lake.resolve()
    if (folder / UNFINISHED_RESTORE).exists():
        raise LakeError(
            f"A restore of the lake in {folder} is not finished.",
            remedy="Wait for its end; if it was stopped, repeat `ml-platform restore`: it goes on.",
        )


def refuse_to_replace(settings: Settings) -> None:
    """Raise LakeError when a lake without a catalog has files that only a catalog describes.

    Such files are those of tables, blobs, and the log of a SQLite catalog with commits in it.
    """
    folder = settings.lake.resolve()
    tables = sum(1 for path in _files(folder / "tables"))
    blobs = sum(1 for path in stored(settings.artifacts))
    log = folder / "catalog.sqlite-wal"
    commits = not settings.catalog.get_secret_value() and log.exists() and log.stat().st_size > 0
    if not (tables or blobs or commits):
        return
    if not settings.catalog.get_secret_value() and not is_missing(catalog_file(settings)):
        return  # another process has made it since the caller looked
    holding = [f"{counted(tables, 'file')} of tables in {folder / 'tables'}"] * bool(tables)
    holding += [f"{counted(blobs, 'blob')} in {settings.artifacts.resolve()}"] * bool(blobs)
    holding += [f"commits in {log}"] * commits
    raise missing_catalog(settings, f"its files are there: {', '.join(holding)}")


def missing_catalog(settings: Settings, proof: str) -> LakeError:
    """The error for a catalog that is missing. `proof`, a clause, says by what it is known that there was one."""
    folder, secret = settings.lake.resolve(), settings.catalog.get_secret_value()
    catalog = "The PostgreSQL catalog" if secret else f"The catalog {folder}/catalog.sqlite"
    return LakeError(
        f"{catalog} is missing or empty, and {proof}. Nothing was changed.",
        remedy=f"{RESTORE} To begin anew, move {folder} and {settings.artifacts.resolve()} away first.",
    )


def missing_state(location: str, folder: Path) -> StateError:
    """The error for an operational state that is missing where a lake is."""
    return StateError(
        f"The operational state ({location}) is missing or empty, and the lake in {folder} has tables. Nothing was "
        "changed.",
        remedy=RESTORE,
    )


def damaged_catalog(folder: Path, why: BaseException | str) -> LakeError:
    """The error for a catalog that opens and lacks what every catalog has."""
    problem = why if isinstance(why, str) else first_line(why)
    return LakeError(f"The catalog of the lake in {folder} is damaged: {problem}.", remedy=RESTORE)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
