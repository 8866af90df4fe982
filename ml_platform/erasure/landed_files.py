"""Landed files without the rows of an entity: the bytes of all other rows, and their numbers, stay."""

import gzip
import hashlib
import io
import uuid
import zipfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ml_platform.erasure.finding import Matcher
from ml_platform.erasure.records_of_text import as_format, without_rows
from ml_platform.errors import FileRefused, SourceUnavailable
from ml_platform.lake import durable
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.unfinished_erasure import plan_folder
from ml_platform.settings import Settings
from ml_platform.sources.event_files import format_of
from ml_platform.sources.file_reading import read
from ml_platform.sources.guard import Guard
from ml_platform.sources.landed import files_of, landed, stamp_of
from ml_platform.sources.raw_columns import ROW, original_numbers
from ml_platform.sources.unpacking import PACKED, unpacked
from ml_platform.spec.declared_files import DeclaredFiles
from ml_platform.spec.tables import Table
from ml_platform.state import erasures
from ml_platform.state import files as file_records
from ml_platform.state.files import FileVersion
from ml_platform.state.stores import Stores

_FIXED = (1980, 1, 1, 0, 0, 0)  # the time of what is packed, so that equal rows have equal bytes


@dataclass(frozen=True)
class RewrittenLanding:
    """rows: that were taken out of files. unreached: files in which nobody can look, or that cannot be changed."""

    rows: int
    unreached: list[str]


def rewrite_landed(
    stores: Stores, table: Table, matcher: Matcher, rows: Mapping[str, Collection[int]], on_file: Callable[[str], None]
) -> RewrittenLanding:
    """Take rows out of the landed files of a table. Again it changes nothing; a kill leaves every file whole.

    rows: id of a file version → the numbers of its raw rows. A content that is not on record is searched itself.
    """
    taken, unreached = 0, list[str]()
    versions = file_records.versions(stores.state, table.name)
    for path, file in landed(stores.settings, table).items():
        on_file(path)
        try:
            taken += _rewrite(stores, table, matcher, rows, path, file, versions)
        except (FileRefused, SourceUnavailable, OSError) as fault:
            unreached.append(f"The landed file {path} could not be searched: {fault}")
    return RewrittenLanding(taken, unreached)


def _rewrite(
    stores: Stores,
    table: Table,
    matcher: Matcher,
    rows: Mapping[str, Collection[int]],
    path: str,
    file: Path,
    versions: list[FileVersion],
) -> int:
    contents = erasures.rewritten_files(stores.state, table.name)
    fingerprint = file_hash(file)
    recorded = contents.recorded(fingerprint)
    original = fingerprint if contents.is_forgotten(fingerprint) else recorded
    of_content = [version for version in versions if version.sha256 == original and version.status != "refused"]
    source = format_of(file, stores.settings.landing, files_of(table))
    gone = () if original == fingerprint else contents.removed.get(original, ())
    if of_content:
        wanted = {number for version in of_content for number in rows.get(version.file_id, ())}
        wanted |= set(contents.removed.get(original, ()))
    else:
        wanted = _searched(matcher, file, path, source, stores.settings)
    new = wanted - set(gone)
    if not new:
        return 0
    height = max((version.rows for version in of_content), default=0) + len(wanted) + 1
    positions = _positions(max(height, max(wanted) + 1), gone, new)
    content = _without(file, path, source, stores.settings, positions)
    if of_content:
        # Noted first: killed before the file has its new bytes, the note is about bytes that are not there yet.
        erasures.note_rewritten(stores.state, "file", table.name, original, hashlib.sha256(content).hexdigest(), wanted)
    else:
        _declare_again(stores, table, path, fingerprint, content)
    _put(file, content)
    if of_content:
        stamp = stamp_of(file)
        seen = [(version, *stamp) for version in of_content if version.path == path]
        file_records.note_unchanged(stores.state, table.name, seen)
    return len(new)


def _declare_again(stores: Stores, table: Table, path: str, fingerprint: str, content: bytes) -> None:
    """Let a content that waits arrive when it was declared to, also without the rows."""
    arrival = file_records.declared_arrivals(stores.state, table.name).get((path, fingerprint))
    if arrival is not None:
        digest = hashlib.sha256(content).hexdigest()
        file_records.declare_arrivals(stores.state, table.name, [(path, digest)], arrival)


