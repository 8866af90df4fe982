"""Tickets of free text from a file to a champion: hashed, selected, weighted, served row by row as in the batch."""

from contextlib import closing
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform import (
    AtLeast,
    Drift,
    Examples,
    Files,
    Hashed,
    LightGBM,
    ModelPipeline,
    OverfitGap,
    Retrain,
    Select,
    Split,
    Table,
)
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.state import verdicts, versions
from ml_platform.views.version_card import card_of
from ml_platform_tests.world import world


class Tickets(dy.Schema):
    """One ticket; `subject` is free text."""

    ticket = dy.Int64(primary_key=True)
    subject = dy.String(nullable=True)
    length = dy.Int64()
    urgent = dy.Bool()


tickets = Table("tickets", Files("tickets/*.csv"), Tickets)
urgent_tickets = ModelPipeline(
    "urgent_tickets",
    tables=[tickets],
    examples=Examples("tickets", "ticket", ["subject", "length"], label="urgent"),
    features=[],
    transforms=[Hashed("subject", buckets=32)],
    select=Select(by="importance", keep=8),
    trainer=LightGBM(num_leaves=4, rounds=20, class_weights="balanced"),
    split=Split(validation=0.1, holdout=0.3),
    gates=[AtLeast("roc_auc", 0.8), OverfitGap("roc_auc", 0.1)],
    retrain=Retrain(min_examples=100),
    drift=Drift(report_rows=0),
)


def _rows(count: int = 800) -> pl.DataFrame:
    random = np.random.default_rng(7)
    urgent = random.random(count) < 0.2
    words = np.where(
        urgent, random.choice(["Outage!", "BROKEN", "down"], count), random.choice(["thanks", "hi"], count)
    )
    words = np.where(random.random(count) < 0.1, "well", words)
    subjects = [f"{word} number {number}" for number, word in enumerate(words)]
    return pl.DataFrame(
        {"ticket": range(count), "subject": subjects, "length": random.integers(1, 9, count), "urgent": urgent}
    )


def test_tickets_become_a_champion_that_answers_a_row_as_the_batch_does(tmp_path: Path) -> None:
    with closing(world(tmp_path / "data", urgent_tickets)) as one:
        one.land("tickets", "tickets/all.csv", _rows())
        one.run()
        champion = one.display("urgent_tickets/champion", "all")
        assert champion["outcome"] == "promoted", champion["reason"]
        outcomes = {
            verdict.gate: verdict for verdict in verdicts.of(one.ws.state, "urgent_tickets", 1) if not verdict.slice
        }
        assert all(outcomes[name].passed for name in outcomes), outcomes
        assert len(outcomes) >= 6  # Leakage, Provenance, Parity and Reproduction are always judged
        assert any("Fit: fine." in verdict.detail for verdict in outcomes.values())
        version = versions.version(one.ws.state, "urgent_tickets", 1)
        assert version.parameters["columns kept"] == "8 of 33"
        assert "Hashed('subject', buckets=32)" in version.parameters["transforms"]
        card = card_of(one.ws, urgent_tickets, 1)
        assert "## Selection" in card and "dropped" in card and "Weights of classes moved" in card
        bundle = bundles.load(one.ws.blobs, version.bundle)
        predictor = Predictor(bundle)
        frame = _rows().select("subject", "length")
        scores = predictor.scores(frame)
        assert [predictor.score_row(row) for row in frame.iter_rows(named=True)] == scores.tolist()
        table = one.ws.lake.frame("FROM urgent_tickets.features LIMIT 1")
        assert not [name for name in table.columns if "#" in name]
        assert one.run() == []
