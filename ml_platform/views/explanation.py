"""Why a prediction is what it is: the values that the model saw, how much each counted, and what is usual."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.errors import AmbiguousKey, NotFoundError, ScoringError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.connection import Lake
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.naming import quoted
from ml_platform.serving.batch import answers
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.wording import ColumnOfExample, of_example
from ml_platform.state import versions
from ml_platform.state.stores import Stores
from ml_platform.validation import quarantine
from ml_platform.views import origins
from ml_platform.views.feature_effects import FeatureEffect, effects_of
from ml_platform.views.prediction_search import predictions_of
from ml_platform.views.typical_example import TypicalExample, typical_example


@dataclass(frozen=True)
class Standing:
    """A score among those of the same version, role and partition, and of the same class if there are several.

    below: the share of them that are lower, 0 to 1.
    """

    partition: str
    predictions: int
    median: float
    below: float


@dataclass(frozen=True)
class PredictionExplanation:
    """One prediction and what it rests on.

    prediction: key, at, score, class, version, role, partition and run_id.
    recorded:   whether that version made the prediction; otherwise it scored the stored feature row just now.
    earlier:    how many older predictions the key has.
    version:    the version that scored it.
    definition: the key of the feature definition that it learnt from.
    values:     the stored feature row; None when the partition no longer has it.
    effects:    by size, greatest first; empty without a feature row that fits.
    mean:       the score that the contributions start from; None for several classes and without contributions.
    basis:      sentences that say what the numbers of `effects` are.
    typical:    what the version gives the typical example; None where `effects` is empty.
    standing:   the score among others; None for one that is not recorded.
    rows:       where the row of the example came from: table, file, row of the file, hash, arrival.
    """

    pipeline: str
    prediction: Mapping[str, Any]
    recorded: bool
    earlier: int
    version: str
    definition: str
    values: Mapping[str, Any] | None
    effects: tuple[FeatureEffect, ...]
    mean: float | None
    basis: str
    typical: TypicalExample | None
    standing: Standing | None
    rows: tuple[Mapping[str, Any], ...]


def explain(
    stores: Stores,
    pipeline: str,
    key: str,
    *,
    at: str | None = None,
    version: int | None = None,
    declared: ModelPipeline | None = None,
) -> PredictionExplanation:
    """A prediction of a key, explained: the newest, or the newest at `at`.

    Args:
        stores: Lake, state and blobs.
        pipeline: A name.
        key: A key or part of one (`predictions_of`).
        at: The prediction time in UTC, or its beginning.
        version: A version that is to say what it gives this example, whether it made a prediction or not.
        declared: Today's declaration, for the words; without one, columns go by their names.

    Raises:
        AmbiguousKey: When several keys fit.
        NotFoundError: When no prediction fits, with the reason if the key's row was rejected, and for a version that
            does not exist.
        BlobError: When the version's bundle or training set is damaged.
        ScoringError: When `version` cannot score the stored feature row, or there is none.
    """
    wanted = None if version is None else versions.version(stores.state, pipeline, version)
    try:
        rows = predictions_of(stores.lake, pipeline, key, at)
    except AmbiguousKey:
        raise
    except NotFoundError:
        _refuse_rejected(stores, declared, key)
        raise
    if str(rows[0]["key"]).lower() != key.strip().lower():
        _refuse_rejected(stores, declared, key, whole=True)  # rather than a prediction of a longer key
    of_version = [row for row in rows if version is None or row["version"] == version]
    prediction = (of_version or rows)[0]
    scorer = wanted or versions.version(stores.state, pipeline, prediction["version"])
    bundle = bundles.load(stores.blobs, scorer.bundle)
    definition = FeatureDefinition.from_json(bundle.definition)
    predictor = Predictor(bundle, threads=1)
    values = origins.feature_row(stores.lake, pipeline, definition, prediction)
    frame, obstacle = _model_row(predictor, definition, values)
    given = None if frame is None else answers(frame, predictor).to_dicts()[0]
    if not of_version:
        obstacle = obstacle or _redefined(stores, pipeline, prediction["version"], definition, predictor.columns)
        if given is None or obstacle:
            raise ScoringError(
                f"{scorer.name} cannot score {prediction['key']!r}. {obstacle}",
                remedy=f"{pipeline}@{prediction['version']} made its prediction.",
            )
        prediction = {**prediction, **given, "version": scorer.version, "role": None, "run_id": None}
    effects: tuple[FeatureEffect, ...] = ()
    mean, basis, typical = None, obstacle, None
    if frame is not None and given is not None and values is not None:
        typical = typical_example(stores, scorer.training_set, predictor, frame.schema)
        words = _words(definition, declared, values)
        effects, mean, basis = effects_of(predictor, frame, typical.values, words)
        if of_version and given["score"] != prediction["score"]:
            basis += f" The feature row was computed again since: it now gives {given['score']:.4g}."
    return PredictionExplanation(
        pipeline=pipeline,
        prediction=prediction,
        recorded=bool(of_version),
        earlier=len(of_version or rows) - 1,
        version=scorer.name,
        definition=definition.key,
        values=values,
        effects=effects,
        mean=mean,
        basis=basis,
        typical=typical,
        standing=_standing(stores.lake, pipeline, prediction) if of_version else None,
        rows=() if values is None else tuple(origins.example_rows(stores, definition, values)),
    )


def _refuse_rejected(stores: Stores, declared: ModelPipeline | None, key: str, *, whole: bool = False) -> None:
    """Raise NotFoundError with the reason if a row of examples that came with the key was rejected.

    `whole`: only if the key has one column, so that `key` is no part of another.
    """
    if declared is None:
        return
    table = declared.table(declared.examples.table)
    if whole and len(table.key) > 1:
        return
    for row in quarantine.rows(stores, table, key=key, limit=1):
        reason = f"A row with this key was rejected: {row['file']}, row {row['row']:,}: {row['rule']}: {row['reason']}"
        raise NotFoundError(
            f"prediction of {declared.name} for the key",
            key,
            remedy=f"{reason.rstrip('.')}. `ml-platform quarantine {declared.name} --rows 20` shows such rows.",
        ) from None


def _model_row(
    predictor: Predictor, definition: FeatureDefinition, values: Mapping[str, Any] | None
) -> tuple[pl.DataFrame | None, str]:
    """The model's columns of a feature row, or None and the reason."""
    if values is None:
        return None, "The feature row that was scored is no longer stored."
    lacking = [name for name in predictor.columns if name not in values]
    if lacking:
        return None, f"The stored feature rows are of another definition: they lack {', '.join(lacking)}."
    schema = {name: definition.model_columns[name] for name in predictor.columns}
    return pl.DataFrame([{name: values[name] for name in schema}], schema=schema), ""


