"""Estimators of scikit-learn, fitted with one thread of BLAS to the same bytes every time (S16).

Sums of BLAS depend on how many rows they are made for. Only trees score rows together; others score one row after the
other, so that a row has the bits of its batch (S13).
"""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform import interrupts
from ml_platform.errors import ScoringError, TrainingError, did_you_mean, first_line
from ml_platform.models.class_weights import LearntWeights, weights_config
from ml_platform.models.encoding import RowEncoder, encoded_matrix
from ml_platform.models.protocol import FitReport, Model, Signature, TrainerVersion, ranked
from ml_platform.models.sklearn_bytes import dumped, loaded
from ml_platform.models.sklearn_design import Design
from ml_platform.models.training_data import TrainingData, learn_classes, learn_levels, numeric_labels
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.scikit_learn import ScikitLearn

Array = npt.NDArray[np.float64]

_HISTOGRAMS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")  # they take missing numbers
_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_TREES = (*_HISTOGRAMS, *_FORESTS, "DecisionTreeClassifier", "DecisionTreeRegressor")
_SUMMED_IN_ORDER = 8  # classes: numpy adds more of them up in another order where there are several rows
_SHUFFLED = 1000  # rows in which importance shuffles a column


class ScikitLearnModel:
    """A line of JSON, with how the columns are encoded and their importance, and the estimator's own bytes."""

    format: ClassVar[str] = "sklearn-skops"
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "skops", "numpy", "scipy")
    reproducible: ClassVar[bool] = True

    def __init__(self, data: bytes, signature: Signature, report: FitReport | None = None) -> None:
        self.signature = signature
        self.report = report or FitReport()
        self._data = data
        head, _, self._stored = data.partition(b"\n")
        document = json.loads(head)
        self._design = Design.from_json(document["design"])
        self._importance: dict[str, float] = document["importance"]
        self._rows = RowEncoder(tuple(signature.columns), signature.levels)

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> Array:
        matrix = self._design.matrix(_values(frame, self.signature))
        classes = self.signature.classes
        if not len(matrix):
            return np.empty((0, *filter(None, [len(classes)])))
        if type(self._estimator).__name__ in _TREES and len(classes) < _SUMMED_IN_ORDER:
            return self._scored(matrix)
        return np.concatenate([self._scored(matrix[at : at + 1]) for at in range(len(matrix))])

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        scores = self._scored(self._design.matrix(self._rows.encode(row)))[0]
        return scores.tolist()  # type: ignore[no-any-return]  # a float or a list of them

    def importance(self) -> dict[str, float]:
        """Shares of how far scores of the train part moved when the column was shuffled, measured at the fit."""
        return ranked({name: self._importance[name] for name in self.signature.columns})

    def to_bytes(self) -> bytes:
        """As stored."""
        return self._data

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        return cls(data, signature)

    @cached_property
    def _estimator(self) -> Any:
        return loaded(self._stored)

    def _scored(self, matrix: Array) -> Array:
        scores = _scores(self._estimator, matrix, self.signature.task)
        if not np.isfinite(scores).all():
            raise ScoringError(
                f"The {type(self._estimator).__name__} answers NaN or infinity for a row.",
                remedy="Choose another estimator, or other parameters of it.",
            )
        return scores


class ScikitLearnTrainer:
    """Fits `ScikitLearn(…)`. The validation part is not used."""

    models: tuple[type[Model], ...] = (ScikitLearnModel,)

    def libraries(self, declared: "ScikitLearn") -> tuple[str, ...]:
        return ScikitLearnModel.libraries

    def code_version(self, declared: "ScikitLearn", task: Task) -> TrainerVersion:
        return 1

    def config(self, declared: "ScikitLearn", task: Task) -> dict[str, Any]:
        """`parameters`: the class, its arguments and its `random_state`, where it has one."""
        arguments = dict(declared.parameters)
        accepted = _parameters(declared.estimator)
        unknown = sorted(set(arguments) - set(accepted))
        if unknown:
            raise TrainingError(
                f"{declared.name} has no parameter {', '.join(map(repr, unknown))}.",
                remedy=" ".join(filter(None, (did_you_mean(name, accepted) for name in unknown)))
                or f"It takes {', '.join(accepted)}.",
            )
        if "random_state" in accepted:
            arguments["random_state"] = declared.seed
        estimator = _estimator_of(declared.estimator, arguments)
        _check_task(estimator, task)
        if declared.class_weights is not None:
            _check_weights(estimator)
        return {
            "parameters": {"estimator": declared.estimator, **arguments},
            **weights_config(declared.class_weights, arguments),
        }

    def uses_validation(self, declared: "ScikitLearn") -> bool:
        return False

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> ScikitLearnModel:
        """See `Trainer.fit`. Only forests use several threads; their trees do not depend on them."""
        from threadpoolctl import threadpool_limits

        arguments = dict(config["parameters"])
        name = arguments.pop("estimator")
        estimator = _estimator_of(name, arguments)
        train = data.part("train")
        levels = learn_levels(train.lazy(), data.columns)
        signature = Signature(data.task, data.columns, levels, learn_classes(train["_label"], data.task))
        labels = numeric_labels(train["_label"], signature.classes)
        weights = LearntWeights(config, labels, signature.classes)
        weighted = {} if (own := weights.of(labels)) is None else {"sample_weight": own}
        values = _values(train, signature)
        del train
        kind = type(estimator).__name__
        design = Design.learnt(values, signature, standardise=kind not in _HISTOGRAMS)
        if kind in _FORESTS:
            estimator.set_params(n_jobs=threads or -1)
        with threadpool_limits(limits=1):
            try:
                targets = labels if data.task == "regression" else labels.astype(np.intp)
                estimator.fit(design.matrix(values), targets, **weighted)
            except Exception as error:  # of whatever the estimator does not take
                interrupts.stop_if_arrived()
                raise TrainingError(
                    f"{name} refuses: {first_line(error)}.", remedy="See ScikitLearn(…) in the declaration."
                ) from error
            if kind in _FORESTS:
                estimator.set_params(n_jobs=None)
            effects = _shuffle_effects(lambda some: _scores(estimator, design.matrix(some), data.task), values)
        head = {"design": asdict(design), "importance": dict(zip(signature.columns, effects, strict=True))}
        text = json.dumps(head, sort_keys=True, allow_nan=False, ensure_ascii=False)
        report = FitReport({**config["parameters"], **weights.shown})
        return ScikitLearnModel(text.encode() + b"\n" + dumped(estimator), signature, report)


