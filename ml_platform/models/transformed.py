"""A model of any library behind fitted transforms: a line of JSON with them, then the model's own bytes.

It reads and explains itself in the columns that are declared; its model sees those that the transforms make of them.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError, TrainingError
from ml_platform.models.calibrated import calibrated
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.quantiles import of_quantiles
from ml_platform.models.registry import plain_models, trainer_named, trainer_of
from ml_platform.models.selected import selecting
from ml_platform.models.selection import Choice
from ml_platform.models.training_data import TrainingData, learn_classes, numeric_labels
from ml_platform.models.transforms.chain import Chain, fitted
from ml_platform.models.transforms.folding import folds_of
from ml_platform.models.transforms.protocol import Target
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.transformed import Transformed

Array = npt.NDArray[np.float64]


class TransformedModel:
    """A model and its transforms. A subclass for each class of models names its format (`transformed`)."""

    of: ClassVar[type[Model]]
    format: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]

    def __init__(self, model: Model, chain: Chain, report: FitReport | None = None) -> None:
        own = model.signature
        levels = {name: own.levels[name] for name in chain.columns if name in own.levels}
        self.signature = Signature(own.task, chain.columns, levels, own.classes)
        self.report = report or FitReport()
        self._model, self._chain = model, chain

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        return self._model.predict(self._chain.apply(frame), threads=threads)

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        return self._model.predict_row(self._chain.apply_row(row))

    @property
    def selection(self) -> list[Choice]:
        """The choices about the columns behind the transforms; empty where all are seen."""
        return list(getattr(self._model, "selection", ()))

    def importance(self) -> dict[str, float]:
        """That of the model's columns, each divided among the columns that it came of (`Chain.shares`)."""
        own = self._model.importance()
        of_outputs = np.array([own[name] for name in self._chain.outputs])
        shares = np.einsum("o,oc->c", of_outputs, self._chain.shares)  # never BLAS, whose bits depend on its threads
        return ranked(dict(zip(self._chain.columns, shares.tolist(), strict=True)))

    def to_bytes(self) -> bytes:
        """The transforms, and the model's own bytes."""
        head = json.dumps(self._chain.to_json(), sort_keys=True, allow_nan=False, ensure_ascii=False)
        return head.encode() + b"\n" + self._model.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        head, _, own = data.partition(b"\n")
        chain = Chain.from_json(json.loads(head), signature.columns)
        inner = Signature(signature.task, chain.outputs, signature.levels, signature.classes)
        return cls(cls.of.from_bytes(own, inner), chain)


class ContributingTransformedModel(TransformedModel):
    """One whose model tells how much each column moved a prediction."""

    def contributions(self, frame: pl.DataFrame) -> Array:
        """Those of the model's columns, each divided among the columns that it came of (`Chain.shares`)."""
        own: Array = self._model.contributions(self._chain.apply(frame))  # type: ignore[attr-defined]  # `transformed` asks
        divided: Array = np.einsum("nso,oc->nsc", own, self._chain.shares)
        return divided


