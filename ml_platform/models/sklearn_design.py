"""From a model's columns to the matrix that an estimator of scikit-learn sees, by the same operations for any row."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ml_platform.errors import TrainingError
from ml_platform.models.linear import spread, standardised
from ml_platform.models.protocol import Signature

Array = npt.NDArray[np.float64]

_LARGEST = 1e300  # of numbers that stay as they are: the mean of two is finite
WIDEST = 1000  # one-hot columns of all texts together: a matrix holds eight bytes of each for every row


@dataclass(frozen=True)
class Design:
    """How numbers and texts become columns.

    numbers:    positions of the numbers among the model's columns.
    texts:      position of a text → its number of categories.
    centres, scales: of the numbers, to standardise them; None: they stay as they are, also missing ones.
    indicated:  positions among `numbers` of those that have an indicator of being missing.
    empty:      positions among `numbers` of those that train never has, where they stay as they are: always 0.
    """

    numbers: list[int]
    texts: dict[int, int]
    centres: list[float] | None
    scales: list[float] | None
    indicated: list[int]
    empty: list[int]

    @classmethod
    def learnt(cls, values: Array, signature: Signature, *, standardise: bool) -> Self:
        """The design of the train part. Raises TrainingError for texts with more than WIDEST categories."""
        names = list(signature.columns)
        texts = {at: len(signature.levels[name]) for at, name in enumerate(names) if name in signature.levels}
        if sum(texts.values()) > WIDEST:
            widest = max(texts, key=lambda at: texts[at])
            raise TrainingError(
                f"The texts have {sum(texts.values()):,} categories together, {texts[widest]:,} of them in "
                f"{names[widest]}; scikit-learn's estimators would see a column for each (at most {WIDEST:,}).",
                remedy="Exclude that column (Examples(exclude=…)), or use LightGBM(…), XGBoost(…) or Linear(…).",
            )
        numbers = [at for at in range(len(names)) if at not in texts]
        present = np.isfinite(values[:, numbers])
        if not standardise:
            empty = [k for k in range(len(numbers)) if not present[:, k].any()]
            return cls(numbers, texts, None, None, [], empty)
        spreads = [spread(values[present[:, k], at]) for k, at in enumerate(numbers)]
        indicated = [k for k in range(len(numbers)) if present[:, k].any() and not present[:, k].all()]
        return cls(numbers, texts, [c for c, _ in spreads], [s for _, s in spreads], indicated, [])

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """What `dataclasses.asdict` and JSON made of it."""
        return cls(**{**document, "texts": {int(at): size for at, size in document["texts"].items()}})

    def matrix(self, values: Array) -> Array:
        """`values` of shape (n, the model's columns), texts as codes and NaN as missing, as the estimator sees them."""
        own = values[:, self.numbers]
        wide = len(self.numbers) + len(self.indicated)
        matrix = np.zeros((len(values), wide + sum(self.texts.values())))
        present = np.isfinite(own)
        if self._standardiser is None:
            matrix[:, : len(self.numbers)] = np.where(present, np.clip(own, -_LARGEST, _LARGEST), np.nan)
            matrix[:, self.empty] = 0.0
        else:
            matrix[:, : len(self.numbers)] = np.where(present, standardised(own, *self._standardiser), 0.0)
            matrix[:, len(self.numbers) : wide] = ~present[:, self.indicated]
        at_column = wide
        for at, size in self.texts.items():
            rows = np.flatnonzero(~np.isnan(values[:, at]))
            matrix[rows, at_column + values[rows, at].astype(np.intp)] = 1.0
            at_column += size
        return matrix

    @cached_property
    def _standardiser(self) -> tuple[Array, Array] | None:
        return None if self.centres is None else (np.array(self.centres), np.array(self.scales))
