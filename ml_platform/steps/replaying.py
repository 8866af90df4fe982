"""Evidence for a gate: examples of the holdout, answered one at a time by the packaged predictor (S13)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.parity import ParityReport, TouchedRows, compared, in_order
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
class Replayed:
    """A replay in the form that the gate reads. `scores` tells which examples have another score, in words."""

    report: ParityReport
    scores: Mapping[str, str]

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
        return f"{values}, answered from {self.report.rows_read:,} stored rows. {'; '.join(shown)}".strip()


def replayed(ws: Workspace, version: Version, holdout: pl.DataFrame, count: int) -> Replayed:
    """Answer examples of a version's holdout from its bundle and an online store, and compare with the batch.

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
        finally:
            store.close()
    values = [{**one.features, **one.statuses} for one in online]
    scores = [{"score": one.score, "scores": one.scores, "class": one.class_name} for one in online]
    return comparison(ws, bundle, chosen, examples, values, scores, touched.count)


def comparison(
    ws: Workspace,
    bundle: bundles.Bundle,
    chosen: pl.DataFrame,
    examples: pl.DataFrame,
    values: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
    rows_read: int,
) -> Replayed:
    """Compare online answers with the batch.

    chosen: rows of the training set. examples: their own columns, in the order of the answers. values: features and
    statuses of each answer. scores: its `score`, `scores` and `class`.
    """
    definition = OnlinePredictor.definition_of(bundle)
    report = compared(definition, examples, chosen, values, rows_read)
    batch = answers(chosen, Predictor(bundle, threads=ws.settings.threads))
    on = definition.identity
    theirs = examples.select(on).join(
        chosen.select(on).hstack(batch).unique(on, keep="any"),
        on=on,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return Replayed(report, _other_scores(definition, theirs, scores))


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
