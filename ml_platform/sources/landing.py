"""The landing folder: which files belong to a table, and putting files there whole."""

import os
import shutil
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path, PurePosixPath

from ml_platform.errors import IngestionError
from ml_platform.lake.blobs import file_hash
from ml_platform.settings import Settings
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state.database import State

_UNFINISHED = (".tmp", ".part")


def files_of(table: Table) -> Files:
    """The table's source as `Files`. Raises IngestionError for a table whose rows come from elsewhere."""
    if isinstance(table.source, Files):
        return table.source
    raise IngestionError(
        f"The rows of {table.name} do not come from files.", remedy="`ml-platform run` reads them where they are."
    )


def landed(settings: Settings, table: Table) -> dict[str, Path]:
    """The table's files, by path relative to the landing folder, sorted; hidden and unfinished ones left out."""
    folder = settings.landing
    files = {}
    for file in sorted(folder.glob(files_of(table).pattern)):
        relative = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or file.suffix in _UNFINISHED or not file.is_file():
            continue
        # A name that is not UTF-8 cannot be stored; it is kept in a readable form.
        files[os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace")] = file
    return files


def land(settings: Settings, table: Table, files: list[Path], *, arrived: datetime | None = None) -> list[Path]:
    """Copy files into the table's part of the landing folder; where they are now.

    Each appears whole or not at all. `arrived` is when the content became available, if that was not
    now: corrections count from it (S6). Raises IngestionError for a file that is missing or whose
    name the table's pattern does not match, before any is copied.
    """
    if arrived is not None and arrived.tzinfo is None:
        raise IngestionError(f"land(arrived={arrived}) has no time zone.", remedy="Give it one: a moment in UTC.")
    targets = [(file, settings.landing / _target(table, file)) for file in files]
    if arrived is not None:
        declared = [(target.relative_to(settings.landing).as_posix(), file_hash(file)) for file, target in targets]
        with closing(State(settings)) as state:
            file_records.declare_arrivals(state, table.name, declared, arrived)
    for file, target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = target.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            shutil.copyfile(file, whole)
            whole.replace(target)
        finally:
            whole.unlink(missing_ok=True)
    return [target for _, target in targets]


def _target(table: Table, file: Path) -> str:
    pattern = PurePosixPath(files_of(table).pattern)
    if not file.is_file():
        raise IngestionError(f"There is no file {file}.", remedy="Check the path.")
    fixed = []
    for part in pattern.parts:
        if any(sign in part for sign in "*?["):
            break
        fixed.append(part)
    if len(fixed) == len(pattern.parts):
        return str(pattern)
    target = PurePosixPath(*fixed, file.name)
    whole = [f"{'/'.join(fixed)}/x/{file.name}" if "**" in pattern.parts else str(target), str(target)]
    if not any(PurePosixPath(path).match(str(pattern)) for path in whole):
        raise IngestionError(
            f"{file.name} is not one of {table.name}'s files, {pattern}.",
            remedy="Rename it, or land it for the table it belongs to.",
        )
    return str(target)
