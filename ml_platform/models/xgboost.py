"""XGBoost: gradient-boosted trees on float32, fitted without pandas to the same bytes every time (S16).

A text is one of XGBoost's own categories, by the codes of the bundle's levels.
"""

import re
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError, TrainingError, first_line
from ml_platform.models.class_weights import LearntWeights, weights_config
from ml_platform.models.encoding import RowEncoder
from ml_platform.models.moved_targets import TARGET, XGBOOST_SPREADS, Target, target_of
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.training_data import TrainingData, learn_classes, learn_levels, numeric_labels
from ml_platform.models.xgboost_dataset import binned, feature_types, in_chunks, matrix, singles
from ml_platform.models.xgboost_library import xgboost_library
from ml_platform.models.xgboost_parameters import parameters_of
from ml_platform.models.xgboost_row import RowScorer
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    import xgboost

    from ml_platform.spec.training import XGBoost


class XGBoostModel:
    """Trees as XGBoost's UBJSON, after a line with the centre and scale of the target that they learnt."""

    format: ClassVar[str] = "xgboost-ubjson"
    libraries: ClassVar[tuple[str, ...]] = ("xgboost-cpu",)
    reproducible: ClassVar[bool] = True

    def __init__(self, trees: bytes, signature: Signature, target: Target, report: FitReport | None = None) -> None:
        self.signature = signature
        self.report = report or FitReport()
        self._trees, self._target = trees, target
        self._rows = RowEncoder(tuple(signature.columns), signature.levels)
        self._boosters: dict[int, xgboost.Booster] = {}
        self._turn = threading.Lock()

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> npt.NDArray[np.float64]:
        values = matrix(frame, self.signature)
        if not len(values):
            return np.empty((0, *filter(None, [len(self.signature.classes)])))
        scores = self._booster(threads).inplace_predict(values)
        return self._target.outward(np.asarray(scores, dtype=np.float64))

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        scores = self._row_scorer.scores(singles(self._rows.encode(row)))
        if self.signature.classes:
            return scores
        return scores[0] * self._target.scale + self._target.centre if self._target.moved else scores[0]

    def contributions(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """TreeSHAP values (Lundberg et al. 2018, `pred_contribs`); see `Contributing.contributions`."""
        values = matrix(frame, self.signature)
        if not len(values):
            return np.empty((0, max(1, len(self.signature.classes)), len(self.signature.columns)))
        rows = xgboost_library().DMatrix(
            values, feature_types=feature_types(self.signature), enable_categorical=True, nthread=1
        )
        with self._turn:  # unlike the scores of rows in memory
            shares = self._own_booster.predict(rows, pred_contribs=True, strict_shape=True)
        return np.asarray(shares, dtype=np.float64)[:, :, :-1] * self._target.scale  # the last is the mean margin

    def importance(self) -> dict[str, float]:
        """Shares of the total gain of all splits; a column that no split uses has 0."""
        with self._turn:
            gains = self._own_booster.get_score(importance_type="total_gain")
        of_columns = cast(dict[str, float], gains)  # lists are of linear boosters alone
        return ranked({name: of_columns.get(f"f{at}", 0.0) for at, name in enumerate(self.signature.columns)})

    def to_bytes(self) -> bytes:
        """The target, whose digits give each double back, and XGBoost's UBJSON."""
        return f"{self._target.centre!r} {self._target.scale!r}\n".encode() + self._trees

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        first, _, trees = data.partition(b"\n")
        return cls(trees, signature, Target(*map(float, first.split())))

    def _booster(self, threads: int) -> "xgboost.Booster":
        """A booster that scores rows in memory with so many threads, and nothing else."""
        with self._turn:
            if threads not in self._boosters:
                loaded = self._loaded(threads)
                loaded.inplace_predict(
                    np.zeros((1, len(self.signature.columns)), dtype=np.float32)
                )  # it prepares itself
                self._boosters[threads] = loaded
            return self._boosters[threads]

    def _loaded(self, threads: int) -> "xgboost.Booster":
        booster: xgboost.Booster = xgboost_library().Booster({"nthread": threads}, model_file=bytearray(self._trees))
        if booster.num_features() != len(self.signature.columns):
            raise ScoringError(
                "The model's columns are not those of its bundle.",
                remedy="The bundle was put together wrongly; train again.",
            )
        return booster

    @cached_property
    def _own_booster(self) -> "xgboost.Booster":
        """For what XGBoost lets one thread alone do."""
        return self._loaded(1)

    @cached_property
    def _row_scorer(self) -> RowScorer:
        return RowScorer(self._booster(1), len(self.signature.columns), max(1, len(self.signature.classes)))


class XGBoostTrainer:
    """Fits `XGBoost(…)`. The validation part only stops early."""

    models: tuple[type[Model], ...] = (XGBoostModel,)

    def libraries(self, declared: "XGBoost") -> tuple[str, ...]:
        return XGBoostModel.libraries

    def code_version(self, declared: "XGBoost", task: Task) -> TrainerVersion:
        return 1

    def config(self, declared: "XGBoost", task: Task) -> dict[str, Any]:
        """`parameters` of XGBoost, complete but for threads; `rounds` and `early_stopping` apart."""
        parameters = parameters_of(declared, task)
        return {
            "parameters": parameters,
            "rounds": declared.rounds,
            "early_stopping": declared.early_stopping,
            **weights_config(declared.class_weights, parameters),
            **({TARGET: "moved where float32 needs it"} if task == "regression" else {}),
        }

    def uses_validation(self, declared: "XGBoost") -> bool:
        """For early stopping."""
        return declared.early_stopping is not None

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> XGBoostModel:
        """See `Trainer.fit`. Equal training sets and configurations give equal bytes on one machine."""
        library = xgboost_library()
        data = in_chunks(data)
        train = data.rows("train")
        train_labels = train.labels
        signature = Signature(
            data.task, data.columns, learn_levels(train.whole, data.columns), learn_classes(train_labels, data.task)
        )
        parameters: dict[str, Any] = {**config["parameters"], "nthread": threads, "verbosity": 0}
        if signature.classes:
            parameters["num_class"] = len(signature.classes)
        try:
            labels = numeric_labels(train_labels, signature.classes)
            target = target_of(labels, parameters["objective"], XGBOOST_SPREADS) if TARGET in config else Target()
            weights = LearntWeights(config, labels, signature.classes)
            dataset = binned(train, target.inward(labels), signature, parameters, weight=weights.of(labels))
            valid: list[tuple[xgboost.DMatrix, str]] = []
            if config["early_stopping"] is not None:
                rows = data.rows("validation", signature.classes)  # XGBoost has no number for a class that train lacks
                if not rows.chunks:
                    raise TrainingError(
                        "The validation part has no example whose class train has, so nothing can stop early.",
                        remedy="Change Split(validation=…), or leave early_stopping out.",
                    )
                asked = numeric_labels(rows.labels, signature.classes)
                valid = [
                    (
                        binned(rows, target.inward(asked), signature, parameters, dataset, weights.of(asked)),
                        "validation",
                    )
                ]
            evaluations: dict[str, dict[str, list[float]]] = {}
            booster = library.train(
                parameters,
                dataset,
                num_boost_round=config["rounds"],
                evals=valid,
                evals_result=evaluations,
                early_stopping_rounds=config["early_stopping"],
                verbose_eval=False,
            )
        except library.core.XGBoostError as error:
            raise TrainingError(
                f"XGBoost refuses: {_reason(error)}.", remedy="See XGBoost(…) in the declaration."
            ) from error
        except ScoringError as error:
            raise TrainingError(error.what, remedy=error.remedy) from error
        rounds = config["rounds"] if config["early_stopping"] is None else booster.best_iteration + 1
        last = {name: values[rounds - 1] for name, values in evaluations.get("validation", {}).items()}
        report = FitReport(
            {**config["parameters"], "rounds": rounds, **weights.shown}, evaluations=target.evaluations(last)
        )
        return XGBoostModel(bytes(booster[:rounds].save_raw("ubj")), signature, target, report)


TRAINER = XGBoostTrainer()


def _reason(error: Exception) -> str:
    """What XGBoost says, without the time and the place in its sources."""
    return re.sub(r"^\[[\d:]+\] \S+: ", "", first_line(error))
