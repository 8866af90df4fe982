"""A regularised linear model in numpy: logistic, multinomial or least squares, stored as plain numbers.

Numbers are standardised by the train part. A missing one (null, NaN or infinite) counts as the mean, and
an indicator of its own says so where train had any. Text is one-hot by the categories of the train part; a
missing or unseen category is all zeros. Sums are numpy's own and never BLAS's, whose result depends on
the number of threads: the same training gives the same bytes, and a row the bits of its batch (S13, S16).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.class_weights import LearntWeights, weights_config
from ml_platform.models.encoding import RowEncoder, encode
from ml_platform.models.lbfgs import minimised
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.training_data import TrainingData, learn_classes, learn_levels, numeric_labels
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.training import Linear

Array = npt.NDArray[np.float64]

FARTHEST = 1e6  # standard deviations: a value beyond counts as this far, so that every score is finite


@dataclass(frozen=True)
class Number:
    """A standardised number: one weight a score. `missing` is what a missing value adds instead."""

    centre: float
    scale: float
    weights: list[float]
    missing: list[float]

    def of_many(self, values: Array) -> list[Array]:
        """What each value adds to each score; NaN and infinity are missing."""
        present, scaled = np.isfinite(values), standardised(values, self.centre, self.scale)
        return [np.where(present, scaled * w, m) for w, m in zip(self.weights, self.missing, strict=True)]

    def of_one(self, value: float) -> list[float]:
        if not -np.inf < value < np.inf:
            return self.missing
        scaled = max(-FARTHEST, min(FARTHEST, (value - self.centre) / self.scale))
        return [scaled * weight for weight in self.weights]


@dataclass(frozen=True)
class Text:
    """A one-hot text: the weights of its categories, one list a score."""

    weights: list[list[float]]

    def of_many(self, values: Array) -> list[Array]:
        """What each code adds to each score; NaN is missing and adds nothing."""
        codes = np.where(np.isnan(values), len(self.weights[0]), values).astype(np.intp)
        return [np.array([*weights, 0.0])[codes] for weights in self.weights]

    def of_one(self, value: float) -> list[float]:
        return [weights[int(value)] if value == value else 0.0 for weights in self.weights]


class LinearModel:
    """One score for binary and regression, one a class for multiclass: the intercept and what each column adds.

    `sizes` are by column the sum of its |coefficients|, each times the standard deviation of what it multiplies.
    """

    format: ClassVar[str] = "linear-json"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    reproducible: ClassVar[bool] = True

    def __init__(
        self,
        signature: Signature,
        intercept: list[float],
        columns: Mapping[str, Number | Text],
        sizes: Mapping[str, float],
        report: FitReport | None = None,
    ) -> None:
        self.signature = signature
        self.report = report or FitReport()
        self._intercept = intercept
        self._columns = {name: columns[name] for name in signature.columns}
        self._sizes = sizes
        self._rows = RowEncoder(tuple(signature.columns), signature.levels)

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        margins = np.repeat(np.array(self._intercept)[:, None], frame.height, axis=1)
        for part, values in zip(self._columns.values(), _columns(frame, self.signature), strict=True):
            for score, added in enumerate(part.of_many(values)):
                margins[score] += added
        return _answers(margins, self.signature.task)

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        margins = list(self._intercept)
        for part, value in zip(self._columns.values(), self._rows.encode(row)[0].tolist(), strict=True):
            for score, added in enumerate(part.of_one(value)):
                margins[score] += added
        answer = _answers(np.array(margins)[:, None], self.signature.task)[0]
        return answer.tolist()  # type: ignore[no-any-return]  # a float or a list of them

    def importance(self) -> dict[str, float]:
        """Shares of the sum of |standardised coefficients|."""
        return ranked({name: self._sizes[name] for name in self.signature.columns})

    def to_bytes(self) -> bytes:
        """JSON; Python writes the shortest digits that give each float64 back."""
        columns = {name: asdict(part) for name, part in self._columns.items()}
        document = {"intercept": self._intercept, "columns": columns, "sizes": dict(self._sizes)}
        return json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        document = json.loads(data)
        kinds: dict[str, type[Number | Text]] = {name: Text for name in signature.levels}
        columns = {name: kinds.get(name, Number)(**part) for name, part in document["columns"].items()}
        return cls(signature, document["intercept"], columns, document["sizes"])


class LinearTrainer:
    """Fits `Linear(…)` by L-BFGS (Nocedal & Wright 2006, 7.2). The validation part is not used."""

    models: tuple[type[Model], ...] = (LinearModel,)

    def libraries(self, declared: "Linear") -> tuple[str, ...]:
        return LinearModel.libraries

    def code_version(self, declared: "Linear", task: Task) -> TrainerVersion:
        return 1

    def config(self, declared: "Linear", task: Task) -> dict[str, Any]:
        """`parameters`: the penalty."""
        return {"parameters": {"l2": declared.l2}, **weights_config(declared.class_weights, {})}

    def uses_validation(self, declared: "Linear") -> bool:
        return False

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> LinearModel:
        """See `Trainer.fit`. Minimises the summed loss and l2 / 2 times the squared weights, without the intercept."""
        train = data.part("train")
        levels = learn_levels(train.lazy(), data.columns)
        signature = Signature(data.task, data.columns, levels, learn_classes(train["_label"], data.task))
        labels = numeric_labels(train["_label"], signature.classes)
        design = _Design(_columns(train, signature), signature)
        del train
        centre, scale = spread(labels) if data.task == "regression" else (0.0, 1.0)
        learnt = LearntWeights(config, labels, signature.classes)
        counting = learnt.of(labels)
        labels = standardised(labels, centre, scale)
        scores, count, l2 = max(1, len(signature.classes)), len(labels), config["parameters"]["l2"]
        curvature = 1.0 if data.task == "regression" else 0.25  # of the loss by its margin, at most
        penalty = np.array([0.0, *[l2 / count] * design.width])
        unit = np.sqrt(curvature * np.array([1.0, *design.squares]) + penalty)

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(scores, -1) / unit
            total, residuals = _loss(design.margins(weights), labels, data.task, counting)
            gradient = np.array([design.gradient(one) for one in residuals]) / count + penalty * weights
            return total / count + float(np.sum(penalty * weights * weights)) / 2, (gradient / unit).ravel()

        best, iterations, steepest = minimised(loss, np.zeros(scores * len(unit)))
        weights = best.reshape(scores, -1) / unit * scale
        weights[:, 0] += centre
        report = {"l2": l2, "iterations": iterations, "gradient": steepest, **learnt.shown}
        return design.model(signature, weights, FitReport(report))


TRAINER = LinearTrainer()


class _Design:
    """What the coefficients multiply: numbers and missing indicators as a matrix, texts as codes."""

    def __init__(self, columns: list[Array], signature: Signature) -> None:
        self.slices: dict[str, slice] = {}  # column → its weights, the intercept not counted
        self.spreads: dict[str, tuple[float, float]] = {}
        self.texts: dict[str, tuple[npt.NDArray[np.intp], int]] = {}
        numbers: list[Array] = []
        for name, values in zip(signature.columns, columns, strict=True):
            if name in signature.levels:
                size = len(signature.levels[name])
                self.texts[name] = (np.where(np.isnan(values), size, values).astype(np.intp), size)
                continue
            present, start = np.isfinite(values), len(numbers)
            self.spreads[name] = spread(values[present])
            numbers.append(np.where(present, standardised(values, *self.spreads[name]), 0.0))
            if present.any() and not present.all():
                numbers.append((~present).astype(np.float64))
            self.slices[name] = slice(start, len(numbers))
        self.width = len(numbers)
        for name, (_, size) in self.texts.items():
            self.slices[name] = slice(self.width, self.width + size)
            self.width += size
        rows = len(columns[0])
        self.numbers = np.column_stack(numbers) if numbers else np.zeros((rows, 0))
        counts = [np.bincount(codes, minlength=size + 1)[:size] / rows for codes, size in self.texts.values()]
        shares = np.concatenate([np.zeros(0), *counts])
        means = np.concatenate([self.numbers.mean(axis=0), shares])
        self.squares = np.concatenate([np.mean(self.numbers**2, axis=0), shares])
        self.deviations = np.sqrt(np.maximum(self.squares - means**2, 0.0))

    def margins(self, weights: Array) -> Array:
        """Shape (scores, rows), of weights of shape (scores, 1 + width) with the intercept first."""
        wide = self.numbers.shape[1]
        margins = np.array([one[0] + np.einsum("nj,j->n", self.numbers, one[1 : 1 + wide]) for one in weights])
        for name, (codes, _) in self.texts.items():
            for score, one in enumerate(weights):
                margins[score] += np.append(one[1:][self.slices[name]], 0.0)[codes]
        return margins

    def gradient(self, residuals: Array) -> Array:
        """The derivative of the summed loss by the weights of one score."""
        parts = [np.array([np.sum(residuals)]), np.einsum("nj,n->j", self.numbers, residuals)]
        parts += [np.bincount(codes, residuals, size + 1)[:size] for codes, size in self.texts.values()]
        return np.concatenate(parts)

    def model(self, signature: Signature, weights: Array, report: FitReport) -> LinearModel:
        """The model of these weights."""
        columns: dict[str, Number | Text] = {}
        sizes: dict[str, float] = {}
        for name, span in self.slices.items():
            own = weights[:, 1:][:, span]
            sizes[name] = float(np.sum(np.abs(own) * self.deviations[span]))
            if name in self.texts:
                columns[name] = Text(own.tolist())
            else:
                missing = own[:, 1] if own.shape[1] > 1 else np.zeros(len(own))
                columns[name] = Number(*self.spreads[name], own[:, 0].tolist(), missing.tolist())
        return LinearModel(signature, weights[:, 0].tolist(), columns, sizes, report)


def _columns(frame: pl.DataFrame, signature: Signature) -> list[Array]:
    """The model's columns as float64; texts as codes, missing values as NaN."""
    encoded = encode(frame, tuple(signature.columns), signature.levels)
    return [column.cast(pl.Float64).fill_null(np.nan).to_numpy() for column in encoded]