TRAINER = ScikitLearnTrainer()


def _class_of(name: str) -> Any:
    """The class of that dotted name. Raises TrainingError where it does not exist."""
    for module, distribution in (("sklearn", "scikit-learn"), ("skops", "skops")):
        if find_spec(module) is None:
            raise TrainingError(f"{distribution} is not installed.", remedy="`pip install 'ml_platform[sklearn]'`.")
    module, _, kind = name.rpartition(".")
    home = importlib.import_module(module)
    member = getattr(home, kind, None)
    classes = [name for name in home.__all__ if name[:1].isupper()]
    if kind not in classes or not inspect.isclass(member):
        raise TrainingError(
            f"{module} has no class {kind}.", remedy=did_you_mean(kind, classes) or f"It has {', '.join(classes)}."
        )
    return member


def _parameters(name: str) -> list[str]:
    return [parameter for parameter in inspect.signature(_class_of(name)).parameters if parameter != "self"]


def _estimator_of(name: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return _class_of(name)(**arguments)
    except TypeError as error:  # of a class that needs more
        raise TrainingError(f"{name} refuses: {first_line(error)}.", remedy="Give what it needs.") from error


def _check_task(estimator: Any, task: Task) -> None:
    """Raise TrainingError unless the estimator answers what the task needs."""
    from sklearn.base import is_classifier, is_regressor

    kind = type(estimator).__name__
    if not (is_regressor if task == "regression" else is_classifier)(estimator):
        raise TrainingError(
            f"{kind} is no {'regressor' if task == 'regression' else 'classifier'}, which a {task} task needs.",
            remedy="Choose another estimator.",
        )
    if task != "regression" and not hasattr(estimator, "predict_proba"):
        raise TrainingError(
            f"{kind} has no predict_proba with these parameters, and a {task} label needs probabilities.",
            remedy="Choose other parameters, such as loss='log_loss', or another estimator.",
        )


def _check_weights(estimator: Any) -> None:
    """Raise TrainingError for an estimator that takes no weights."""
    kind = type(estimator).__name__
    if "sample_weight" not in inspect.signature(estimator.fit).parameters:
        raise TrainingError(
            f"{kind} takes no weights of examples.", remedy="Leave class_weights= out, or choose another estimator."
        )


def _values(frame: pl.DataFrame, signature: Signature) -> Array:
    """The model's columns, shape (n, columns); texts as codes, missing values as NaN."""
    return encoded_matrix(frame, tuple(signature.columns), signature.levels)


def _scores(estimator: Any, matrix: Array, task: Task) -> Array:
    from sklearn import config_context

    with config_context(assume_finite=True):
        if task == "regression":
            return np.asarray(estimator.predict(matrix), dtype=np.float64).ravel()
        answers = np.ascontiguousarray(estimator.predict_proba(matrix), dtype=np.float64)
    return np.ascontiguousarray(answers[:, 1]) if task == "binary" else answers


def _shuffle_effects(scores: Callable[[Array], Array], values: Array) -> list[float]:
    """By column how far scores move on average when it is shuffled among at most _SHUFFLED rows."""
    some = values[np.linspace(0, len(values) - 1, min(len(values), _SHUFFLED)).astype(np.intp)]
    order, before = np.random.default_rng(0).permutation(len(some)), scores(some)
    moved = []
    for column in range(some.shape[1]):
        shuffled = some.copy()
        shuffled[:, column] = some[order, column]
        moved.append(float(np.mean(np.abs(scores(shuffled) - before))))
    return moved
