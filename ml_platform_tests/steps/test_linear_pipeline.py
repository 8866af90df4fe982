"""A pipeline declared with `Linear(…)`: trained, judged, promoted, and followed by another trainer."""

from pathlib import Path

import pytest

from ml_platform import LightGBM, Linear
from ml_platform.models.bundle import load
from ml_platform.state import verdicts, versions
from ml_platform.state.promotions import champion_at
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.world import World, world


@pytest.fixture
def trips(tmp_path: Path) -> World:
    return world(tmp_path / "data", scenario.trips(trainer=Linear()))


def test_a_linear_candidate_passes_every_gate_and_serves_the_next_month(trips: World) -> None:
    trips.land_trips("2024-01", "2024-02", "2024-03")
    trips.run()
    name = trips.pipeline.name
    outcomes = [v for v in verdicts.of(trips.ws.state, name, 1) if v.slice == ""]
    assert all(v.passed for v in outcomes) and any("same bytes" in v.gate for v in outcomes)
    assert champion_at(trips.ws.state, name) is not None
    scored = trips.frame(f"SELECT score, version FROM {name}.predictions WHERE _partition = '2024-02'")
    assert scored.height == 400 and set(scored["version"]) == {1} and scored["score"].is_between(0, 1).all()
    shares = trips.frame(f"SELECT importance FROM {name}.drift WHERE _partition = '2024-02' AND importance IS NOT NULL")
    assert shares["importance"].sum() == pytest.approx(1)
    version = versions.version(trips.ws.state, name, 1)
    bundle = load(trips.ws.blobs, version.bundle)
    assert (bundle.model_format, version.metrics["format"]) == ("linear-json", "linear-json")
    assert "lightgbm" not in version.environment["libraries"]
    assert "| l2 | 1.0 |" in card_of(trips.ws, trips.pipeline, 1)
    assert trips.run() == []


def test_another_trainer_later_leaves_what_the_linear_champion_did_and_is_compared_with_it(trips: World) -> None:
    trips.land_trips("2024-01", "2024-02", "2024-03")
    trips.run()
    before, name = trips.keys(without=("raw", "validated")), trips.pipeline.name
    last = versions.versions(trips.ws.state, name)[-1].version
    trips.declare(scenario.trips(trainer=LightGBM(num_leaves=7, rounds=15, learning_rate=0.2, min_data_in_leaf=10)))
    assert trips.run() == []
    trips.land_trips("2024-04")
    trips.run()
    after = trips.keys(without=("raw", "validated"))
    assert {item: after[item] for item in before} == before
    newest = versions.version(trips.ws.state, name, last + 1)
    assert load(trips.ws.blobs, newest.bundle).model_format == "lightgbm-text"
    assert any(f"{name}@{last}" in v.detail for v in verdicts.of(trips.ws.state, name, last + 1))
