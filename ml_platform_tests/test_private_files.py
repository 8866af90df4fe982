"""Files that only their owner may read."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from ml_platform.private_files import create_private

_LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*connection.execute("SELECT * FROM t").fetchone())
connection.close()
"""


def test_a_new_file_is_empty_and_for_its_owner_only(tmp_path: Path) -> None:
    create_private(tmp_path / "folder" / "new")
    assert (tmp_path / "folder" / "new").read_bytes() == b""
    assert (tmp_path / "folder" / "new").stat().st_mode & 0o777 == 0o600


def test_a_database_in_use_keeps_its_locks_and_its_log_when_it_is_to_be_created_again(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    create_private(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as in_use:
        in_use.execute("PRAGMA journal_mode = WAL")
        in_use.execute("CREATE TABLE t (n INT)")
        in_use.execute("INSERT INTO t VALUES (1)")
        create_private(file)
        log = (tmp_path / "runs.db-wal").stat().st_ino
        looked = subprocess.run([sys.executable, "-c", _LOOK, str(file)], capture_output=True, text=True, check=True)
        assert looked.stdout.strip() == "1"
        assert (tmp_path / "runs.db-wal").stat().st_ino == log, "another process that closes it removes the log"
        in_use.execute("INSERT INTO t VALUES (2)")
        assert in_use.execute("SELECT count(*) FROM t").fetchone() == (2,)
