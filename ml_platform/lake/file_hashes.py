"""The SHA-256 of every data file, noted when it is committed and compared before its rows are used (S31).

DuckLake knows paths and sizes. The hashes are a table of our own beside DuckLake's, so that they are saved, copied and
lost with the catalog. A file is hashed at the commit that makes it. One whose writer was killed right there, and those
of an older lake, are hashed by the next process that opens the lake for writing. Measured: 7 ms a commit, and 1.1 GB
a second to compare.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from ml_platform.errors import LakeError
from ml_platform.lake import known_files
from ml_platform.lake.blobs import file_hash, unchanged
from ml_platform.lake.catalog_rows import catalog_rows
from ml_platform.lake.connection import METADATA, Lake
from ml_platform.lake.data_files import DataFile, TablePartition, current, damaged, not_made_again, set_aside
from ml_platform.lake.known_files import HASHES, has_hashes

_TABLE = f"{METADATA}.{HASHES}"
_UNHASHED = " UNION ALL ".join(
    f"SELECT {kind}_file_id FROM {{catalog}}ducklake_{kind}_file WHERE end_snapshot IS NULL "
    f"AND {kind}_file_id NOT IN (SELECT file_id FROM {{catalog}}{HASHES} WHERE kind = '{kind}')"
    for kind in ("data", "delete")
)
_FEW = 40  # of a table; one question for each partition costs more than all files from there on


def note_committed(lake: Lake, committed: Collection[DataFile], taken_hashes: Mapping[Path, str]) -> None:
    """Note the files that a commit brought, under the write lock. `taken_hashes`: those taken before the lock."""
    if committed:
        _note(lake, committed, taken_hashes)


def tend(lake: Lake) -> None:
    """Set damaged files aside, and hash the current files that nobody hashed yet. For whoever opens it for writing."""
    with lake.reading():  # one question for both
        damage, unknown = damaged(lake), without_hash(lake)
    if damage:
        set_aside(lake, damage)
    if unknown:
        with lake.locked("the hashes of data files"):
            _note(lake, without_hash(lake), {})


def forget_removed(lake: Lake) -> None:
    """Forget the hashes of files that no snapshot has any more. Under the write lock."""
    if has_hashes(lake):
        for kind in ("data", "delete"):
            lake.connection.execute(
                f"DELETE FROM {_TABLE} WHERE kind = '{kind}' AND file_id NOT IN "
                f"(SELECT {kind}_file_id FROM {METADATA}.ducklake_{kind}_file)"
            )


def changed(lake: Lake, tables: Collection[tuple[str, str]] | None = None) -> list[DataFile]:
    """The current files, of these (schema, table) or of all, that are missing or have other bytes than were committed.

    A file is read once a process while nobody touches it.
    """
    return _changed(lake, current(lake, tables=tables))


def _changed(lake: Lake, files: Collection[DataFile]) -> list[DataFile]:
    hashes = _hashes(lake, files)
    return [file for file in files if not _as_committed(file, hashes.get((file.kind, file.own_id)))]


def _changed_of(
    lake: Lake, tables: Collection[tuple[str, str]], partitions: Collection[TablePartition]
) -> list[DataFile]:
    """Those of whole tables and of some partitions of others."""
    others = [one for one in partitions if (one.schema, one.table) not in tables]
    counts = Counter((one.schema, one.table) for one in others)
    whole = {*tables, *(table for table, count in counts.items() if count > _FEW)}
    lost = list[DataFile]()
    if not known_files.all_unchanged(lake, whole):
        lost = _changed(lake, current(lake, tables=whole))
        if not lost:
            known_files.forget(lake)
    parts = [current(lake, of=one) for one in others if (one.schema, one.table) not in whole]
    return [*lost, *_changed(lake, [file for part in parts for file in part])]


def check(lake: Lake, tables: Collection[tuple[str, str]], read: Collection[TablePartition] = ()) -> None:
    """Compare the bytes of the files of these tables, (schema, table), and partitions before their rows are used.

    What changed is set aside, so that the next run makes it again. Raises LakeError that names it, and where one of
    the partitions `read` was set aside before and is not made again yet.
    """
    with lake.reading():  # one look at the catalog for both
        damage = _changed_of(lake, tables, read)
        missing = ", ".join(sorted(one.name for one in not_made_again(lake).intersection(read))) if read else ""
    if damage:
        damage = _changed_of(lake, tables, read)  # what another process replaced while we looked is current no more
    if not damage:
        if missing:
            raise LakeError(
                f"The rows of {missing} are lost and not made again yet, so nothing was made of what is left.",
                remedy="`ml-platform run PIPELINE` makes them again first; `ml-platform doctor` names them.",
            )
        return
    if not lake.read_only and not lake.is_reading:
        set_aside(lake, damage)
    names = ", ".join(sorted({file.location.name for file in damage}))
    raise LakeError(
        f"Data files are lost or have other bytes than were committed: {names}, such as {damage[0].path}. "
        "Nothing was made of them.",
        remedy="`ml-platform run PIPELINE` makes them again.",
    )


def _as_committed(file: DataFile, digest: str | None) -> bool:
    return file.is_complete and (digest is None or unchanged(file.path, digest))


def _hashes(lake: Lake, files: Collection[DataFile] | None = None) -> dict[tuple[str, int], str]:
    """(kind, id) → SHA-256 in hex; of a few files, or of all."""
    if not has_hashes(lake) or (files is not None and not files):  # PostgreSQL takes no empty list
        return {}
    few = files is not None and len(files) <= _FEW
    numbers = ", ".join(str(file.own_id) for file in files or ())
    which = f" WHERE file_id IN ({numbers})" if few else ""
    rows = catalog_rows(lake, f"SELECT kind, file_id, sha256 FROM {{catalog}}{HASHES}{which}")
    return {(kind, int(number)): digest for kind, number, digest in rows}


def without_hash(lake: Lake) -> list[DataFile]:
    """The current files that nobody hashed yet."""
    if has_hashes(lake) and not catalog_rows(lake, _UNHASHED):
        return []  # as nearly always
    hashes = _hashes(lake)
    return [file for file in current(lake) if (file.kind, file.own_id) not in hashes and file.is_complete]


def _note(lake: Lake, files: Collection[DataFile], taken_hashes: Mapping[Path, str]) -> int:
    if not has_hashes(lake):
        lake.connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (kind VARCHAR, file_id BIGINT, sha256 VARCHAR)")
    rows = [(file.kind, file.own_id, taken_hashes.get(file.path) or file_hash(file.path)) for file in files]
    if rows:
        listed = ", ".join(f"('{kind}', {number}, '{digest}')" for kind, number, digest in rows)
        lake.connection.execute(f"INSERT INTO {_TABLE} VALUES {listed}")
    return len(rows)
