"""Evidence for a gate: examples of the holdout, answered by the predictor of the bundle (S13)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.parity import ParityReport, TouchedRows, answer_frame, answer_schema, compared, in_order
from ml_platform.features.replayed_rows import replayed_examples
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.batch import answers
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Filling, OnlineStore
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state.versions import Version
from ml_platform.steps import features

_SCORE = ("score", "scores", "class")


@dataclass(frozen=True)
class OnlineAnswers:
    """Answers for examples, in their order.

    way: how they were asked for, in words, such as "one at a time". values: features and statuses. scores: `score`,
    `scores` and `class` of each.
    """

    way: str
    values: pl.DataFrame
    scores: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Replayed:
    """A replay in the form that the gate reads.

    scores: which examples have another score, in words. way: how the examples were asked for, in words.
    """

    report: ParityReport
    scores: Mapping[str, str]
    way: str

    @property
    def compared(self) -> int:
        return self.report.examples

    @property
    def differing(self) -> int:
        return len({str(difference.example) for difference in self.report.differences} | self.scores.keys())

    @property
    def detail(self) -> str:
        values = f"{self.report.cells:,} values and {self.report.examples:,} scores compared"
        first = [
            f"{d.column} of {d.example} is {d.batch!r} in batch and {d.online!r} online"
            for d in self.report.differences[:3]
        ]
        shown = [*first, *list(self.scores.values())[: 3 - len(first)]]
        return f"{values}, answered {self.way} from {self.report.rows_read:,} stored rows. {'; '.join(shown)}".strip()


def replayed(ws: Workspace, version: Version, holdout: pl.DataFrame, count: int) -> Replayed:
    """Answer examples of a version's holdout from its bundle and an online store, and compare with the batch.

    A service answers few examples one at a time and many together: both must give the bits of the batch.
    The store is a SQLite file of its own, filled with the rows whose keys the examples touch. Features are compared
    with those of the training set, scores with those that the batch gives for these.
    """
    bundle = bundles.load(ws.blobs, version.bundle)
    definition, connection = OnlinePredictor.definition_of(bundle), ws.lake.connection
    tables = features.relations(ws, definition)
    chosen = replayed_examples(connection, definition, holdout, tables, count)
    examples = in_order(definition, chosen)
    touched = TouchedRows.by(connection, definition, examples, tables)
    with TemporaryDirectory(prefix="ml_platform_replay_") as folder:
        store = SQLiteStore(Path(folder) / "store.sqlite")
        try:
            fill_touched(store, touched)
            predictor = OnlinePredictor(bundle, version.version, store)
            online = [predictor.predict(example) for example in examples.iter_rows(named=True)]
            of_many = predictor.predict_many(examples)
        finally:
            store.close()
    values = answer_frame(definition, [{**one.features, **one.statuses} for one in online])
    scores = [{"score": one.score, "scores": one.scores, "class": one.class_name} for one in online]
    singly = OnlineAnswers("one at a time", values, scores)
    values = of_many.features.select(list(answer_schema(definition)))
    together = OnlineAnswers("together", values, of_many.answers.to_dicts())
    return comparison(ws, bundle, chosen, examples, [singly, together], touched.count)


def comparison(
    ws: Workspace,
    bundle: bundles.Bundle,
    chosen: pl.DataFrame,
    examples: pl.DataFrame,
    answered: Sequence[OnlineAnswers],
    rows_read: int,
) -> Replayed:
    """Compare online answers with the batch: the first that differ, or all.

    chosen: rows of the training set. examples: their own columns, in the order of the answers. answered: by way of
    asking, at least one.
    """
    definition = OnlinePredictor.definition_of(bundle)
    batch = answers(chosen, Predictor(bundle, threads=ws.settings.threads))
    on = definition.identity
    theirs = examples.select(on).join(
        chosen.select(on).hstack(batch).unique(on, keep="any"),
        on=on,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    for one in answered:
        report = compared(definition, examples, chosen, one.values, rows_read)
        others = _other_scores(definition, theirs, one.scores)
        if report.differing or others:
            return Replayed(report, others, one.way)
    return Replayed(report, others, " and ".join(one.way for one in answered))


def fill_touched(store: OnlineStore, touched: TouchedRows) -> None:
    """Fill an online store with these rows."""
    now = datetime.now(UTC)
    for online_pass, values in touched.values:
        name = online_pass.table_name
        store.fill(online_pass.layout.fingerprint, values.items(), Filling(name, 0, None, touched.since.get(name), now))


def _other_scores(
    definition: FeatureDefinition, batch: pl.DataFrame, online: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Example → what the batch and the service gave it, where these are not the same."""
    others = {}
    for row, answer in zip(batch.iter_rows(named=True), online, strict=True):
        if any(row[name] != answer[name] for name in _SCORE):
            example = {name: row[name] for name in definition.identity}
            others[str(example)] = f"{example} has the score {row['score']!r} in batch and {answer['score']!r} online"
    return others
