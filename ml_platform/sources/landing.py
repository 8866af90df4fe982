"""Putting files into the landing folder: whole, under a name that no other content has, or not at all."""

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath

from ml_platform.errors import IngestionError, LimitExceeded
from ml_platform.lake import durable
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained
from ml_platform.settings import Settings
from ml_platform.sources.guard import Guard
from ml_platform.sources.landed import files_of, is_left_alone
from ml_platform.sources.unpacking import PACKED, check_file, unpack
from ml_platform.spec.patterns import fixed_folders, is_one_path, keeps_folders
from ml_platform.spec.tables import Table
from ml_platform.state import database, withdrawals
from ml_platform.state import files as file_records
from ml_platform.state.database import State

_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")  # how a copy is named until it is whole
_CHUNK = 1 << 20
_AHEAD = timedelta(days=366)  # of the clock; beyond it a date is taken for a slip


@dataclass(frozen=True)
class Landed:
    """A file that was landed, and the `outcome`: landed, replaced (other content lay or stood there), unchanged.

    skipped: a file of a given folder that the pattern does not cover; `path` is where it lies.
    """

    path: Path
    outcome: str


@dataclass(frozen=True)
class _Copy:
    source: Path
    target: Path
    path: str  # of the target, in the landing folder

    @cached_property
    def digest(self) -> str:
        """Of what is to be copied; it takes a reading of the file, which most copies do not need."""
        return file_hash(self.source)


def land(
    settings: Settings,
    table: Table,
    sources: Sequence[Path],
    *,
    arrived: datetime | None = None,
    replace: bool = False,
    on_file: Callable[[Path], None] | None = None,
) -> list[Landed]:
    """Copy files, and those in folders, into the table's part of the landing folder. Each appears whole or not at all.

    After the call they are there also when the power fails. What a killed call leaves is hidden, and `maintain` removes
    it; the same call again lands the rest.

    A file that was withdrawn and is among them is taken back. The place of content that was refused or withdrawn, and
    of which no rows stand, is free.

    Under a pattern with `**` a file keeps its folders: those below a given folder, those of a relative path as it is
    written, and of absolute paths those below their common one.

    Args:
        settings: Where the landing folder is.
        table: Whose files these are.
        sources: Files and folders. Of a folder every file that the pattern covers is taken.
        arrived: When the content became available, if that was not now: corrections count from it (S6).
        replace: Take the place of other content that stands under the same name.
        on_file: Called with each source before it is copied.

    Raises:
        IngestionError: For a file that is missing, whose name the pattern does not cover, that shares its name with
            another of the same call, or (without `replace`) with other content that stands. Nothing is copied then.
        LakeError: When the disk is full, or the landing folder not writable. The files before stay landed.
        FileRefused: For a file that is too large, or unpacks to too much (LimitExceeded), and for a damaged archive.
            Nothing is copied then.
    """
    if arrived is not None and arrived.tzinfo is None:
        raise IngestionError(f"land(arrived={arrived}) has no time zone.", remedy="Give it one: a moment in UTC.")
    if arrived is not None and arrived > datetime.now(UTC) + _AHEAD:
        raise IngestionError(
            f"land(arrived={arrived.isoformat()}) lies more than a year ahead, and later files would arrive after it.",
            remedy="Declare when the files became available, in UTC.",
        )
    copies = _copies(settings, table, sources)
    _refuse_clashes(table, copies)
    if len(copies) > settings.max_files:
        problem = f"{len(copies):,} files would land, more than {table.name} may have"
        raise LimitExceeded(files_of(table).pattern, problem, "max_files", settings.max_files)
    for copy in copies:
        _check_limits(settings, copy)
    record = _recorded(settings, table)
    withdrawn = record.withdrawn
    outcomes = {copy.path: _outcome(copy, record.standing.get(copy.path)) for copy in copies}
    for path in withdrawn.intersection(outcomes):
        if outcomes[path] == "unchanged":
            outcomes[path] = "landed"  # copied anew: by its new stamp sensors see that there is something to read
    replaced = [copy.path for copy in copies if outcomes[copy.path] == "replaced" and not record.frees(copy)]
    if replaced and not replace:
        more = f" and {len(replaced) - 1:,} more" if len(replaced) > 1 else ""
        raise IngestionError(
            f"Other content stands as {replaced[0]}{more} in the landing folder or on record, and would be replaced.",
            remedy="Rename the new file, or pass --replace if it is a correction: its rows then take the old ones' "
            "place.",
        )
    if arrived is not None:
        with closing(State(settings)) as state:
            file_records.declare_arrivals(state, table.name, [(copy.path, copy.digest) for copy in copies], arrived)
    for copy in copies:
        if on_file is not None:
            on_file(copy.source)
        if copy.target.exists() and outcomes[copy.path] == "unchanged":
            durable.sync_file(copy.target)  # whoever put it there may not have
        else:
            _put(copy, settings.landing)
    for folder in {copy.target.parent for copy in copies}:
        durable.sync_folder(folder)
    if withdrawn.intersection(outcomes):  # once the files are whole: until then the rows stay out
        with closing(State(settings)) as state:
            withdrawals.end(state, table.name, withdrawn.intersection(outcomes))
    taken = {copy.source for copy in copies}
    folders = [source for source in sources if source.is_dir()]
    skipped_files = [Landed(file, "skipped") for folder in folders for file in _files_in(folder) if file not in taken]
    return [*(Landed(copy.target, outcomes[copy.path]) for copy in copies), *skipped_files]