def waiting_rows(stores: Stores, table: Table, matcher: Matcher) -> int:
    """How many rows of the entity are in landed files whose content no run has read."""
    recorded = {version.sha256 for version in file_records.versions(stores.state, table.name)}
    contents, count = erasures.rewritten_files(stores.state, table.name), 0
    for path, file in landed(stores.settings, table).items():
        if contents.recorded(file_hash(file)) not in recorded:
            source = format_of(file, stores.settings.landing, files_of(table))
            with suppress(FileRefused, SourceUnavailable, OSError):  # the erasure names it, where there is one
                count += len(_searched(matcher, file, path, source, stores.settings))
    return count


def _positions(height: int, gone: Collection[int], numbers: Collection[int]) -> set[int]:
    """Where rows with these numbers stand in a file from which others are gone already."""
    now = original_numbers(0, height, sorted(gone))
    return set(now.is_in(pl.Series(sorted(numbers)).implode()).arg_true().to_list())


def _searched(matcher: Matcher, file: Path, path: str, source: DeclaredFiles, settings: Settings) -> set[int]:
    frame = read(file, path, source, settings).with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    matched = matcher.matches(frame, path)
    if matched is None:
        raise FileRefused(path, "clean refuses it, and no column is named as the key", remedy="Mend or remove it.")
    return matched[0]


def _without(file: Path, path: str, source: DeclaredFiles, settings: Settings, positions: set[int]) -> bytes:
    """The bytes of the file without these rows, packed as it was. Raises FileRefused where other rows would change."""
    before = read(file, path, source, settings)
    with unpacked(file, Guard(path, settings)) as plain:
        if source.row_format == "parquet":
            content = _parquet_without(plain, positions)
        else:
            encoding = source.encoding or "utf-8"
            text = plain.read_bytes().decode(encoding).encode() if source.encoding else plain.read_bytes()
            content = without_rows(text, as_format(source.row_format), positions)
            content = content.decode().encode(encoding) if source.encoding else content
    packed = _packed(file, content)
    left = before.filter(~pl.int_range(pl.len()).is_in(sorted(positions)))
    if left.height:
        _check(packed, file, path, source, settings, left)
    return packed


def _check(
    content: bytes, file: Path, path: str, source: DeclaredFiles, settings: Settings, expected: pl.DataFrame
) -> None:
    """Raise FileRefused unless the content is read as the rows that are to stay."""
    trial = plan_folder(settings) / f"trial{file.suffix}"
    try:
        durable.write(trial, content, 0o600)
        after = read(trial, path, source, settings)
    finally:
        trial.unlink(missing_ok=True)
    inferred = source.row_format in ("json", "ndjson")  # a column that only the gone rows had goes with them
    same = after.height == expected.height if inferred else after.equals(expected)
    if not same:
        raise FileRefused(
            path,
            "its rows cannot be told apart well enough to take some out",
            remedy="Take them out by hand, and land it again.",
        )


def _parquet_without(plain: Path, positions: set[int]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(plain).read()
    kept = table.filter(pa.array([number not in positions for number in range(table.num_rows)], pa.bool_()))
    target = io.BytesIO()
    pq.write_table(kept, target)
    return target.getvalue()


def _packed(file: Path, content: bytes) -> bytes:
    if file.suffix not in PACKED:
        return content
    if file.suffix == ".gz":
        return gzip.compress(content, mtime=0)
    with zipfile.ZipFile(file) as archive:
        member = next(m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/"))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(member.filename, _FIXED), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _put(file: Path, content: bytes) -> None:
    whole = file.with_name(f".{uuid.uuid4().hex}.tmp")  # a name that `maintain` removes after a kill
    try:
        whole.write_bytes(content)
        whole.chmod(file.stat().st_mode & 0o777)
        durable.sync_file(whole)
        whole.replace(file)
        durable.sync_folder(file.parent)
    finally:
        whole.unlink(missing_ok=True)
