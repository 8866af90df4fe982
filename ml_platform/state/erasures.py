"""Erasures on record, the hashes by which a forgotten key is noticed when it arrives again, and rewritten contents."""

import hashlib
import hmac
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update

from ml_platform.lake import durable
from ml_platform.settings import Settings
from ml_platform.state.database import State
from ml_platform.state.erasure_tables import erasures as table
from ml_platform.state.erasure_tables import forgotten_keys, rewritten

Kind = Literal["file", "blob"]
NONE = "forgotten"  # begins the hash of a landed content that must not be read again
_SALT = "forgotten.salt"
_SALT_BYTES = 32


@dataclass(frozen=True)
class Erasure:
    """That rows were forgotten; which, nothing says.

    Args:
        key_columns: By which columns of the table they were found.
        status: "unfinished" until the last byte is gone.
        counts: Place → rows, such as `{"raw.customers": 2}`.
        versions: Model versions whose training sets had such rows, such as `churn@3`.
        unreached: What a person has to see to, one sentence each.
    """

    erasure_id: str
    table_name: str
    key_columns: tuple[str, ...]
    actor: str
    why: str
    status: str
    counts: Mapping[str, int]
    versions: tuple[str, ...]
    unreached: tuple[str, ...]
    begun_at: datetime
    ended_at: datetime | None


_AS_JSON = ("key_columns", "counts", "versions", "unreached")
_NAMES = [field.name for field in fields(Erasure)]


def all_erasures(state: State) -> list[Erasure]:
    """Every erasure on record, oldest first."""
    rows = state.rows(select(*(table.c[name] for name in _NAMES)).order_by(table.c.begun_at))
    return [_erasure(dict(zip(_NAMES, row, strict=True))) for row in rows]


def _erasure(values: dict[str, Any]) -> Erasure:
    parsed = {name: json.loads(values[name]) for name in _AS_JSON}
    as_tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in parsed.items()}
    return Erasure(**{**values, **as_tuples})


def begin(state: State, erasure_id: str, table_name: str, key_columns: Sequence[str], *, actor: str, why: str) -> None:
    """Put an erasure on record that begins; the same one only once."""
    with state.writing() as connection:
        if connection.execute(select(table.c.erasure_id).where(table.c.erasure_id == erasure_id)).first() is None:
            values = {"actor": actor, "why": why, "status": "unfinished", "begun_at": state.stamp()}
            texts = {"key_columns": json.dumps(list(key_columns)), "counts": "{}", "versions": "[]", "unreached": "[]"}
            connection.execute(insert(table).values(erasure_id=erasure_id, table_name=table_name, **values, **texts))


def finish(
    state: State, erasure_id: str, *, counts: Mapping[str, int], versions: Sequence[str], unreached: Sequence[str]
) -> None:
    """Put the end of an erasure on record."""
    with state.writing() as connection:
        texts = {"counts": dict(counts), "versions": list(versions), "unreached": list(unreached)}
        values = {name: json.dumps(value) for name, value in texts.items()}
        ended = update(table).where(table.c.erasure_id == erasure_id, table.c.status == "unfinished")
        connection.execute(ended.values(status="done", ended_at=state.stamp(), **values))


def remember(state: State, table_name: str, columns: Sequence[str], values: Iterable[Sequence[str]]) -> None:
    """Remember keys by their keyed hashes. values: those of `columns`, as text."""
    salt, listed = _salt(state.settings, make=True), json.dumps(list(columns))
    assert salt is not None  # it was made
    of_columns = {"table_name": table_name, "key_columns": listed}
    with state.writing() as connection:
        for value in values:
            row = {**of_columns, "digest": _digest(salt, table_name, listed, value)}
            same = [forgotten_keys.c[name] == part for name, part in row.items()]
            if connection.execute(select(forgotten_keys).where(*same)).first() is None:
                connection.execute(insert(forgotten_keys).values(**row))


