"""A pipeline whose trainer answers quantiles: from the files to the service, with the same values everywhere."""

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from ml_platform import AtMost, BeatsBaseline, Examples, LightGBM, Quantiles
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.state import verdicts, versions
from ml_platform.state.promotions import champion_at
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.serving.packages import february_rows, predictor
from ml_platform_tests.world import world


@pytest.mark.slow
def test_quantiles_are_judged_served_and_stored_with_their_median_as_the_score(tmp_path: Path) -> None:
    late = Examples(
        "trips", key="trip", at="ordered_at", inputs=["driver", "zone", "km"], exclude=["driver"], label="late"
    )
    trainer = Quantiles(LightGBM(num_leaves=7, rounds=15, min_data_in_leaf=10), levels=[0.1, 0.5, 0.9])
    gates = [AtMost("mae", 1000.0), BeatsBaseline("mae", severity="warn")]
    with closing(world(tmp_path / "data", scenario.trips(trainer=trainer, examples=late, gates=gates))) as trips:
        trips.land_trips("2024-01", "2024-02")
        trips.run()
        name = trips.pipeline.name
        judged = {each.gate: each for each in verdicts.of(trips.ws.state, name, 1) if each.slice == ""}
        beats = judged["mae shown better than a linear baseline's"]
        assert beats.measured and beats.low is not None and beats.passed is (beats.low > 0)
        assert [each.detail for each in judged.values() if each.severity == "block" and not each.passed] == []
        assert any("same bytes" in gate for gate in judged) and champion_at(trips.ws.state, name)
        version = versions.version(trips.ws.state, name, 1)
        holdout = version.metrics["holdout"]
        assert holdout["pinball loss at 0.5"] == pytest.approx(holdout["mae"] / 2)
        assert 0 < holdout["coverage of 0.1 to 0.9"] <= 1
        card = card_of(trips.ws, trips.pipeline, 1)
        assert "0.1, 0.5, 0.9" in card and "pinball loss at 0.9" in card and "coverage of 0.1 to 0.9" in card
        trips.land_trips("2024-03")
        trips.run()
        stored = trips.ws.lake.frame(f'SELECT score, scores FROM "{name}".predictions')
        assert len(stored) and stored["scores"].list.len().unique().to_list() == [3]
        assert (stored["scores"].list.get(1) == stored["score"]).all()
        assert stored["scores"].list.diff().list.drop_nulls().list.min().min() >= 0

        online, rows = predictor(trips, tmp_path), february_rows(trips, 40)
        singly = [online.predict(row) for row in rows.to_dicts()]
        together = online.predict_many(rows)
        assert together.answers["scores"].to_list() == [answer.scores for answer in singly]
        assert online.levels == (0.1, 0.5, 0.9)
        assert all(answer.scores and answer.scores[1] == answer.score for answer in singly)
        assert Predictor(load(trips.ws.blobs, version.bundle)).levels == online.levels
        assert isinstance(stored["score"], pl.Series) and trips.run() == []
