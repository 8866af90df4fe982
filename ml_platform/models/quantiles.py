"""Models of several quantiles: a line of JSON with the levels and sizes, then the bytes of a model for each level."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.registry import plain_models, trainer_named, trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import MEDIAN, Task

if TYPE_CHECKING:
    from ml_platform.spec.quantiles import Quantiles

Array = npt.NDArray[np.float64]


class QuantilesModel:
    """A model for each level. A subclass for each class of models names its format (`of_quantiles`).

    What it answers is sorted by level (Chernozhukov, Fernández-Val and Galichon 2010): models that are fitted apart may
    cross, and the sorted values are never farther from the quantiles than the others are.
    """

    of: ClassVar[type[Model]]
    format: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]

    def __init__(self, models: Sequence[Model], levels: Sequence[float], report: FitReport | None = None) -> None:
        self.signature = models[0].signature
        self.report = report or FitReport()
        self.levels = tuple(levels)
        self._models = tuple(models)
        self._median = self.levels.index(MEDIAN)

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        """The median, shape (n,)."""
        return np.ascontiguousarray(self.quantiles(frame, threads=threads)[:, self._median])

    def predict_row(self, row: Mapping[str, Any]) -> float:
        return self.quantiles_of_row(row)[self._median]

    def quantiles(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        """See `Quantiled.quantiles`."""
        values = np.column_stack([model.predict(frame, threads=threads) for model in self._models])
        return np.sort(values, axis=1, kind="stable")

    def quantiles_of_row(self, row: Mapping[str, Any]) -> list[float]:
        """The same for one row, to the same bits."""
        values = np.array([model.predict_row(row) for model in self._models], dtype=np.float64)
        ordered: list[float] = np.sort(values, kind="stable").tolist()
        return ordered

    def importance(self) -> dict[str, float]:
        """The mean of the levels' shares."""
        shares = [model.importance() for model in self._models]
        return ranked({name: sum(of_level[name] for of_level in shares) for name in self.signature.columns})

    def to_bytes(self) -> bytes:
        """The levels, the sizes, and each model's own bytes."""
        parts = [model.to_bytes() for model in self._models]
        head = {"levels": list(self.levels), "sizes": [len(part) for part in parts]}
        return b"\n".join([json.dumps(head, sort_keys=True, allow_nan=False).encode(), b"".join(parts)])

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        head, _, rest = data.partition(b"\n")
        document = json.loads(head)
        ends = np.cumsum(document["sizes"]).tolist()
        parts = [rest[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        return cls([cls.of.from_bytes(part, signature) for part in parts], document["levels"])


@cache
def of_quantiles(model: type[Model]) -> type[QuantilesModel]:
    """The class of models of quantiles whose levels are models of that class."""
    described = {"of": model, "format": f"quantiles-{model.format}"}
    described |= {"libraries": model.libraries, "reproducible": model.reproducible}
    return type(f"Quantiles{model.__name__}", (QuantilesModel,), described)


class QuantilesTrainer:
    """Fits `Quantiles(…)`."""

    @property
    def models(self) -> tuple[type[Model], ...]:
        """One class for each class of models."""
        return tuple(of_quantiles(model) for model in plain_models())

    def libraries(self, declared: "Quantiles") -> tuple[str, ...]:
        return trainer_of(declared.trainer).libraries(declared.trainer)

    def code_version(self, declared: "Quantiles", task: Task) -> TrainerVersion:
        return [1, trainer_of(declared.trainer).code_version(declared.trainer, task)]

    def config(self, declared: "Quantiles", task: Task) -> dict[str, Any]:
        """`inner`: the configuration of each level, in the order of `levels`; `of` is the word of its trainer."""
        if task != "regression":
            raise TrainingError(f"A {task} task has no quantiles.", remedy="Leave Quantiles(…) out.")
        trainer = trainer_of(declared.trainer)
        configs = [trainer.config(declared.at(level), task) for level in declared.levels]
        median = configs[declared.levels.index(MEDIAN)]
        return {
            "trainer": "Quantiles",
            "parameters": {**median["parameters"], "levels": ", ".join(f"{level:g}" for level in declared.levels)},
            "levels": list(declared.levels),
            "of": type(declared.trainer).__name__,
            "inner": configs,
        }

    def uses_validation(self, declared: "Quantiles") -> bool:
        return trainer_of(declared.trainer).uses_validation(declared.trainer)

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """See `Trainer.fit`. The parameters of the report are those of the median, with the levels."""
        trainer, levels = trainer_named(config["of"]), config["levels"]
        models = [trainer.fit(data, of_level, threads=threads) for of_level in config["inner"]]
        median = models[levels.index(MEDIAN)].report
        evaluations = {
            f"{name} at {level:g}": value
            for level, model in zip(levels, models, strict=True)
            for name, value in model.report.evaluations.items()
        }
        report = FitReport({**median.parameters, "levels": config["parameters"]["levels"]}, evaluations)
        kind: Any = of_quantiles(type(models[0]))
        fitted: Model = kind(models, levels, report)
        return fitted


TRAINER = QuantilesTrainer()
