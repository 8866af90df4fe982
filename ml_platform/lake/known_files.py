"""The data files of a lake that this process knows of, so that each look at them asks the catalog for new ones only.

Ids of files only grow, and a commit brings ids above all before it. What is kept here are all current files and those
that ended since: a look that finds all of them whole says so of the current ones. What it finds otherwise, who asks
must find again by the catalog.
"""

import os
import threading
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from ml_platform.lake.blobs import unchanged
from ml_platform.lake.catalog_rows import braced, catalog_rows
from ml_platform.lake.connection import METADATA, Lake
from ml_platform.naming import literal

HASHES = "ml_platform_file_hashes"  # kind, file_id, sha256; a table of ours beside DuckLake's own
_FEW = 100  # ids in a question
# CROSS JOIN: SQLite begins with the files then, of which it finds the new ones by their ids.
_NEW = """
SELECT f.{kind}_file_id AS own_id, f.table_id, f.file_size_bytes AS size,
    CASE WHEN f.path_is_relative AND t.path_is_relative AND s.path_is_relative THEN 1 ELSE 0 END AS within_tables,
    CASE WHEN f.path_is_relative THEN CASE WHEN t.path_is_relative THEN s.path ELSE '' END || t.path ELSE '' END
        || f.path AS path
FROM {{catalog}}ducklake_{kind}_file f CROSS JOIN {{catalog}}ducklake_table t CROSS JOIN {{catalog}}ducklake_schema s
WHERE f.{kind}_file_id > {newest} AND f.end_snapshot IS NULL AND t.table_id = f.table_id AND t.end_snapshot IS NULL
    AND s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""
_DIGESTS = """
SELECT h.file_id, h.sha256 FROM {{catalog}}{hashes} h JOIN {{catalog}}ducklake_{kind}_file f
ON f.{kind}_file_id = h.file_id WHERE h.kind = '{kind}' AND f.end_snapshot IS NULL AND {which}
"""
_TABLES = """
SELECT t.table_id FROM {{catalog}}ducklake_table t JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND ({named})
"""
_KINDS = ("data", "delete")

_File = tuple[str, int]  # path and size in bytes, as committed
_Id = tuple[str, int]  # kind and number


@dataclass
class _Known:
    """The files by table and id, and the ids by kind up to which all are here."""

    files: dict[int, dict[_Id, _File]] = field(default_factory=dict)
    digests: dict[_Id, str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, -1))
    not_looked_at: list[_File] = field(default_factory=list)
    looked_in: object = None  # the run of `one_look` in which all others were looked at
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: "weakref.WeakKeyDictionary[Lake, _Known]" = weakref.WeakKeyDictionary()
_ready: "weakref.WeakSet[Lake]" = weakref.WeakSet()  # lakes whose table of hashes was seen
_runs: list[object] = []  # those that are in `one_look`, the outermost first


@contextmanager
def one_look() -> Iterator[None]:
    """While the context is open, this process looks at the size of each file once: for one run, from opening to end.

    Who reads rows compares the bytes of their files each time (`file_hashes.check`).
    """
    _runs.append(object())
    try:
        yield
    finally:
        _runs.pop()


def all_there(lake: Lake) -> bool:
    """Whether every current file is there and has its size. False where one is not, or was not a moment ago."""
    known = _up_to_date(lake)
    with known.lock:
        run = _runs[0] if _runs else None
        looked = run is not None and known.looked_in is run
        files = known.not_looked_at if looked else [one for of in known.files.values() for one in of.values()]
        there = all(map(_has_size, files))
        if there:
            known.not_looked_at, known.looked_in = [], run
    return there


def all_unchanged(lake: Lake, tables: Collection[tuple[str, str]]) -> bool:
    """Whether every current file of these (schema, table) is there with the bytes that were committed.

    False where one is not, or was not a moment ago. A file is read once a process while nobody touches it.
    """
    if not tables:
        return True
    known = _up_to_date(lake)
    named = " OR ".join(
        f"(s.schema_name = {braced(literal(one))} AND t.table_name = {braced(literal(two))})" for one, two in tables
    )
    of_tables = [int(number) for (number,) in catalog_rows(lake, _TABLES.format(named=named))]
    with known.lock:
        files = [one for number in of_tables for one in known.files.get(number, {}).items()]
        digests = known.digests
        _learn_digests(lake, known, of_tables, [which for which, _ in files if which not in digests])
        return all(unchanged(file[0], digests[which]) if which in digests else _has_size(file) for which, file in files)


def forget(lake: Lake) -> None:
    """Forget the files, so that the next look asks for the current ones: some of those here ended and are gone."""
    _known.pop(lake, None)


def has_hashes(lake: Lake) -> bool:
    """Whether the catalog has a table of hashes; that of an older lake has none until it is opened for writing."""
    if lake not in _ready:
        try:
            lake.rows(f"SELECT 1 FROM {METADATA}.{HASHES} LIMIT 0", qualified=True)
        except duckdb.CatalogException:
            return False
        _ready.add(lake)
    return True


def _up_to_date(lake: Lake) -> _Known:
    known = _known.setdefault(lake, _Known())
    tables = f"{lake.tables}{os.sep}"
    with known.lock:
        for kind in _KINDS:
            new = catalog_rows(lake, _NEW.format(kind=kind, newest=known.newest[kind]))
            for own_id, table_id, size, within, path in new:
                file = tables + path if int(within) else path, int(size)
                known.files.setdefault(int(table_id), {})[kind, int(own_id)] = file
                known.not_looked_at.append(file)
            known.newest[kind] = max((int(own_id) for own_id, *_ in new), default=known.newest[kind])
    return known


def _learn_digests(lake: Lake, known: _Known, tables: Collection[int], without: Collection[_Id]) -> None:
    """The hashes of some files of these tables that were noted since: of a commit it is shortly after it."""
    if not without or not has_hashes(lake):
        return
    for kind in _KINDS:
        ids = [number for other, number in without if other == kind]
        which = f"f.table_id IN ({', '.join(map(str, tables))})"
        if len(ids) <= _FEW:
            which = f"h.file_id IN ({', '.join(map(str, ids))})"
        if ids:
            rows = catalog_rows(lake, _DIGESTS.format(kind=kind, hashes=HASHES, which=which))
            known.digests.update({(kind, int(number)): digest for number, digest in rows})


def _has_size(file: _File) -> bool:
    try:
        return os.stat(file[0]).st_size == file[1]  # noqa: PTH116 - a Path takes three times as long
    except OSError:
        return False
