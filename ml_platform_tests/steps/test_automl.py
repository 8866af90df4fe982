"""A pipeline whose trainer `AutoML(…)` chooses: trained, reproduced, judged and shown (S62)."""

import json

import pytest
from typer.testing import CliRunner

from ml_platform import AutoML, LightGBM, Linear
from ml_platform.cli.main import app
from ml_platform.models.bundle import load
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.state import searches, verdicts, versions
from ml_platform_tests import scenario
from ml_platform_tests.world import world

_SMALL: list[PlainTrainer] = [LightGBM(num_leaves=3, rounds=10, min_data_in_leaf=10), Linear()]


def test_a_trainer_is_chosen_within_the_time_reproduced_and_shown(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = AutoML(budget="10m", trainers=_SMALL, trials=4, folds=2)
    one = world(tmp_path_factory.mktemp("automl") / "data", scenario.trips(trainer=trainer))
    one.land_trips("2024-01", "2024-02")
    one.run()
    state = one.ws.state
    judged = [verdict for verdict in verdicts.of(state, "trip_delay", 1) if not verdict.slice]
    assert [verdict.detail for verdict in judged if not verdict.passed] == []
    assert any("same bytes" in verdict.gate for verdict in judged)
    (search,) = searches.of(state)
    trials = searches.trials(state, search.id)
    assert search.word == "AutoML" and search.status == "done" and set(search.space) == {"LightGBM", "Linear"}
    assert [trial.parameters for trial in trials[:2]] == [{"trainer": "LightGBM"}, {"trainer": "Linear"}]
    chosen = trials[search.best or 0]
    bundle = load(one.ws.blobs, versions.version(state, "trip_delay", 1).bundle)
    plan = bundle.training["parameters"]
    assert ("num_leaves" in plan) == (chosen.parameters["trainer"] == "LightGBM")
    monkeypatch.setenv("ML_PLATFORM_DATA", str(one.settings.data))
    shown = json.loads(CliRunner().invoke(app, ["trials", "show", "1", "--json"]).stdout)
    assert [trial["parameters"]["trainer"] for trial in shown["list"]][:2] == ["LightGBM", "Linear"]
    assert CliRunner().invoke(app, ["trials", "show", "1"]).exit_code == 0
    assert one.run() == []
    one.close()
