"""From a declared trainer to one without a search: every search is replaced by what it chose (S62)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl

from ml_platform import interrupts
from ml_platform.errors import TrainingError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.work_marks import marked
from ml_platform.models.automl_families import families
from ml_platform.models.registry import trainer_of
from ml_platform.redaction import without_secrets
from ml_platform.spec.automl import AutoML
from ml_platform.spec.canonical import canonical, content_key, libraries
from ml_platform.spec.composed_trainers import Calibrated, Choose, DeclaredTrainer
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.searched_trainers import AnySearched
from ml_platform.spec.searching_gates import keyed_for_search, searched_in
from ml_platform.spec.tasks import Task
from ml_platform.state import searches
from ml_platform.state.searches import Search
from ml_platform.state.stores import Stores
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform.tuning.folds import Fold, write_folds
from ml_platform.tuning.sampling import settings_of
from ml_platform.tuning.searching import Searching, Tell, trainer_of_trial


@dataclass(frozen=True)
class Settled:
    """A pipeline whose trainer needs no search, and the searches that chose its parameters, in order."""

    pipeline: ModelPipeline
    searches: tuple[Search, ...]


def settled(stores: Stores, pipeline: ModelPipeline, training_set: TrainingSet, tell: Tell) -> Settled:
    """Search for every searched trainer of the pipeline that was not searched for with this training set.

    Raises SearchFailed where all trials of one failed. An interrupt leaves the finished trials on record.
    """
    chosen: dict[str, tuple[DeclaredTrainer, Search]] = {}
    for declared in searched_in(pipeline.trainer):
        key = search_key(pipeline, declared, training_set.digest)
        if key not in chosen:
            search = _searched(stores, pipeline, declared, training_set, key, tell)
            chosen[key] = chosen_trainer(stores, pipeline.task, declared, search), search

    def choice(declared: AnySearched) -> DeclaredTrainer:
        return chosen[search_key(pipeline, declared, training_set.digest)][0]

    trainer = replaced(pipeline.trainer, choice)
    return Settled(replace(pipeline, trainer=trainer), tuple(search for _, search in chosen.values()))


def replaced(trainer: DeclaredTrainer, choice: Callable[[AnySearched], DeclaredTrainer]) -> DeclaredTrainer:
    """The trainer with `choice` in the place of every searched one."""
    if isinstance(trainer, AnySearched):
        return choice(trainer)
    if isinstance(trainer, Choose):
        chosen: list[Any] = [replaced(one, choice) for one in trainer.trainers]
        return replace(trainer, trainers=chosen)
    if isinstance(trainer, Calibrated):
        inner: Any = replaced(trainer.trainer, choice)
        return replace(trainer, trainer=inner)
    return trainer


def search_key(pipeline: ModelPipeline, declared: AnySearched, training_set: str) -> str:
    """The content key of a search. The library that suggests trials is no part of it, and stands in its record."""
    trainer = trainer_of(declared)
    return content_key(
        "search",
        trainer.code_version(declared, pipeline.task),
        pipeline.name,
        training_set,
        declared,
        list(pipeline.model_columns),
        keyed_for_search(pipeline),
        *([pipeline.transforms] if pipeline.transforms else []),
        *([pipeline.select] if pipeline.select else []),
        libraries(*trainer.libraries(declared), "polars"),
    )


def chosen_trainer(stores: Stores, task: Task, declared: AnySearched, search: Search) -> DeclaredTrainer:
    """The trainer with the parameters of the best trial."""
    best = next(trial for trial in searches.trials(stores.state, search.id) if trial.number == search.best)
    return trainer_of_trial(declared, task, best.number, best.parameters)


def _space(declared: AnySearched, task: Task) -> Mapping[str, Any]:
    if isinstance(declared, AutoML):
        return {family.name: family.space for family in families(declared, task)}
    return declared.space


def _searched(
    stores: Stores, pipeline: ModelPipeline, declared: AnySearched, training_set: TrainingSet, key: str, tell: Tell
) -> Search:
    asked = Search(
        pipeline=pipeline.name,
        content_key=key,
        training_set=training_set.digest,
        word=type(declared).__name__,
        trainer=canonical(declared.trainer),
        space=canonical(_space(declared, pipeline.task)),
        settings=settings_of(declared),
        metric=declared.metric or pipeline.headline,
        wanted=declared.wanted,
        started_at=datetime.now(UTC),
    )
    earlier = searches.by_key(stores.state, key)
    if earlier is not None and earlier.status == "done":
        return earlier
    search = searches.begin(stores.state, asked)
    if search.id in searches.alive(stores.state):
        tell(f"search {search.id} is under way in another process")
    with marked(stores.settings.lake, f"{searches.MARK}{search.id}"):  # waits for that process
        search = searches.begin(stores.state, asked)
        if search.status == "done":
            return search
        try:
            return _go_on(stores, pipeline, declared, training_set, search, tell)
        except BaseException as error:  # an interrupt too, which is on record as that
            _end_on_record(stores, search, error)
            raise


def _end_on_record(stores: Stores, search: Search, error: BaseException) -> None:
    if searches.search(stores.state, search.id).status != "running":
        return  # all trials failed, and that is on record
    stopped = interrupts.arrived() or isinstance(error, KeyboardInterrupt)
    why = "Stopped." if stopped else without_secrets(f"{type(error).__name__}: {error}")
    nothing_done = not stopped and isinstance(error, TrainingError)
    searches.end(stores.state, search, "failed" if nothing_done else "interrupted", error=why)


def _go_on(
    stores: Stores,
    pipeline: ModelPipeline,
    declared: AnySearched,
    training_set: TrainingSet,
    search: Search,
    tell: Tell,
) -> Search:
    with stores.blobs.writing() as folder:
        folder.mkdir()
        folded = folder / "folded.parquet"
        stored = stores.blobs.get(training_set.digest)
        folds = write_folds(stores.lake, pipeline, training_set, stored, declared.folds, folded)
        searches.keep_folds(stores.state, search.id, [fold.to_json() for fold in folds])
        data = FoldedData(pipeline, folded, FeatureDefinition.of(pipeline).to_json(), stores.settings.threads)

        @cache
        def labels(fold: Fold) -> Any:
            wanted = pl.col(fold.column) == "validation"
            return pl.scan_parquet(folded).filter(wanted).select("_label").collect()["_label"].to_numpy()

        return Searching(stores.state, declared, search, data, folds, labels, tell).finished()