def spread(values: Array) -> tuple[float, float]:
    """Mean and standard deviation; a constant has the deviation 1, as none at all has with the mean 0."""
    if not len(values) or values.min() == values.max():
        return (float(values[0]) if len(values) else 0.0), 1.0
    largest = float(np.abs(values).max())  # divided by, so that squares stay finite
    shares = values / largest
    mean = float(np.mean(shares))
    return largest * mean, largest * float(np.sqrt(np.mean((shares - mean) ** 2))) or 1.0


def standardised(values: Array, centre: float | Array, scale: float | Array) -> Array:
    """`(values - centre) / scale`, at most FARTHEST away from 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.clip((values - centre) / scale, -FARTHEST, FARTHEST))


def _answers(margins: Array, task: Task) -> Array:
    """Scores of margins (scores, rows), each row's by the same operations however many there are."""
    if task != "multiclass":
        return np.asarray(margins[0] if task == "regression" else np.exp(-np.logaddexp(0.0, -margins[0])))
    raised = np.exp(margins - margins.max(axis=0))
    return np.ascontiguousarray((raised / reduce(np.add, raised)).T)


def _loss(margins: Array, labels: Array, task: Task, weights: Array | None) -> tuple[float, Array]:
    """The summed loss, and its derivative by each margin: shape (scores, rows). `weights` None: all count 1."""
    answers = _answers(margins, task)
    if task == "regression":
        return float(np.sum((answers - labels) ** 2)) / 2, margins - labels
    if task == "binary":
        losses, residuals = np.logaddexp(0.0, margins[0]) - labels * margins[0], (answers - labels)[None]
    else:
        rows, codes = np.arange(len(labels)), labels.astype(np.intp)
        residuals = answers.T.copy()
        residuals[codes, rows] -= 1.0
        losses = reduce(np.logaddexp, margins) - margins[codes, rows]
    if weights is None:
        return float(np.sum(losses)), residuals
    return float(np.sum(losses * weights)), residuals * weights
