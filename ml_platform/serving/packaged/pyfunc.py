"""A packaged model as MLflow loads it: `mlflow.pyfunc.load_model` calls `_load_pyfunc` with the folder of its data."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ml_platform.errors import ScoringError
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.serving.packaged.manifest import Manifest

if TYPE_CHECKING:
    import pandas


class PyfuncModel:
    """Scores frames of pandas with the bits that the platform gives for the same values (S13).

    Raises BlobError for a damaged folder, and ServingError where libraries are not those of the training.
    """

    def __init__(self, folder: Path) -> None:
        manifest = Manifest.read(folder)
        manifest.check_libraries()
        bundle = bundles.read(BytesIO(manifest.bundle_bytes(folder)), manifest.bundle)
        self._types = {name: getattr(pl, dtype, None) for name, dtype in bundle.columns.items()}
        self._predictor = Predictor(bundle)

    def predict(self, model_input: "pandas.DataFrame", params: dict[str, Any] | None = None) -> "pandas.DataFrame":
        """One row of scores for each row: a column `score`, or of a multiclass model one for each class.

        None, NaN and pandas' NA are missing values. The model has no `params`. Raises ScoringError for a column that
        is missing or of another type.
        """
        import pandas

        columns = [name for name in self._types if name in model_input.columns]
        frame = pl.DataFrame([_series(name, model_input[name], self._types[name]) for name in columns])
        names = list(self._predictor.classes) or ["score"]
        if not len(model_input):
            return pandas.DataFrame({name: np.empty(0) for name in names})
        scores = self._predictor.scores(frame)
        return pandas.DataFrame(scores.reshape(len(model_input), len(names)), columns=names, index=model_input.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    """The model of a folder; MLflow calls it by this name."""
    return PyfuncModel(Path(path))


def _series(name: str, column: "pandas.Series[Any]", dtype: Any) -> pl.Series:
    """A column of pandas in the type that the model learnt."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        values = pl.Series(name, column.to_numpy(), nan_to_null=True)
    else:
        missing = column.isna().to_list()
        cells = [None if absent else cell for cell, absent in zip(column.to_list(), missing, strict=True)]
        values = pl.Series(name, cells, dtype=pl.String if dtype == pl.String else None, strict=False)
    if dtype is None or values.dtype == dtype:
        return values
    if dtype == pl.String or values.dtype == pl.String:
        return values  # the model says what it learnt
    converted = values.cast(dtype, strict=False)
    if dtype.is_integer() and not values.cast(pl.Float64).eq_missing(converted.cast(pl.Float64)).all():
        raise ScoringError(f"The column {name!r} is of whole numbers.", remedy=f"Give values that fit {dtype}.")
    return converted