def _copies(settings: Settings, table: Table, sources: Sequence[Path]) -> list[_Copy]:
    files: dict[Path, PurePosixPath] = {}
    single = [source for source in sources if not source.is_dir()]
    absolute = [_absolute(source) for source in single if _wanders(source)]
    common = Path(os.path.commonpath([source.parent for source in absolute])) if absolute else Path()
    for source in sources:
        if source.is_dir():
            inside = _inside(table, source)
            if not inside:
                raise IngestionError(
                    f"No file in {source} is one of {table.name}'s files, {files_of(table).pattern}.",
                    remedy="Check the folder, or land it for the table that it belongs to.",
                )
            files |= inside
        elif not source.is_file():
            raise IngestionError(f"There is no file {source}.", remedy="Check the path.")
        else:
            under = _absolute(source).relative_to(common) if _wanders(source) else source
            if not keeps_folders(files_of(table).pattern):  # as many of its folders count as the pattern has
                under = _absolute(source).relative_to(_absolute(source).anchor)
            files[source] = PurePosixPath(under.as_posix())
    return [_copy(settings, table, source, under) for source, under in files.items()]


def _wanders(source: Path) -> bool:
    """Whether the folders of a path as it is written say where it lies on the disk, and not what it is."""
    return source.is_absolute() or ".." in source.parts


def _absolute(source: Path) -> Path:
    """Where it lies, without following links: a link has a name of its own."""
    return source.parent.resolve() / source.name


def _inside(table: Table, folder: Path) -> dict[Path, PurePosixPath]:
    under = {source: PurePosixPath(source.relative_to(folder).as_posix()) for source in _files_in(folder)}
    return {source: path for source, path in under.items() if _target(table, path) is not None}


def _files_in(folder: Path) -> list[Path]:
    """The files in a folder and those below it, in order; hidden and unfinished ones left out."""
    file_paths = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return sorted(file for file in file_paths if file.is_file() and not is_left_alone(file.relative_to(folder)))


def _copy(settings: Settings, table: Table, source: Path, under: PurePosixPath) -> _Copy:
    target = _target(table, under)
    if target is None:
        raise IngestionError(
            f"{source.name} is not one of {table.name}'s files, {files_of(table).pattern}.",
            remedy="Rename it, or land it for the table it belongs to.",
        )
    return _Copy(source, settings.landing / target, os.fsencode(target).decode("utf-8", "backslashreplace"))


