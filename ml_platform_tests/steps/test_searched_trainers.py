"""A pipeline whose trainer is searched for: trained, reproduced without the search, judged and shown (S62)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from ml_platform import Calibrated, Choose, FloatRange, Grid, IntRange, LightGBM, Linear, Tuned
from ml_platform.cli.main import app
from ml_platform.models.bundle import load
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.state import attached, ledger, searches, verdicts, versions
from ml_platform.state.promotions import champion_at
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.world import World, world

_LEAVES = LightGBM(num_leaves=3, rounds=10, min_data_in_leaf=10)
TUNED = Tuned(_LEAVES, {"num_leaves": IntRange(3, 15), "learning_rate": FloatRange(0.05, 0.4)}, trials=4, folds=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one = world(tmp_path_factory.mktemp("tuned") / "data", scenario.trips(trainer=TUNED), pictures=True)
    one.land_trips("2024-01", "2024-02")
    one.run()
    yield one
    one.close()


def test_a_tuned_pipeline_is_searched_once_reproduced_from_what_was_chosen_and_promoted(
    trained: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, name = trained.ws.state, trained.pipeline.name
    judged = [one for one in verdicts.of(state, name, 1) if not one.slice]
    assert [one.detail for one in judged if not one.passed] == [] and champion_at(state, name) == 1
    assert any("same bytes" in one.gate for one in judged)
    (search,) = searches.of(state)
    trials = searches.trials(state, search.id)
    assert [one.number for one in trials] == [0, 1, 2, 3] and search.comparison["conclusion"]
    assert {one["gate"] for one in trials[0].constraints} == {
        "roc_auc at least 0.6",
        "roc_auc at least 0.5 for each zone",
        "bundle at most 5 MB",
    }
    version = versions.version(state, name, 1)
    plan = load(trained.ws.blobs, version.bundle).training
    chosen = {**trials[0].parameters, **trials[search.best or 0].parameters}
    assert plan["parameters"]["num_leaves"] == chosen["num_leaves"] and "trainer" not in plan
    assert version.parameters["chosen by"] == f"search 1, trial {search.best}"
    display = ledger.details(state, _candidate(trained)).display
    assert display["search"].startswith(f"number 1: trial {search.best} of 4 trials was chosen")
    assert "holdout" in display["search on the holdout"] or "declared" in display["search on the holdout"]
    assert set(display) >= {"search trials", "search parameters"}
    assert "| chosen by |" in card_of(trained.ws, trained.pipeline, 1)

    monkeypatch.setattr(FoldedData, "fit", _no_fit)
    assert trained.run() == []
    attached.attach(trained.ws.lake)
    rows = trained.ws.lake.rows("SELECT number, status FROM state.trials ORDER BY number")
    assert [tuple(row) for row in rows] == [(one.number, one.status) for one in trials]


def _no_fit(*_: Any) -> Any:
    raise AssertionError("nothing is searched for again")


def _candidate(one: World) -> int:
    record = ledger.latest_of(one.ws.state, f"{one.pipeline.name}/candidate", "2024-01")
    assert record is not None
    return record.id


def test_the_commands_show_searches_and_trials(trained: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(trained.settings.data))
    run = CliRunner().invoke
    listed = json.loads(run(app, ["trials", "--json"]).stdout)
    assert [(one["search"], one["done"] + one["pruned"], one["status"]) for one in listed] == [(1, 4, "done")]
    assert "trip_delay" in run(app, ["trials", "trip_delay"]).stdout
    page = tmp_path / "search.html"
    shown = run(app, ["trials", "show", "1", "--html", str(page)])
    assert shown.exit_code == 0 and "On the holdout:" in shown.stdout and "num_leaves=" in shown.stdout
    assert page.read_text().count("<img") >= 1 and "Trials" in page.read_text()
    full = json.loads(run(app, ["trials", "show", "1", "--json"]).stdout)
    assert len(full["list"]) == 4 and full["settings"]["sampler"]["n_startup_trials"] == 10
    with pytest.raises(Exception, match="'first' is no search"):
        run(app, ["trials", "show", "first"], catch_exceptions=False, standalone_mode=False)
    assert run(app, ["trials", "take", "1"]).exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "trainer",
    [
        pytest.param(Calibrated(TUNED), id="Calibrated"),
        pytest.param(Choose([TUNED, Tuned(Linear(), {"l2": FloatRange(0.1, 100, log=True)}, trials=3)]), id="Choose"),
        pytest.param(Grid(_LEAVES, {"num_leaves": [3, 7]}, folds=2), id="Grid"),
    ],
)
def test_composed_trainers_are_searched_for_where_they_hold_a_search(trainer: DeclaredTrainer, tmp_path: Path) -> None:
    one = world(tmp_path / "data", scenario.trips(trainer=trainer))
    one.land_trips("2024-01", "2024-02")
    one.run()
    judged = [verdict for verdict in verdicts.of(one.ws.state, "trip_delay", 1) if not verdict.slice]
    assert [verdict.detail for verdict in judged if not verdict.passed] == []
    found = searches.of(one.ws.state)
    assert len(found) == (2 if isinstance(trainer, Choose) else 1)
    assert all(search.status == "done" and search.comparison for search in found)
    with patch.object(FoldedData, "fit", _no_fit):
        assert one.run() == []
    one.close()