def _redefined(stores: Stores, pipeline: str, maker: int, definition: FeatureDefinition, columns: Sequence[str]) -> str:
    """Which columns the version `maker`, for which the feature row was made, defines otherwise; empty for none."""
    bundle = bundles.load(stores.blobs, versions.version(stores.state, pipeline, maker).bundle)
    own, theirs = _definitions(definition), _definitions(FeatureDefinition.from_json(bundle.definition))
    differing = [name for name in columns if own.get(name) != theirs.get(name)]
    if not differing:
        return ""
    return f"The stored feature row was made for {pipeline}@{maker}, which defines {', '.join(differing)} otherwise."


def _words(
    definition: FeatureDefinition, declared: ModelPipeline | None, values: Mapping[str, Any]
) -> dict[str, ColumnOfExample]:
    """The columns in today's words, without those that the version learnt under another definition."""
    if declared is None:
        return {}
    learnt, today = _definitions(definition), _definitions(FeatureDefinition.of(declared))
    words = of_example(declared, values)
    return {name: words[name] for name in words if learnt.get(name) == today.get(name)}


def _definitions(definition: FeatureDefinition) -> dict[str, str]:
    """Each column of the feature table → what defines it, as text."""
    defined = {name: f"{definition.examples} {dtype}" for name, dtype in definition.row_schema.items()}
    for form in definition.joined:
        defined |= dict.fromkeys(form.outputs, json.dumps(form.to_json(), sort_keys=True))
    return defined | {form.name: json.dumps(form.expression, sort_keys=True) for form in definition.derived}


def _standing(lake: Lake, pipeline: str, prediction: Mapping[str, Any]) -> Standing:
    mine = ("partition", "version", "role", "class")
    ((predictions, median, below),) = lake.rows(
        f"SELECT count(*), median(score), avg((score < ?)::INTEGER) FROM {quoted(pipeline)}.predictions "
        'WHERE _partition = ? AND version = ? AND role = ? AND (scores IS NULL OR "class" = ?)',
        [prediction["score"], *(prediction[name] for name in mine)],
    )
    return Standing(prediction["partition"], predictions, median, below)