def _target(table: Table, under: PurePosixPath) -> str | None:
    """Where a file goes, relative to the landing folder; None when the pattern does not cover it there."""
    pattern = files_of(table).pattern
    if is_one_path(pattern):
        return pattern
    deep = len(PurePosixPath(pattern).parts) - len(fixed_folders(pattern))
    kept = under if keeps_folders(pattern) else PurePosixPath(*under.parts[-deep:])
    target = PurePosixPath(*fixed_folders(pattern), kept).as_posix()
    return target if table.source.covers(target) else None


def _refuse_clashes(table: Table, copies: list[_Copy]) -> None:
    by_path: dict[str, list[_Copy]] = {}
    for copy in copies:
        by_path.setdefault(os.path.normcase(copy.path), []).append(copy)
    for path, clashing in by_path.items():
        sources = {copy.source.resolve() for copy in clashing}
        if len(sources) > 1:
            wider = str(PurePosixPath(*fixed_folders(files_of(table).pattern), "**", f"*{PurePosixPath(path).suffix}"))
            flat = not keeps_folders(files_of(table).pattern) and not is_one_path(files_of(table).pattern)
            or_declare = f", or declare the pattern {wider!r}, under which files keep their folders" if flat else ""
            raise IngestionError(
                f"{' and '.join(sorted(str(copy.source) for copy in clashing))} would both land as {path}, and one of "
                "them would be lost. Nothing was landed.",
                remedy=f"Rename one{or_declare}.",
            )


def _check_limits(settings: Settings, copy: _Copy) -> None:
    """Raise FileRefused for what a run would refuse for its size, unpacked. Nothing is written."""
    guard = Guard(str(copy.source), settings)
    check_file(copy.source, guard)
    if copy.target.suffix in PACKED:
        with Path(os.devnull).open("wb") as nowhere:
            unpack(copy.source, guard, nowhere, suffix=copy.target.suffix)


@dataclass(frozen=True)
class _Record:
    """standing: the hash of the content whose rows stand, by path; seen: path and hash of every content on record."""

    standing: dict[str, str] = field(default_factory=dict)
    seen: frozenset[tuple[str, str]] = frozenset()
    withdrawn: frozenset[str] = frozenset()

    def frees(self, copy: _Copy) -> bool:
        """Whether what lies at the target was read or withdrawn, and nothing of that path stands: it was refused."""
        if copy.path in self.standing:
            return False
        return copy.path in self.withdrawn or (copy.path, file_hash(copy.target)) in self.seen


def _recorded(settings: Settings, table: Table) -> _Record:
    if not database.exists(settings):
        return _Record()
    current = database.is_current(settings)
    with closing(State(settings, read_only=current)) as state:  # an older one is migrated
        return _Record(
            {path: version.sha256 for path, version in file_records.with_rows(state, table.name).items()},
            frozenset((version.path, version.sha256) for version in file_records.versions(state, table.name)),
            frozenset(withdrawals.standing(state, table.name)),
        )


def _outcome(copy: _Copy, recorded: str | None) -> str:
    if copy.target.exists():
        same_size = copy.target.stat().st_size == copy.source.stat().st_size
        return "unchanged" if same_size and file_hash(copy.target) == copy.digest else "replaced"
    return "landed" if recorded is None or recorded == copy.digest else "replaced"


def _put(copy: _Copy, landing: Path) -> None:
    with copy.source.open("rb") as source, explained(landing):
        durable.make_folder(copy.target.parent)
        whole = copy.target.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            with whole.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
            durable.sync_file(whole)
            whole.replace(copy.target)
        finally:
            whole.unlink(missing_ok=True)


def leftovers(settings: Settings) -> Iterator[Path]:
    """The unfinished copies in the landing folder, of commands that are under way and of those that were killed."""
    for where, _, names in os.walk(settings.landing):
        yield from (Path(where) / name for name in names if _UNFINISHED.fullmatch(name))
