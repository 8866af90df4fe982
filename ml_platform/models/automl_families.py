"""What `AutoML(…)` chooses among: each trainer with the space of its parameters and where it starts (S62)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ml_platform.spec.automl import AutoML
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.search_space import Dimension, FloatRange, IntRange
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import LightGBM, Linear, XGBoost


@dataclass(frozen=True)
class Family:
    """One trainer of the choice.

    name:   the word of the trainer, or the class of a scikit-learn estimator; numbered where it is listed again.
    space:  parameter → what it may be; empty for a trainer that is tried as it is only.
    starts: parameters that are tried before any is drawn. The trainer as it is declared comes before them.
    """

    name: str
    trainer: PlainTrainer
    space: Mapping[str, Dimension] = field(default_factory=dict)
    starts: Sequence[Mapping[str, Any]] = ()


def families(declared: AutoML, task: Task) -> list[Family]:
    """The listed trainers, or those that are installed, in order."""
    listed: Sequence[PlainTrainer] = declared.trainers or _installed(task)
    names: list[str] = []
    for trainer in listed:
        name = trainer.name if isinstance(trainer, ScikitLearn) else type(trainer).__name__
        again = sum(one.partition(" ")[0] == name for one in names)
        names.append(f"{name} {again + 1}" if again else name)
    return [Family(name, trainer, *_search_of(trainer)) for name, trainer in zip(names, listed, strict=True)]


def _installed(task: Task) -> list[PlainTrainer]:
    trainers: list[PlainTrainer] = [LightGBM()]
    if find_spec("xgboost") is not None:
        trainers.append(XGBoost())
    trainers.append(Linear())
    if find_spec("sklearn") is not None and find_spec("skops") is not None:
        kind = "Regressor" if task == "regression" else "Classifier"
        trainers.append(ScikitLearn(f"sklearn.ensemble.ExtraTrees{kind}", min_samples_leaf=3))
    return trainers


def _search_of(trainer: PlainTrainer) -> tuple[Mapping[str, Dimension], Sequence[Mapping[str, Any]]]:
    """The space of a trainer and its starts: small and slow to learn, then larger."""
    if isinstance(trainer, LightGBM):
        lightgbm: dict[str, Dimension] = {
            "num_leaves": IntRange(3, 255, log=True),
            "learning_rate": FloatRange(0.01, 0.3, log=True),
            "rounds": IntRange(20, 2_000, log=True),
            "min_data_in_leaf": IntRange(2, 200, log=True),
            "extra.feature_fraction": FloatRange(0.3, 1.0),
            "extra.lambda_l2": FloatRange(0.001, 100.0, log=True),
        }
        return lightgbm, [
            _lightgbm(leaves=5, rate=0.03, rounds=300, least=20, fraction=0.5, l2=1.0),
            _lightgbm(leaves=15, rate=0.05, rounds=500, least=10, fraction=0.8, l2=1.0),
            _lightgbm(leaves=63, rate=0.03, rounds=800, least=20, fraction=0.8, l2=0.1),
        ]
    if isinstance(trainer, XGBoost):
        xgboost: dict[str, Dimension] = {
            "max_depth": IntRange(1, 12),
            "learning_rate": FloatRange(0.01, 0.3, log=True),
            "rounds": IntRange(20, 2_000, log=True),
            "min_child_weight": FloatRange(0.1, 100.0, log=True),
            "extra.colsample_bytree": FloatRange(0.3, 1.0),
            "extra.subsample": FloatRange(0.5, 1.0),
            "extra.lambda": FloatRange(0.001, 100.0, log=True),
        }
        return xgboost, [
            _xgboost(depth=2, rate=0.05, rounds=300, least=5.0, columns=0.5, rows=0.8),
            _xgboost(depth=4, rate=0.05, rounds=500, least=5.0, columns=0.8, rows=0.8),
            _xgboost(depth=7, rate=0.03, rounds=800, least=5.0, columns=0.7, rows=0.8),
        ]
    if isinstance(trainer, Linear):
        return {"l2": FloatRange(0.001, 10_000.0, log=True)}, [{"l2": 30.0}]
    if trainer.name.removesuffix("Classifier").removesuffix("Regressor") in ("ExtraTrees", "RandomForest"):
        forest: dict[str, Dimension] = {
            "n_estimators": IntRange(20, 400, log=True),
            "min_samples_leaf": IntRange(1, 50, log=True),
            "max_features": FloatRange(0.1, 1.0),
        }
        return forest, [{"n_estimators": 200, "min_samples_leaf": 5, "max_features": 0.5}]
    return {}, []


def _lightgbm(*, leaves: int, rate: float, rounds: int, least: int, fraction: float, l2: float) -> dict[str, Any]:
    return {
        "num_leaves": leaves,
        "learning_rate": rate,
        "rounds": rounds,
        "min_data_in_leaf": least,
        "extra.feature_fraction": fraction,
        "extra.lambda_l2": l2,
    }


def _xgboost(*, depth: int, rate: float, rounds: int, least: float, columns: float, rows: float) -> dict[str, Any]:
    return {
        "max_depth": depth,
        "learning_rate": rate,
        "rounds": rounds,
        "min_child_weight": least,
        "extra.colsample_bytree": columns,
        "extra.subsample": rows,
        "extra.lambda": 1.0,
    }
