"""Rows in XGBoost's binned form, read chunk by chunk: about a byte a value, whatever the size of the rows themselves.

A training set is always read in the same chunks, also a small one, because XGBoost's bins depend on them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.encoding import encoded_matrix
from ml_platform.models.protocol import Signature
from ml_platform.models.training_data import Rows, TrainingData
from ml_platform.models.xgboost_library import xgboost_library

if TYPE_CHECKING:
    import xgboost

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

_LARGEST = float(np.finfo(np.float32).max)


def singles(values: Floats) -> Singles:
    """Numbers as XGBoost sees them; those beyond float32, and infinity, as its largest. NaN is missing."""
    return np.clip(values, -_LARGEST, _LARGEST).astype(np.float32)


def matrix(frame: pl.DataFrame, signature: Signature) -> Singles:
    """The model's columns, shape (n, columns), texts as codes.

    Raises ScoringError for a column that is missing or of another type.
    """
    return singles(encoded_matrix(frame, tuple(signature.columns), signature.levels))


def feature_types(signature: Signature) -> list[str]:
    """XGBoost's word for each column: "c" for a text, "q" for a number."""
    return ["c" if name in signature.levels else "q" for name in signature.columns]


def in_chunks(data: TrainingData) -> TrainingData:
    """The training set, read in chunks whatever its size."""
    return replace(data, in_memory=0)


def binned(
    rows: Rows,
    label: Floats,
    signature: Signature,
    parameters: dict[str, Any],
    reference: "xgboost.QuantileDMatrix | None" = None,
    weight: Floats | None = None,
) -> "xgboost.QuantileDMatrix":
    """The rows as XGBoost fits or evaluates them; `reference` gives the bins of rows that only evaluate.

    Raises ScoringError for a column of another type than the signature's.
    """
    library = xgboost_library()
    failed: list[BaseException] = []

    @lru_cache(maxsize=1)  # a small training set is one chunk, which is asked for several times
    def chunk(index: int) -> Singles:
        return matrix(rows.chunks[index][1].collect(engine="streaming"), signature)

    starts = np.cumsum([0, *(count for count, _ in rows.chunks)]).tolist()

    class Chunks(library.DataIter):  # type: ignore[misc,name-defined]  # the library is imported at run time
        at = 0

        def next(self, input_data: Callable[..., Any]) -> bool:
            if self.at == len(rows.chunks):
                return False
            try:
                values = chunk(self.at)
            except BaseException as error:  # whatever it is: XGBoost may not see it end here, and it is raised below
                failed.append(error)
                return False
            own = slice(starts[self.at], starts[self.at + 1])
            weights = {} if weight is None else {"weight": weight[own]}
            input_data(data=values, label=label[own], feature_types=feature_types(signature), **weights)
            self.at += 1
            return True

        def reset(self) -> None:
            self.at = 0

    try:
        dataset: xgboost.QuantileDMatrix = library.QuantileDMatrix(
            Chunks(),
            ref=reference,
            max_bin=parameters.get("max_bin"),
            nthread=parameters["nthread"],
            enable_categorical=True,
        )
    except library.core.XGBoostError:
        if failed:
            raise failed[0] from None
        raise
    if failed:
        raise failed[0]
    return dataset