class QuantiledTransformedModel(TransformedModel):
    """One whose model answers quantiles."""

    _model: Any  # `transformed` asks whether it is a `Quantiled`

    @property
    def levels(self) -> tuple[float, ...]:
        """Those of the model."""
        levels: tuple[float, ...] = self._model.levels
        return levels

    def quantiles(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        """See `Quantiled.quantiles`."""
        values: Array = self._model.quantiles(self._chain.apply(frame), threads=threads)
        return values

    def quantiles_of_row(self, row: Mapping[str, Any]) -> list[float]:
        """The same for one row, to the same bits."""
        values: list[float] = self._model.quantiles_of_row(self._chain.apply_row(row))
        return values


@cache
def transformed(model: type[Model]) -> type[TransformedModel]:
    """The class of transformed models of that class."""
    base = ContributingTransformedModel if hasattr(model, "contributions") else TransformedModel
    if hasattr(model, "quantiles"):
        base = QuantiledTransformedModel
    libraries = tuple(dict.fromkeys([*model.libraries, "numpy"]))
    described = {"of": model, "format": f"transformed-{model.format}"}
    described |= {"libraries": libraries, "reproducible": model.reproducible}
    return type(f"Transformed{model.__name__}", (base,), described)


class TransformedTrainer:
    """Fits the trainer of a pipeline with transforms (`ModelPipeline.learner`)."""

    @property
    def models(self) -> tuple[type[Model], ...]:
        """One class for each class of models, calibrated or not or of quantiles, with all columns or some."""
        plain = list(plain_models())
        whole = [*plain, *map(calibrated, plain), *map(of_quantiles, plain)]
        return tuple(transformed(model) for model in [*whole, *map(selecting, whole)])

    def libraries(self, declared: "Transformed") -> tuple[str, ...]:
        return tuple(dict.fromkeys([*trainer_of(declared.trainer).libraries(declared.trainer), "numpy"]))

    def code_version(self, declared: "Transformed", task: Task) -> TrainerVersion:
        return [1, trainer_of(declared.trainer).code_version(declared.trainer, task)]

    def config(self, declared: "Transformed", task: Task) -> dict[str, Any]:
        """`transforms` in canonical form; `folds`: how they are ordered; `inner`: as of `Calibrated`."""
        from ml_platform.spec.canonical import canonical

        config = trainer_of(declared.trainer).config(declared.trainer, task)
        written = ", ".join(one.written() for one in declared.transforms)
        return {
            "trainer": "Transformed",
            "parameters": {**config["parameters"], "transforms": written},
            "transforms": [canonical(one) for one in declared.transforms],
            "folds": {"at": declared.at, "group": declared.group, "seed": declared.seed},
            "inner": {"trainer": type(declared.trainer).__name__, "config": config},
        }

    def uses_validation(self, declared: "Transformed") -> bool:
        return trainer_of(declared.trainer).uses_validation(declared.trainer)

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """See `Trainer.fit`. The transforms are fitted on the train part, and the trainer on what they make of it."""
        try:
            chain, train = _fitted(data, config)
        except ScoringError as error:
            raise TrainingError(error.what, remedy=error.remedy) from error
        if not chain.outputs:
            raise TrainingError(
                "The transforms leave no column: training has no category in what is one-hot.",
                remedy="Name other columns, or leave the transforms out.",
            )
        inner = config["inner"]
        with TemporaryDirectory(prefix="transforms-") as folder:
            _write(data, chain, train, Path(folder))
            seen = TrainingData(Path(folder), data.task, chain.outputs, data.in_memory, data.chunk)
            model = trainer_named(inner["trainer"]).fit(seen, inner["config"], threads=threads)
        parameters = {**model.report.parameters, "transforms": config["parameters"]["transforms"]}
        kind: Any = transformed(type(model))
        result: Model = kind(model, chain, FitReport(parameters, model.report.evaluations))
        return result


TRAINER = TransformedTrainer()


def _fitted(data: TrainingData, config: Mapping[str, Any]) -> tuple[Chain, pl.DataFrame]:
    """The transforms, and the columns that they read as they become in the train part."""
    folds, named = config["folds"], {name for word in config["transforms"] for name in word["columns"]}
    touched = [name for name in data.columns if name in named]
    also = [folds[name] for name in ("at", "group") if folds[name] is not None]
    stored = pl.scan_parquet(data.path).filter(pl.col(data.part_column) == "train")
    train = stored.select(list(dict.fromkeys([*touched, *also, "_label"]))).collect(engine="streaming")
    classes = learn_classes(train["_label"], data.task)
    labels = numeric_labels(train["_label"], classes)
    values = np.eye(len(classes))[labels.astype(np.intp)] if classes else labels[:, None]
    return fitted(config["transforms"], data.columns, train.select(touched), Target(values, folds_of(train, folds)))


def _write(data: TrainingData, chain: Chain, train: pl.DataFrame, folder: Path) -> None:
    """The training set behind the transforms as Parquet files that are read in their order, each of a chunk of rows.

    Within a file the train part comes first: parts keep their order, and among each other have none.
    """
    stored, done = pl.scan_parquet(data.path), 0
    for index in range(-(-stored.select(pl.len()).collect().item() // data.chunk)):
        rows = (
            stored.slice(index * data.chunk, data.chunk)
            .select(*data.columns, "_label", _part=data.part_column)
            .collect()
        )
        learnt, others = rows.filter(pl.col("_part") == "train"), rows.filter(pl.col("_part") != "train")
        own = train.slice(done, learnt.height)
        done += learnt.height
        outputs = list(chain.outputs)
        parts = [
            learnt.with_columns(own.get_columns()).select(*outputs, "_label", "_part"),
            chain.apply(others).hstack(others.select("_label", "_part")).select(*outputs, "_label", "_part"),
        ]
        pl.concat(parts).write_parquet(folder / f"{index:06}.parquet")
