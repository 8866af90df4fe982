"""DuckDB and pandas: not loaded for a bound parameter, and whole for whoever loads it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.results import Result
from ml_platform.state.stores import after

settings = Settings(data=Path(sys.argv[1]), threads=1)
lake, state = Lake(settings), State(settings)
with write(lake, Author("a", "p", "k")) as tx:
    tx.execute("CREATE SCHEMA s")
    tx.execute("CREATE TABLE s.t AS SELECT 1 AS a, 'x' AS b")
    after(tx, state, lambda: ledger.record(state, Author("a", "p", "k"), rows=2, result=Result()))
assert lake.value("SELECT ?", [datetime.now(UTC)]) is not None
assert lake.frame("SELECT b FROM s.t WHERE a = ?", [1])["b"].to_list() == ["x"]
assert ledger.latest(state, "a")["a", "p"].rows == 2
"""
LATER = """
import pandas as pd
assert type(pd).__name__ == "module" and sys.modules["pandas"] is pd
frame = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["x", "y"])})
assert lake.connection.execute("FROM frame").fetchall() == [(1, "x"), (None, "y")]
assert lake.rows("SELECT ?, ?", [pd.NaT, pd.NA]) == [(None, None)]
assert lake.value("SELECT ?::TIMESTAMP", [pd.Timestamp("2024-02-01")]).month == 2
assert lake.connection.execute("SELECT 1 AS a").df().equals(pd.DataFrame({"a": [1]}, dtype="int32"))
"""


def _run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True)


def test_bound_parameters_load_no_pandas(tmp_path: Path) -> None:
    done = _run(f"{PROGRAM}\nassert not {{n for n in sys.modules if n.partition('.')[0] == 'pandas'}}", tmp_path)
    assert done.returncode == 0, done.stderr


def test_whoever_imports_pandas_later_has_all_of_it(tmp_path: Path) -> None:
    done = _run(PROGRAM + LATER, tmp_path)
    assert done.returncode == 0, done.stderr


def test_whoever_asks_duckdb_for_a_frame_of_pandas_gets_one(tmp_path: Path) -> None:
    asked = 'frame = lake.connection.execute("SELECT 1 AS a").df()\nassert type(frame).__module__.startswith("pandas")'
    done = _run(f"{PROGRAM}\n{asked}", tmp_path)
    assert done.returncode == 0, done.stderr


def test_duckdb_by_itself_would_load_pandas() -> None:
    # When this fails, DuckDB has changed its ways and `ml_platform.lake.pandas_stays_out` may go.
    program = "import duckdb, sys; duckdb.connect().execute('SELECT ?', [1]); assert 'pandas' in sys.modules"
    assert _run(program, Path()).returncode == 0
