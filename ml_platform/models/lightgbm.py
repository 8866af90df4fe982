"""LightGBM: gradient-boosted trees, fitted without pandas to the same bytes every time (S16)."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError, TrainingError
from ml_platform.models.class_weights import LearntWeights, weights_config
from ml_platform.models.encoding import RowEncoder, encode
from ml_platform.models.lightgbm_dataset import binned, in_one_matrix, internal_names
from ml_platform.models.lightgbm_library import lightgbm_library
from ml_platform.models.lightgbm_parameters import parameters_of
from ml_platform.models.lightgbm_row import RowScorer
from ml_platform.models.moved_targets import TARGET, Target, target_of
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.training_data import TrainingData, learn_classes, learn_levels, numeric_labels
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    import lightgbm

    from ml_platform.spec.training import LightGBM


class LightGBMModel:
    """Trees as LightGBM's own text."""

    format: ClassVar[str] = "lightgbm-text"
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)
    reproducible: ClassVar[bool] = True

    def __init__(self, text: bytes, signature: Signature, report: FitReport | None = None) -> None:
        self.signature = signature
        self.report = report or FitReport()
        self._text = text
        self._columns = tuple(signature.columns)
        self._rows = RowEncoder(self._columns, signature.levels)

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> npt.NDArray[np.float64]:
        encoded = encode(frame, self._columns, self.signature.levels)
        if encoded.is_empty():
            return np.empty((0, *filter(None, [len(self.signature.classes)])))
        return np.asarray(self._booster.predict(encoded, num_threads=threads), dtype=np.float64)

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        values = self._rows.values(row)
        scores = self._row_scorer.scores(values)
        if scores is None:
            predicted = self._booster.predict(np.array([values], dtype=np.float64), num_threads=1)
            scores = np.asarray(predicted, dtype=np.float64).ravel().tolist()
        return scores if self.signature.classes else scores[0]

    def contributions(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """TreeSHAP values (Lundberg et al. 2018, `pred_contrib`); see `Contributing.contributions`."""
        encoded = encode(frame, self._columns, self.signature.levels)
        shape = (frame.height, max(1, len(self.signature.classes)), len(self._columns) + 1)
        if encoded.is_empty():
            return np.empty((*shape[:2], len(self._columns)))
        values = np.asarray(self._booster.predict(encoded, pred_contrib=True), dtype=np.float64)
        return values.reshape(shape)[:, :, :-1]  # the last is the mean margin

    def importance(self) -> dict[str, float]:
        """Shares of the total gain of all splits; a column that no split uses has 0."""
        return gain_shares(self._text.decode(), self._columns)

    def to_bytes(self) -> bytes:
        """LightGBM's text."""
        return self._text

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        return cls(data, signature)

    @cached_property
    def _booster(self) -> "lightgbm.Booster":
        booster: lightgbm.Booster = lightgbm_library().Booster(model_str=self._text.decode())
        if tuple(booster.feature_name()) not in (self._columns, internal_names(self._columns)):
            raise ScoringError(
                "The model's columns are not those of its bundle.",
                remedy="The bundle was put together wrongly; train again.",
            )
        return booster

    @cached_property
    def _row_scorer(self) -> RowScorer:
        return RowScorer(self._booster, len(self._columns), max(1, len(self.signature.classes)))


class MovedLightGBMModel(LightGBMModel):
    """Trees that learnt a moved target: a line with its centre and scale, then LightGBM's text."""

    format: ClassVar[str] = "lightgbm-moved"

    def __init__(self, text: bytes, signature: Signature, target: Target, report: FitReport | None = None) -> None:
        super().__init__(text, signature, report)
        self._target = target

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> npt.NDArray[np.float64]:
        return self._target.outward(super().predict(frame, threads=threads))

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        return float(self._target.outward(np.array([super().predict_row(row)]))[0])

    def contributions(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        return super().contributions(frame) * self._target.scale

    def to_bytes(self) -> bytes:
        """The target, whose digits give each double back, and LightGBM's text."""
        return f"{self._target.centre!r} {self._target.scale!r}\n".encode() + self._text

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        first, _, text = data.partition(b"\n")
        return cls(text, signature, Target(*map(float, first.split())))


class LightGBMTrainer:
    """Fits `LightGBM(…)`. The validation part only stops early."""

    models: tuple[type[Model], ...] = (LightGBMModel, MovedLightGBMModel)

    def libraries(self, declared: "LightGBM") -> tuple[str, ...]:
        return LightGBMModel.libraries

    def code_version(self, declared: "LightGBM", task: Task) -> TrainerVersion:
        return 2 if task == "regression" else 1  # 2: targets are moved where float32 needs it

    def config(self, declared: "LightGBM", task: Task) -> dict[str, Any]:
        """`parameters` of LightGBM, complete but for threads; `rounds` and `early_stopping` apart.

        A regression has `target`, which a version that was trained before targets were moved lacks.
        """
        parameters = parameters_of(declared, task)
        return {
            "parameters": parameters,
            "rounds": declared.rounds,
            "early_stopping": declared.early_stopping,
            **weights_config(declared.class_weights, parameters),
            **({TARGET: "moved where float32 needs it"} if task == "regression" else {}),
        }

    def uses_validation(self, declared: "LightGBM") -> bool:
        """For early stopping."""
        return declared.early_stopping is not None

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> LightGBMModel:
        """See `Trainer.fit`. Equal training sets and configurations give equal bytes on one machine."""
        library = lightgbm_library()
        if config["parameters"].get("linear_tree"):
            data = in_one_matrix(data)
        train = data.rows("train")
        train_labels = train.labels
        signature = Signature(
            data.task, data.columns, learn_levels(train.whole, data.columns), learn_classes(train_labels, data.task)
        )
        parameters: dict[str, Any] = {**config["parameters"], "num_threads": threads}
        if signature.classes:
            parameters["num_class"] = len(signature.classes)
        try:
            labels = numeric_labels(train_labels, signature.classes)
            target = target_of(labels, parameters["objective"]) if TARGET in config else Target()
            weights = LearntWeights(config, labels, signature.classes)
            dataset = binned(train, target.inward(labels), signature, parameters, weight=weights.of(labels))
            del train
            evaluations: dict[str, dict[str, list[float]]] = {}
            callbacks: list[Callable[..., Any]] = []
            valid: list[lightgbm.Dataset] = []
            if config["early_stopping"] is not None:
                rows = data.rows("validation", signature.classes)  # LightGBM has no number for a class that train lacks
                asked = numeric_labels(rows.labels, signature.classes)
                valid = [binned(rows, target.inward(asked), signature, parameters, dataset, weights.of(asked))]
                del rows
                callbacks = [
                    library.early_stopping(config["early_stopping"], verbose=False),
                    library.record_evaluation(evaluations),
                ]
            booster = library.train(
                parameters,
                dataset,
                num_boost_round=config["rounds"],
                valid_sets=valid,
                valid_names=["validation"] if valid else None,
                callbacks=callbacks,
            )
        except library.basic.LightGBMError as error:
            raise TrainingError(f"LightGBM refuses: {error}.", remedy="See LightGBM(…) in the declaration.") from error
        except ScoringError as error:
            raise TrainingError(error.what, remedy=error.remedy) from error
        rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        last = {name: values[rounds - 1] for name, values in evaluations.get("validation", {}).items()}
        text = _without_threads(booster.model_to_string(num_iteration=rounds)).encode()
        report = FitReport(
            {**config["parameters"], "rounds": rounds, **weights.shown}, evaluations=target.evaluations(last)
        )
        if target.moved:
            return MovedLightGBMModel(text, signature, target, report)
        return LightGBMModel(text, signature, report)


TRAINER = LightGBMTrainer()


def gain_shares(text: str, columns: Sequence[str]) -> dict[str, float]:
    """Each column's share of the total gain of all splits, greatest first, read from a LightGBM model text.

    A column that no split uses is 0; a model without a split gives zeros.
    """
    gain: dict[str, float] = defaultdict(float)
    used: list[int] = []
    for line in text.splitlines():
        key, _, values = line.partition("=")
        if key == "split_feature":
            used = [int(value) for value in values.split()]
        elif key == "split_gain":
            for feature, value in zip(used, values.split(), strict=True):
                gain[columns[feature]] += float(value)
        elif key == "end of trees":
            break
    return ranked({name: gain[name] for name in columns})


def _without_threads(text: str) -> str:
    """The model without the line that says how many threads fitted it: it is no part of the model."""
    return re.sub(r"^\[num_threads: \d+\]\n", "", text, flags=re.MULTILINE)
