"""XGBoost without scikit-learn and pandas, which it imports when it can and which nothing of the platform uses.

The import takes 1.9 CPU seconds with them and 0.2 without. XGBoost imports modules of its own while it works, so its
copy for the platform has a name of its own: who imports xgboost in the same process gets a whole one.
"""

import importlib.util
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

from ml_platform.errors import TrainingError
from ml_platform.models.imported_library import without_avoidable

_COPY = "_ml_platform_xgboost"
_turn = threading.Lock()


def xgboost_library() -> Any:
    """The platform's own copy of the module xgboost, the same at each call.

    Raises TrainingError where XGBoost is not installed.
    """
    with _turn:
        return _imported()


@cache
def _imported() -> ModuleType:
    installed = importlib.util.find_spec("xgboost")
    if installed is None or installed.origin is None:
        raise TrainingError("XGBoost is not installed.", remedy="`pip install 'ml_platform[xgboost]'`.")
    spec = importlib.util.spec_from_file_location(
        _COPY, installed.origin, submodule_search_locations=installed.submodule_search_locations
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    load = spec.loader.exec_module

    def loaded() -> ModuleType:
        load(module)
        return module

    sys.modules[_COPY] = module
    try:
        return without_avoidable(loaded)
    except BaseException:
        for name in [name for name in sys.modules if name.partition(".")[0] == _COPY]:
            del sys.modules[name]
        raise
