"""A model of any library that sees some of its columns: a line of JSON with the choices, then the model's own bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.calibrated import calibrated
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.quantiles import of_quantiles
from ml_platform.models.registry import plain_models, trainer_named, trainer_of
from ml_platform.models.selection import Choice, selected
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.selection import Selected

Array = npt.NDArray[np.float64]


class SelectedModel:
    """A model and the choices about its columns. A subclass for each class of models names its format."""

    of: ClassVar[type[Model]]
    format: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]

    def __init__(
        self, model: Model, columns: Mapping[str, str], selection: Sequence[Choice], report: FitReport | None = None
    ) -> None:
        self.signature = replace(model.signature, columns=dict(columns))
        self.selection = list(selection)
        self.report = report or FitReport()
        self._model = model

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        return self._model.predict(frame, threads=threads)

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        return self._model.predict_row(row)

    def importance(self) -> dict[str, float]:
        """That of the model; 0 for a column that was dropped."""
        own = self._model.importance()
        return ranked({name: own.get(name, 0.0) for name in self.signature.columns})

    def to_bytes(self) -> bytes:
        """The choices, and the model's own bytes."""
        head = json.dumps(
            [choice.to_json() for choice in self.selection], sort_keys=True, allow_nan=False, ensure_ascii=False
        )
        return head.encode() + b"\n" + self._model.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        head, _, own = data.partition(b"\n")
        selection = [Choice(**choice) for choice in json.loads(head)]
        kept = {choice.column: signature.columns[choice.column] for choice in selection if choice.kept}
        return cls(cls.of.from_bytes(own, replace(signature, columns=kept)), signature.columns, selection)


class ContributingSelectedModel(SelectedModel):
    """One whose model tells how much each column moved a prediction."""

    def contributions(self, frame: pl.DataFrame) -> Array:
        """Those of the model; 0 of a column that was dropped."""
        own: Array = self._model.contributions(frame)  # type: ignore[attr-defined]  # `selecting` asks
        whole = np.zeros((*own.shape[:2], len(self.signature.columns)))
        whole[:, :, [at for at, choice in enumerate(self.selection) if choice.kept]] = own
        return whole


class QuantiledSelectedModel(SelectedModel):
    """One whose model answers quantiles."""

    _model: Any  # `selecting` asks whether it is a `Quantiled`

    @property
    def levels(self) -> tuple[float, ...]:
        """Those of the model."""
        levels: tuple[float, ...] = self._model.levels
        return levels

    def quantiles(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        """See `Quantiled.quantiles`."""
        values: Array = self._model.quantiles(frame, threads=threads)
        return values

    def quantiles_of_row(self, row: Mapping[str, Any]) -> list[float]:
        """The same for one row, to the same bits."""
        values: list[float] = self._model.quantiles_of_row(row)
        return values


@cache
def selecting(model: type[Model]) -> type[SelectedModel]:
    """The class of models of that class that see some of their columns."""
    base = ContributingSelectedModel if hasattr(model, "contributions") else SelectedModel
    if hasattr(model, "quantiles"):
        base = QuantiledSelectedModel
    described = {"of": model, "format": f"selected-{model.format}"}
    described |= {"libraries": tuple(dict.fromkeys([*model.libraries, "numpy"])), "reproducible": model.reproducible}
    return type(f"Selected{model.__name__}", (base,), described)


class SelectedTrainer:
    """Fits the trainer of a pipeline with a selection (`ModelPipeline.learner`)."""

    @property
    def models(self) -> tuple[type[Model], ...]:
        """One class for each class of models, calibrated or not or of quantiles."""
        plain = list(plain_models())
        return tuple(selecting(model) for model in [*plain, *map(calibrated, plain), *map(of_quantiles, plain)])

    def libraries(self, declared: "Selected") -> tuple[str, ...]:
        return tuple(dict.fromkeys([*trainer_of(declared.trainer).libraries(declared.trainer), "numpy"]))

    def code_version(self, declared: "Selected", task: Task) -> TrainerVersion:
        return [1, trainer_of(declared.trainer).code_version(declared.trainer, task)]

    def config(self, declared: "Selected", task: Task) -> dict[str, Any]:
        """`select` in canonical form; `inner`: as of `Calibrated`."""
        from ml_platform.spec.canonical import canonical  # a package that only answers has no declarations

        config = trainer_of(declared.trainer).config(declared.trainer, task)
        return {
            "trainer": "Selected",
            "parameters": {**config["parameters"], "select": declared.select.by},
            "select": canonical(declared.select),
            "inner": {"trainer": type(declared.trainer).__name__, "config": config},
        }

    def uses_validation(self, declared: "Selected") -> bool:
        by_permutation = declared.select.by == "permutation"
        return by_permutation or trainer_of(declared.trainer).uses_validation(declared.trainer)

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """See `Trainer.fit`. The trainer is fitted twice, but for a selection by correlation."""
        inner = config["inner"]

        def fit_on(some: TrainingData) -> Model:
            return trainer_named(inner["trainer"]).fit(some, inner["config"], threads=threads)

        selection = selected(data, config["select"], lambda: fit_on(data), threads)
        kept = {choice.column: data.columns[choice.column] for choice in selection if choice.kept}
        model = fit_on(replace(data, columns=kept))
        parameters = {
            **model.report.parameters,
            "select": config["select"]["by"],
            "columns kept": f"{len(kept)} of {len(selection)}",
        }
        kind: Any = selecting(type(model))
        result: Model = kind(model, data.columns, selection, FitReport(parameters, model.report.evaluations))
        return result


TRAINER = SelectedTrainer()
