"""The best of several trainers on the validation part. What it fits is a model of one of them, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import PlatformError, ScoringError, TrainingError
from ml_platform.models.protocol import FitReport, Model, TrainerVersion
from ml_platform.models.registry import trainer_named, trainer_of
from ml_platform.models.training_data import TrainingData, numeric_labels
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.composed_trainers import Choose

Array = npt.NDArray[np.float64]

_SMALLEST = 1e-15  # probability that counts


class ChooseTrainer:
    """Fits `Choose(…)`."""

    models: tuple[type[Model], ...] = ()

    def libraries(self, declared: "Choose") -> tuple[str, ...]:
        used = [name for trainer in declared.trainers for name in trainer_of(trainer).libraries(trainer)]
        return tuple(dict.fromkeys(used))

    def code_version(self, declared: "Choose", task: Task) -> TrainerVersion:
        return [1, *(trainer_of(trainer).code_version(trainer, task) for trainer in declared.trainers)]

    def config(self, declared: "Choose", task: Task) -> dict[str, Any]:
        """`choices`: the name, the word and the configuration of each."""
        words = [type(trainer).__name__ for trainer in declared.trainers]
        names = [
            word if words.count(word) == 1 else f"{word} {words[: at + 1].count(word)}" for at, word in enumerate(words)
        ]
        configs = [trainer_of(trainer).config(trainer, task) for trainer in declared.trainers]
        choices = [
            {"name": name, "trainer": word, "config": config}
            for name, word, config in zip(names, words, configs, strict=True)
        ]
        return {"trainer": "Choose", "parameters": {"trainers": ", ".join(names)}, "choices": choices}

    def uses_validation(self, declared: "Choose") -> bool:
        return True

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """See `Trainer.fit`. A trainer that cannot be fitted is left out, and the report says why."""
        metric = "rmse" if data.task == "regression" else "log_loss"
        best: tuple[float, str, Model] | None = None
        refusals: list[PlatformError] = []
        outcomes: dict[str, str] = {}
        evaluations: dict[str, float] = {}
        for choice in config["choices"]:
            name = choice["name"]
            try:
                model = trainer_named(choice["trainer"]).fit(data, choice["config"], threads=threads)
                loss = _loss(model, data, threads)
            except (TrainingError, ScoringError) as error:
                refusals.append(error)
                outcomes[name] = error.what
                continue
            evaluations[f"{metric} of {name}"] = loss
            outcomes[name] = f"{metric} {loss:.6g}"
            if best is None or loss < best[0]:
                best = loss, name, model
        if best is None:
            first = refusals[0]
            raise TrainingError(first.what, remedy=first.remedy) from first
        _, name, chosen = best
        listed = "; ".join(f"{each}: {outcome}" for each, outcome in outcomes.items())
        chosen.report = FitReport(
            {"chosen": name, "trainers on validation": listed, **chosen.report.parameters},
            {**evaluations, **chosen.report.evaluations},
        )
        return chosen


TRAINER = ChooseTrainer()


def _loss(model: Model, data: TrainingData, threads: int) -> float:
    """Log loss or RMSE on the validation part. Raises TrainingError where there is none."""
    classes = model.signature.classes
    total, count = 0.0, 0
    for _, chunk in data.rows("validation", classes).chunks:
        frame: pl.DataFrame = chunk.collect(engine="streaming")
        labels, scores = numeric_labels(frame["_label"], classes), model.predict(frame, threads=threads)
        total, count = total + float(np.sum(losses(data.task, classes, labels, scores))), count + len(labels)
    if not count:
        raise TrainingError(
            "The validation part has no example to choose by.", remedy="Change Split(validation=…), or wait for labels."
        )
    if not np.isfinite(total):
        raise TrainingError("Its scores on the validation part are too far off to be compared.", remedy="Leave it out.")
    return float(np.sqrt(total / count)) if data.task == "regression" else total / count


def losses(task: Task, classes: Sequence[str], labels: Array, scores: Array) -> Array:
    """The log loss of each row, or its squared error. `labels` as `numeric_labels` gives them."""
    if task == "regression":
        with np.errstate(over="ignore"):
            return np.asarray(np.square(scores - labels))
    if classes:
        own = scores[np.arange(len(labels)), labels.astype(np.intp)]
    else:
        own = np.where(labels == 1.0, scores, 1.0 - scores)
    return np.asarray(-np.log(np.maximum(own, _SMALLEST)))
