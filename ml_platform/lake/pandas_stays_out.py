"""DuckDB without pandas where nobody asked for pandas.

DuckDB 1.5 imports pandas, if it is installed, at the first bound parameter of a process, to know NaT and NA when it
meets them. Without this module, opening a lake read-only and one query take 0.87 CPU s and 216 MB instead of 0.61 and
171, `ml-platform status` of a small lake 2.12 CPU s and 281 MB instead of 1.91 and 254; on a busy machine the import
costs 0.4 CPU s (`python -m bench.pandas_import`, November 2026).

DuckDB remembers a module that it imported and no module that it missed, so hiding pandas for a moment does not help;
standing in for it does. The stand-in has no NaT and NA until somebody imports pandas, and from then on everything
that pandas has.

Writing a frame still loads it: to read Arrow, DuckDB imports pyarrow.dataset, and that makes a
pyarrow scalar, which looks for pandas once and remembers what it missed. So processes that write
pay once, and those that only ask do not.
"""

import functools
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import duckdb

_MISSED = ("NaT", "NA")  # what a bound parameter is compared with


class _StandIn(ModuleType):
    """What DuckDB keeps as its pandas."""

    def __getattr__(self, name: str) -> Any:
        loaded = sys.modules.get(self.__name__)
        if loaded is None or loaded is self:
            if name in _MISSED or name.startswith("__"):
                raise AttributeError(name)
            loaded = import_module(self.__name__)  # `.df()`: now somebody does ask for pandas
        return getattr(loaded, name)


@functools.cache  # DuckDB remembers it for the life of the process; a connection costs 15 CPU ms
def keep_pandas_out() -> None:
    """Have DuckDB meet the stand-in once a process; one that has pandas already is left alone."""
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = _StandIn("pandas")
    try:
        with duckdb.connect() as connection:
            connection.execute("SELECT ?", [1])
    finally:
        del sys.modules["pandas"]
