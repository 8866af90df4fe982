"""LightGBM without scikit-learn and pandas, which it imports when it can and which nothing of the platform uses.

The import takes 1.6 CPU seconds with them and 0.1 without. What is imported here is a copy of the platform's own: who
imports lightgbm in the same process, such as a `clean` function or a notebook, gets a whole one.
"""

import importlib
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

from ml_platform.models.imported_library import without_avoidable

_LIBRARY = "lightgbm"
_turn = threading.Lock()


def lightgbm_library() -> Any:
    """The module lightgbm, the same at each call: that which somebody had imported before, or the platform's own."""
    with _turn:
        return _imported()


@cache
def _imported() -> ModuleType:
    if _LIBRARY in sys.modules:
        return sys.modules[_LIBRARY]
    try:
        return without_avoidable(lambda: importlib.import_module(_LIBRARY))
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == _LIBRARY]:
            del sys.modules[name]
