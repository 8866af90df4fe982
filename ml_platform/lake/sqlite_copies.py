"""Copies of SQLite databases that others have open, made in a process of their own.

Closing a SQLite file releases the locks that the whole process has on it, also those of another SQLite library, such
as DuckDB's (SQLite, "How To Corrupt An SQLite Database File", 2.2). So whoever may have the lake open starts this file
as a program. It imports nothing but the standard library.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

_PROBLEM = 3  # the exit code when SQLite refused


def copy(databases: Mapping[Path, Path]) -> str:
    """Copy each database, as of one moment of it, in this order. Why SQLite refused, or "" when all are copied.

    A copy is one file without a log.
    """
    return _run("copy", {str(source): str(target) for source, target in databases.items()})


def problem(database: Path) -> str:
    """What SQLite's check of a database in use says; "" when it is whole."""
    return _run("check", {str(database): ""})


def rewrite(databases: Sequence[Path]) -> str:
    """Write databases anew, in place, so that no page of what was deleted is left; why SQLite refused, or ""."""
    return _run("rewrite", {str(database): "" for database in databases}) if databases else ""


def checked(database: Path) -> str:
    """What SQLite's check says of a database that nobody has open; "" when it is whole."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            (line, *_), *_ = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        return str(error)
    return "" if line == "ok" else " ".join(str(line).removeprefix("*** in database main ***").split())


def _run(what: str, databases: Mapping[str, str]) -> str:
    # Isolated: neither the working directory nor the environment says which modules it imports.
    command = [sys.executable, "-I", __file__, what]
    done = subprocess.run(  # noqa: S603 - our own interpreter and file
        command, input=json.dumps(databases), capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, _PROBLEM):
        raise RuntimeError(f"the copy of a database ended with {done.returncode}: {done.stderr}")
    return done.stdout if done.returncode else ""


def _main() -> int:
    (what,) = sys.argv[1:]
    for source, target in json.load(sys.stdin).items():
        if what == "rewrite":
            refusal = _rewritten(Path(source))
        else:
            refusal = checked(Path(source)) if what == "check" else _copied(Path(source), Path(target))
        if refusal:
            sys.stdout.write(refusal)
            return _PROBLEM
    return 0


def _rewritten(database: Path) -> str:
    try:
        with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        return f"{database.name}: {error}"
    return f"{database.name} is being read" if is_busy else ""


def _copied(source: Path, target: Path) -> str:
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            # As lake and state are: a reader may not change the mode of what it opens.
            writing.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:
        return f"{source.name}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(_main())
