"""Rows in LightGBM's binned form: about a byte a value, whatever the size of the rows themselves.

Rows in memory are handed over as one matrix. Others are read twice in chunks: LightGBM finds the bins in its sample
(`bin_construct_sample_cnt` rows of the whole part), then each chunk is binned. Both ways give the same bins.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.encoding import encode
from ml_platform.models.lightgbm_library import lightgbm_library
from ml_platform.models.protocol import Signature
from ml_platform.models.training_data import Rows, TrainingData

if TYPE_CHECKING:
    import lightgbm

Floats = npt.NDArray[np.float64]

_TAKEN = re.compile(r"""[^\s\x00",:\[\]{}]+""")  # names that LightGBM takes and gives back as they are


def internal_names(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns' names for LightGBM: their own, or f0, f1, … where it would refuse or change one of them."""
    if all(_TAKEN.fullmatch(name) for name in columns):
        return tuple(columns)
    return tuple(f"f{index}" for index in range(len(columns)))


def binned(
    rows: Rows,
    label: Floats,
    signature: Signature,
    parameters: dict[str, Any],
    reference: "lightgbm.Dataset | None" = None,
    weight: Floats | None = None,
) -> "lightgbm.Dataset":
    """The rows as LightGBM fits or evaluates them; `reference` gives the bins of rows that only evaluate.

    Raises ScoringError for a column of another type than the signature's.
    """
    columns = list(signature.columns)
    names = internal_names(columns)
    dataset = _dataset_type()(
        _data(rows, signature),
        label=label,
        weight=weight,
        reference=reference,
        feature_name=list(names),
        categorical_feature=[name for name, column in zip(names, columns, strict=True) if column in signature.levels],
        params=parameters,
        free_raw_data=True,
    )
    constructed: lightgbm.Dataset = dataset.construct()
    return constructed


def in_one_matrix(data: TrainingData) -> TrainingData:
    """The training set, never read in chunks: for linear trees, which keep the values beside the bins.

    Of rows that come in chunks LightGBM 4.7 writes those values past the memory that it has for them
    (`LGBM_DatasetPushRows` resizes it to one chunk).
    """
    return replace(data, in_memory=sys.maxsize)


def _data(rows: Rows, signature: Signature) -> "pl.DataFrame | list[_Chunk]":
    def encoded(chunk: pl.LazyFrame) -> pl.DataFrame:
        return encode(chunk.collect(engine="streaming"), list(signature.columns), signature.levels)

    if len(rows.chunks) <= 1:
        return encoded(rows.whole)
    chunks = [chunk for _, chunk in rows.chunks]

    @lru_cache(maxsize=1)  # LightGBM asks for one row after the other
    def matrix(index: int) -> Floats:
        return encoded(chunks[index]).cast(pl.Float64).to_numpy(order="c")

    lightgbm_library().Sequence.register(_Chunk)
    return [_Chunk(count, partial(matrix, index)) for index, (count, _) in enumerate(rows.chunks)]


class _Chunk:
    """A `lightgbm.Sequence` of the rows of one chunk; `matrix` reads them."""

    def __init__(self, rows: int, matrix: Callable[[], Floats]) -> None:
        self.batch_size = rows
        self._matrix = matrix

    def __len__(self) -> int:
        return self.batch_size

    def __getitem__(self, index: int | slice) -> Floats:
        return np.asarray(self._matrix()[index])


@cache
def _dataset_type() -> "type[lightgbm.Dataset]":
    library = lightgbm_library()

    class Dataset(library.Dataset):  # type: ignore[misc,name-defined]  # the library is imported at run time
        """A Dataset that bins sequences by all of its parameters, as it bins a matrix.

        LightGBM itself leaves out those that are not only for datasets, such as `seed` and `min_data_in_leaf`, which
        decide what it samples and which columns it ignores.
        """

        def get_params(self) -> dict[str, Any]:
            return dict(self.params or {})

    return Dataset
