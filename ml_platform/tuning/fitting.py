"""A fitted model of a pipeline, searched for first where the trainer asks for it (S62)."""

from dataclasses import replace

from ml_platform.features.definition import FeatureDefinition
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.searching_gates import searched_in
from ml_platform.state import searches
from ml_platform.state.stores import Stores
from ml_platform.training import fitting
from ml_platform.training.fitting import Trained
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning.comparing import in_words, with_declared
from ml_platform.tuning.searching import Tell
from ml_platform.tuning.settling import settled


def make(stores: Stores, pipeline: ModelPipeline, training_set: TrainingSet, tell: Tell) -> Trained:
    """Fit the declared trainer on a stored training set, with the parameters that its searches choose.

    The bundle holds the chosen parameters, so that it is reproduced without a search. `tell` hears each trial. Raises
    what `training.fitting.make` raises, and SearchFailed.
    """
    definition, threads = FeatureDefinition.of(pipeline).to_json(), stores.settings.threads
    if not searched_in(pipeline.trainer):
        return fitting.make(stores.blobs, pipeline, training_set, definition, threads=threads)
    outcome = settled(stores, pipeline, training_set, tell)
    tell("training with the chosen parameters")
    trained = fitting.make(stores.blobs, outcome.pipeline, training_set, definition, threads=threads)
    comparisons = {search.id: search.comparison for search in outcome.searches}
    if not all(comparisons.values()):
        tell("comparing with the declared parameters")
        comparison = with_declared(stores, pipeline, outcome.pipeline, training_set, trained.bundle)
        for number in [number for number, known in comparisons.items() if not known]:
            searches.keep_comparison(stores.state, number, comparison)
            comparisons[number] = comparison
    chosen = ", ".join(f"search {search.id}, trial {search.best}" for search in outcome.searches)
    worth = dict.fromkeys(in_words(comparison) for comparison in comparisons.values())
    about = {"chosen by": chosen, "against the declared parameters": " ".join(worth)}
    return replace(trained, record={**trained.record, "parameters": {**trained.record["parameters"], **about}})
