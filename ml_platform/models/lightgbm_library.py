"""LightGBM without scikit-learn and pandas, which it imports when it can and which nothing of the platform uses.

The import takes 1.6 CPU seconds with them and 0.1 without. What is imported here is a copy of the platform's own: who
imports lightgbm in the same process, such as a `clean` function or a notebook, gets a whole one.
"""

import importlib
import sys
import threading
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

AVOIDABLE = ("sklearn", "pandas")
_LIBRARY = "lightgbm"
_turn = threading.Lock()


class _Refusal(MetaPathFinder):
    """Makes imports of AVOIDABLE fail in one thread, as where they are not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in AVOIDABLE and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)
        return None


def lightgbm_library() -> Any:
    """The module lightgbm, the same at each call: that which somebody had imported before, or the platform's own."""
    with _turn:
        return _imported()


@cache
def _imported() -> ModuleType:
    if _LIBRARY in sys.modules:
        return sys.modules[_LIBRARY]
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        return importlib.import_module(_LIBRARY)
    finally:
        sys.meta_path.remove(refusal)
        for name in [name for name in sys.modules if name.partition(".")[0] == _LIBRARY]:
            del sys.modules[name]
