"""What a user of a model must know of it: what was declared, and what it has not seen."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ml_platform.models.bundle import Bundle
from ml_platform.models.class_weights import WEIGHTS
from ml_platform.naming import counted, listed
from ml_platform.spec.examples import Label
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.model_card.card import Comparison, Feature, Limit, PartRows

_MANY_NULLS = 0.2  # of the training part: the model learnt from the rest only
_YEAR = timedelta(days=365)
_NAMED = 6  # columns of a sentence; the table of features has all


def limits(
    pipeline: ModelPipeline,
    bundle: Bundle,
    parts: Sequence[PartRows],
    immature: int | None,
    features: Sequence[Feature],
    comparison: Comparison | None,
) -> tuple[Limit, ...]:
    """The declared limits first, then those that follow from what it was trained on."""
    return (
        *(Limit("declared", text) for text in pipeline.limits),
        *(Limit("gate", f"{gate.phrase}: {gate.error_rates}") for gate in pipeline.gates if gate.error_rates),
        *_of_time(pipeline, parts),
        *_of_labels(pipeline, immature),
        *_of_columns(features),
        *_of_categories(bundle, features),
        *_of_weights(bundle),
        *_of_segments(comparison),
    )


def _of_time(pipeline: ModelPipeline, parts: Sequence[PartRows]) -> Iterator[Limit]:
    at = pipeline.examples.at
    if not at:
        return
    yield Limit("time", f"It predicts as of {at} and uses nothing that became known later.")
    spans = [part for part in parts if part.part == "train" and part.first and part.last]
    for part in spans:
        first, last = datetime.fromisoformat(part.first), datetime.fromisoformat(part.last)
        if last - first < _YEAR:
            span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
            yield Limit("time", f"It learnt from less than a year, {span}: other seasons are new to it.")


def _of_labels(pipeline: ModelPipeline, immature: int | None) -> Iterator[Limit]:
    label = pipeline.examples.label
    if isinstance(label, Label) and label.matures_after:
        yield Limit("label", f"A label is final only after {label.matures_after}.")
    if immature:
        yield Limit("label", f"Left out, because they had no label by the decision: {counted(immature, 'example')}.")


def _of_columns(features: Sequence[Feature]) -> Iterator[Limit]:
    gaps = [one for one in features if one.null_share is not None and one.null_share >= _MANY_NULLS]
    if gaps:
        worst = sorted(gaps, key=lambda one: (-(one.null_share or 0.0), one.name))
        named = listed([f"{one.name} ({one.null_share:.0%})" for one in worst], _NAMED)
        yield Limit("nulls", f"Often missing in training: {named}.")
    same = [one.name for one in features if one.lowest is not None and one.lowest == one.highest]
    if same:
        yield Limit("range", f"Of one value in training, so that nothing was learnt of others: {listed(same, _NAMED)}.")
    if any(one.lowest is not None for one in features):
        yield Limit("range", "Numbers outside of the ranges of the training part are new to it.")
    late = sorted({one.available_since for one in features if one.available_since is not None})
    if late:
        names = [one.name for one in features if one.available_since == late[-1]]
        text = f"Not available before {late[-1]:%Y-%m-%d %H:%M} UTC: {listed(names, _NAMED)}."
        yield Limit("availability", text)


def _of_categories(bundle: Bundle, features: Sequence[Feature]) -> Iterator[Limit]:
    levels = {name: len(categories) for name, categories in bundle.levels.items()}
    if not levels:
        return
    known = ", ".join(f"{name} ({count})" for name, count in levels.items())
    yield Limit("categories", f"Categories unseen in training count as missing. Known categories: {known}.")
    unseen = [f"{one.name} ({one.unseen_share:.1%})" for one in features if one.unseen_share]
    if unseen:
        yield Limit("categories", f"Rows of the holdout with such a category: {listed(unseen, _NAMED)}.")


def _of_weights(bundle: Bundle) -> Iterator[Limit]:
    if _weighted_alone(bundle.training):
        text = "Weights of classes moved its probabilities: they rank, and are no shares of true labels."
        yield Limit("weights", f"{text} Calibrated(…) moves them back.")


def _weighted_alone(config: Mapping[str, Any]) -> bool:
    """Whether classes were weighted and nothing calibrated the probabilities afterwards."""
    if config.get("trainer") == "Calibrated":
        return False
    inner = [config["inner"]["config"]] if "inner" in config else []
    inner += [choice["config"] for choice in config.get("choices", ())]
    return WEIGHTS in config or any(map(_weighted_alone, inner))


def _of_segments(comparison: Comparison | None) -> Iterator[Limit]:
    if comparison is None:
        return
    sizes = {(one.column, one.segment): one.rows for one in comparison.segments}
    few = dict.fromkeys((one.column, one.segment) for one in comparison.segments if one.too_few)
    if few:
        named = listed([f"{column}={segment} ({sizes[column, segment]:,} rows)" for column, segment in few], _NAMED)
        yield Limit("segments", f"Too few rows of the holdout to say how it does there: {named}.")