def remembered_columns(state: State, table_name: str) -> list[tuple[str, ...]]:
    """The columns by which keys of a table were forgotten."""
    chosen = select(forgotten_keys.c.key_columns).where(forgotten_keys.c.table_name == table_name).distinct()
    return [tuple(json.loads(row[0])) for row in state.rows(chosen)]


def forgotten_among(
    state: State, table_name: str, columns: Sequence[str], values: Iterable[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Those of the values, as text, that were forgotten. Nothing while the salt is lost (`is_salt_lost`)."""
    salt, listed = _salt(state.settings, make=False), json.dumps(list(columns))
    if salt is None:
        return []
    same = (forgotten_keys.c.table_name == table_name, forgotten_keys.c.key_columns == listed)
    digests = {row[0] for row in state.rows(select(forgotten_keys.c.digest).where(*same))}
    return [value for value in values if _digest(salt, table_name, listed, value) in digests] if digests else []


def is_salt_lost(state: State) -> bool:
    """Whether keys were forgotten and none of them can be noticed any more, because the salt is gone."""
    return not salt_file(state.settings).exists() and state.first(select(forgotten_keys).limit(1)) is not None


def salt_file(settings: Settings) -> Path:
    """The secret of the hashes; 0600, and part of no backup."""
    return settings.lake / _SALT


def _salt(settings: Settings, *, make: bool) -> bytes | None:
    file = salt_file(settings)
    if make and not file.exists():
        durable.write(file, os.urandom(_SALT_BYTES), 0o600)
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _digest(salt: bytes, table_name: str, columns: str, values: Sequence[str]) -> str:
    return hmac.new(salt, json.dumps([table_name, columns, *values]).encode(), hashlib.sha256).hexdigest()


def note_rewritten(state: State, kind: Kind, scope: str, original: str, present: str, removed: Collection[int]) -> None:
    """Note which bytes stand for a content from now on. removed: the numbers of all rows of it that are gone."""
    values = {"present": present, "removed": json.dumps(sorted(removed)), "rewritten_at": state.stamp()}
    same = (rewritten.c.kind == kind, rewritten.c.scope == scope, rewritten.c.original == original)
    with state.writing() as connection:
        connection.execute(delete(rewritten).where(*same))
        connection.execute(insert(rewritten).values(kind=kind, scope=scope, original=original, **values))


def present_blobs(state: State) -> set[str]:
    """The hashes of what stands for rewritten blobs."""
    return {row[0] for row in state.rows(select(rewritten.c.present).where(rewritten.c.kind == "blob"))}


@dataclass(frozen=True)
class RewrittenFiles:
    """Contents of a table's landed files from which rows were forgotten.

    present: hash on record → hash of the bytes without those rows. removed: hash on record → numbers of the rows.
    """

    present: Mapping[str, str]
    removed: Mapping[str, tuple[int, ...]]

    def recorded(self, fingerprint: str) -> str:
        """The hash on record of a content with that hash. Of one that still has forgotten rows a hash of none."""
        if fingerprint in self.present and self.present[fingerprint] != fingerprint:
            return f"{NONE}-{fingerprint}"
        return next((recorded for recorded, present in self.present.items() if present == fingerprint), fingerprint)

    def is_forgotten(self, fingerprint: str) -> bool:
        """Whether it is the hash of a content that still has rows which were forgotten."""
        return self.recorded(fingerprint).startswith(NONE)


def rewritten_files(state: State, table_name: str) -> RewrittenFiles:
    """The rewritten contents of a table."""
    chosen = select(rewritten.c.original, rewritten.c.present, rewritten.c.removed).where(
        rewritten.c.kind == "file", rewritten.c.scope == table_name
    )

    def read() -> RewrittenFiles:
        rows = state.rows(chosen)
        return RewrittenFiles({row[0]: row[1] for row in rows}, {row[0]: tuple(json.loads(row[2])) for row in rows})

    return state.once(f"rewritten files of {table_name}", read)
