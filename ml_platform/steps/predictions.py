"""The predictions step: the champion at the start of a partition scores its examples (S21)."""

from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.models.registry import model_of_format, recorded_format, trainer_of
from ml_platform.naming import quoted
from ml_platform.plots.holdout import histogram
from ml_platform.plots.markdown import ROWS
from ml_platform.runtime import reading
from ml_platform.runtime.display import drawn, previewed
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, record_after, window_of
from ml_platform.serving.batch import SCHEMA, scored
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at
from ml_platform.state.results import PredictionsResult
from ml_platform.steps import features

CODE_VERSION = 1  # of how predictions are made from scores; part of their content key (S31)


def serving(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """The champion at the start of the partition. Without partitions, the current champion."""
    return champion_at(ws.state, pipeline.name, window_of(pipeline, partition)[0])


_MEANING = {
    "pipeline": "whose prediction it is",
    "key": "the example's key as text; JSON where it has several columns",
    "at": "the prediction time",
    "score": "probability of a true label, probability of the class, or the predicted value",
    "scores": "probabilities of all classes, in the order of the bundle, or values of all levels; else null",
    "class": "the predicted class",
    "version": "the version that scored it",
    "role": "champion or challenger",
    "run_id": "the run that made it",
}


class PredictionsStep(Step):
    """The champion at the start of a partition scores its examples."""

    name = "predictions"
    job = "data"
    result = PredictionsResult
    summary = "The champion at the start of the partition scores its examples."
    explanation = (
        "These predictions would have been served at that time. `score` is the probability of a true label or of the "
        "class, or the predicted value."
    )
    changes_with = "the features of the partition, or the champion at its start"
    advice = "an empty partition had no champion yet. Train and promote one first."

    def badges(self, pipeline: ModelPipeline) -> tuple[str, ...]:
        return trainer_of(pipeline.learner).libraries(pipeline.learner)

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "features")

    def table(self, pipeline: ModelPipeline) -> str:
        return f"{pipeline.name}.predictions"

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        examples, table = pipeline.examples, (pipeline.name, "features")
        inputs = {
            "key": examples.keys,
            "at": (examples.at,) if examples.at else (),
            "score": tuple(pipeline.model_columns),
            "class": tuple(pipeline.model_columns),
        }
        behind = {name: [(table, column) for column in columns] for name, columns in inputs.items()}
        return TableColumns(SCHEMA, _MEANING, made_of=behind)

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the feature rows and the bytes of the champion."""
        champion = serving(ws, pipeline, partition)
        version = versions.version(ws.state, pipeline.name, champion) if champion else None
        bundle = version.bundle if version else None
        reads = reading.own(ws, pipeline, "features", [partition])
        scorer = [reading.version(version)] if version else []
        if version:
            used = libraries(*model_of_format(recorded_format(version.metrics)).libraries)
        else:
            used = libraries(*trainer_of(pipeline.learner).libraries(pipeline.learner))
        return recipe("predictions", CODE_VERSION, champion, bundle, reads, used, by_content=scorer)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Score the partition. Without a champion there are no rows, and the outcome says so."""
        champion = serving(ws, pipeline, partition)
        display: dict[str, Any] = {"champion": "none yet"}
        if champion is None:
            rows = pl.DataFrame(schema=SCHEMA)
        else:
            version = versions.version(ws.state, pipeline.name, champion)
            bundle = bundles.load(ws.blobs, version.bundle)
            frame = _examples(ws, pipeline, partition, bundle, version.training_set)
            rows = scored(pipeline, frame, Predictor(bundle, threads=ws.settings.threads), champion, author.run_id)
            display = {"champion": version.name}
            if rows.height:
                scores = rows["score"].to_numpy()
                display["mean score"] = round(float(np.mean(scores)), 4)
                title = f"Scores of {partition} by {version.name}"
                display["scores"] = drawn(ws, lambda: histogram(scores, title=title))
            display |= {"trained after": version.partition, "trained in run": {"run": version.run_id}}
        if pipeline.partitions is None:
            rows = _with_earlier(ws, pipeline, rows)
        if rows.height:
            display["preview"] = previewed(ws, rows.head(ROWS), rows.height)
        with write(ws.lake, author) as tx:
            count = tx.replace(pipeline.name, "predictions", rows, partition=partition)
            return record_after(tx, ws, author, Outcome(count, result=PredictionsResult(champion), display=display))


def feature_rows(ws: Workspace, pipeline: ModelPipeline, partition: str, definition: FeatureDefinition) -> pl.DataFrame:
    """The partition's examples with the features of `definition`: as stored, or computed when it is not today's."""
    listed = ", ".join(quoted(name) for name in definition.schema)
    with features.relation(ws, pipeline, partition, definition) as rows:
        frame = ws.lake.frame(f"SELECT {listed} FROM {rows}")
    order = [definition.at] if definition.at else []
    return frame.cast(pl.Schema(definition.schema)).sort([*order, *definition.keys])


def _examples(
    ws: Workspace, pipeline: ModelPipeline, partition: str, bundle: bundles.Bundle, training_set: str
) -> pl.DataFrame:
    frame = feature_rows(ws, pipeline, partition, FeatureDefinition.from_json(bundle.definition))
    if pipeline.partitions is not None:
        return frame
    # Without partitions the champion scores what it was not trained on: its holdout and the unlabelled.
    trained = pl.scan_parquet(ws.blobs.get(training_set)).filter(pl.col("_part") != "holdout")
    on = pipeline.examples.identity
    return frame.join(trained.select(on).collect(), on=on, how="anti", maintain_order="left")


def _with_earlier(ws: Workspace, pipeline: ModelPipeline, rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the predictions of other versions and replace those of the same version."""
    if not ws.lake.columns(pipeline.name, "predictions"):
        return rows
    earlier = ws.lake.frame(f"SELECT * EXCLUDE (_partition) FROM {quoted(pipeline.name)}.predictions")
    kept = earlier.cast(pl.Schema(SCHEMA)).join(rows.select("version").unique(), on="version", how="anti")
    return pl.concat([kept, rows])
