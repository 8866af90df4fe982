"""Imports of model libraries without what they load when they can and nothing of the platform uses."""

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

AVOIDABLE = ("sklearn", "pandas")


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


def without_avoidable(load: Callable[[], ModuleType]) -> ModuleType:
    """What `load` imports, in a thread in which AVOIDABLE cannot be imported meanwhile.

    Where they are loaded already they are found, which costs nothing.
    """
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        return load()
    finally:
        sys.meta_path.remove(refusal)
