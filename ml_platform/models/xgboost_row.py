"""XGBoost's way to score single rows without what `Booster.inplace_predict` prepares at each call.

It gives the same bits. The memory of its input belongs to one thread.
"""

import ctypes
import threading
from typing import TYPE_CHECKING

import numpy as np

from ml_platform.models.xgboost_library import xgboost_library

if TYPE_CHECKING:
    import xgboost

    from ml_platform.models.xgboost_dataset import Singles

_ARGUMENTS = (
    b'{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0, "missing": NaN, '
    b'"strict_shape": true, "cache_id": 0}'
)


class RowScorer:
    """Scores rows of `columns` numbers with `booster`, `outputs` numbers each. Safe to share between threads."""

    def __init__(self, booster: "xgboost.Booster", columns: int, outputs: int) -> None:
        self._booster, self._columns, self._outputs = booster, columns, outputs
        self._score = xgboost_library().core._LIB.XGBoosterPredictFromDense
        self._of_thread = threading.local()

    def scores(self, row: "Singles") -> list[float]:
        """What `inplace_predict` gives for one row, shape (1, columns); NaN is missing."""
        try:
            values, described = self._of_thread.memory
        except AttributeError:
            values = np.empty((1, self._columns), dtype=np.float32)
            described = xgboost_library().core.array_interface(values)
            self._of_thread.memory = values, described
        values[:] = row
        shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        answer = ctypes.POINTER(ctypes.c_float)()
        refused = self._score(
            self._booster.handle,
            described,
            _ARGUMENTS,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(answer),
        )
        if refused or [shape[at] for at in range(dimensions.value)] != [1, self._outputs]:
            return np.asarray(self._booster.inplace_predict(values), dtype=np.float64).ravel().tolist()
        return answer[: self._outputs]
