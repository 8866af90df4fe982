"""A model of any library, its probabilities calibrated: a line of JSON with the map, then the model's own bytes."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.models.calibration import FIT, Calibration, calibration_of
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion
from ml_platform.models.registry import plain_models, trainer_named, trainer_of
from ml_platform.models.training_data import TrainingData, numeric_labels
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.composed_trainers import Calibrated

Array = npt.NDArray[np.float64]


class CalibratedModel:
    """A model and the map of its probabilities. A subclass for each class of models names its format (`calibrated`)."""

    of: ClassVar[type[Model]]
    format: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]

    def __init__(self, model: Model, method: str, calibration: Calibration, report: FitReport | None = None) -> None:
        self.signature = model.signature
        self.report = report or FitReport()
        self._model, self._method, self._calibration = model, method, calibration

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        return self._calibration.of(self._model.predict(frame, threads=threads))

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        return float(self._calibration.of(np.array([self._model.predict_row(row)]))[0])

    def importance(self) -> dict[str, float]:
        """That of the model."""
        return self._model.importance()

    def to_bytes(self) -> bytes:
        """The map, and the model's own bytes."""
        head = {"method": self._method, "map": asdict(self._calibration)}
        return json.dumps(head, sort_keys=True, allow_nan=False).encode() + b"\n" + self._model.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        head, _, own = data.partition(b"\n")
        document = json.loads(head)
        calibration = calibration_of(document["method"], document["map"])
        return cls(cls.of.from_bytes(own, signature), document["method"], calibration)


class ContributingCalibratedModel(CalibratedModel):
    """One whose model tells how much each column moved a prediction."""

    def contributions(self, frame: pl.DataFrame) -> Array:
        """To the margin before it is calibrated, which the calibrated one rises with."""
        contributions: Array = self._model.contributions(frame)  # type: ignore[attr-defined]  # `calibrated` asks
        return contributions


@cache
def calibrated(model: type[Model]) -> type[CalibratedModel]:
    """The class of calibrated models of that class."""
    base = ContributingCalibratedModel if hasattr(model, "contributions") else CalibratedModel
    described = {"of": model, "format": f"calibrated-{model.format}"}
    described |= {"libraries": model.libraries, "reproducible": model.reproducible}
    return type(f"Calibrated{model.__name__}", (base,), described)


class CalibratedTrainer:
    """Fits `Calibrated(…)`."""

    @property
    def models(self) -> tuple[type[Model], ...]:
        """One class for each class of models."""
        return tuple(calibrated(model) for model in plain_models())

    def libraries(self, declared: "Calibrated") -> tuple[str, ...]:
        return trainer_of(declared.trainer).libraries(declared.trainer)

    def code_version(self, declared: "Calibrated", task: Task) -> TrainerVersion:
        return [1, trainer_of(declared.trainer).code_version(declared.trainer, task)]

    def config(self, declared: "Calibrated", task: Task) -> dict[str, Any]:
        """`inner`: the word and configuration of what is calibrated; `halves`: whether it looks at validation too."""
        if task != "binary":
            raise TrainingError(f"A {task} task has no probability to calibrate.", remedy="Leave Calibrated(…) out.")
        trainer = trainer_of(declared.trainer)
        config = trainer.config(declared.trainer, task)
        return {
            "trainer": "Calibrated",
            "parameters": {**config["parameters"], "calibration": declared.method},
            "method": declared.method,
            "halves": trainer.uses_validation(declared.trainer),
            "inner": {"trainer": type(declared.trainer).__name__, "config": config},
        }

    def uses_validation(self, declared: "Calibrated") -> bool:
        return True

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """See `Trainer.fit`."""
        inner, method = config["inner"], config["method"]
        earlier, later = data.halves() if config["halves"] else (data, data)
        model = trainer_named(inner["trainer"]).fit(earlier, inner["config"], threads=threads)
        rows = later.part("validation")
        labels = numeric_labels(rows["_label"], ())
        if len(np.unique(labels)) < 2:
            raise TrainingError(
                f"The {len(labels):,} examples that should calibrate do not have both labels.",
                remedy="Widen Split(validation=…), or leave Calibrated(…) out.",
            )
        calibration = FIT[method](model.predict(rows, threads=threads), labels)
        report = FitReport(
            {**model.report.parameters, "calibration": method, "calibrated on": len(labels)}, model.report.evaluations
        )
        kind: Any = calibrated(type(model))
        fitted: Model = kind(model, method, calibration, report)
        return fitted


TRAINER = CalibratedTrainer()
