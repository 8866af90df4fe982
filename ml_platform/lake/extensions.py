"""DuckDB's extensions, out of their wheels."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import duckdb

from ml_platform.naming import literal


def load_extensions(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Load DuckDB extensions from their wheels; without a wheel for this version, from DuckDB's own store."""
    # A file out of a wheel is trusted like the wheel's Python code. Checking its signature hashes it,
    # 0.13 s each at every start; so that check is off for these, and on for whatever comes after.
    wheels = {name: path for name in names if (path := _wheel(name)) is not None}
    for path in wheels.values():
        connection.execute(f"LOAD {literal(str(path))}")
    connection.execute("SET GLOBAL allow_unsigned_extensions = false")
    for name in names:
        if name not in wheels:
            connection.execute(f"INSTALL {name}; LOAD {name}")


def _wheel(name: str) -> Path | None:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.exists():
            return path
    return None
