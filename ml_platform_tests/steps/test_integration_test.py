"""A version is tested as a service before another environment takes it."""

from pathlib import Path
from unittest.mock import patch

import pytest

from ml_platform.models.predictor import Predictor
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, versions
from ml_platform.state.results import IntegrationResult
from ml_platform.state.versions import Version
from ml_platform.steps import integration_test as tested
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World


@pytest.fixture
def trips(open_world: OpenWorld, january: Path) -> World:
    return open_world(january)


def test_a_real_service_answers_the_holdout_as_the_batch_does_and_is_tested_once(
    trips: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "P99_MS", 1_000.0)  # a busy machine is not what is tested
    outcome = tested.integration_test(trips.ws, trips.pipeline, 1, "")
    assert [(one.name, one.passed) for one in outcome.checks] == [(name, True) for name, _ in tested.CHECKS], [
        one.description for one in outcome.checks
    ]
    version = versions.version(trips.ws.state, trips.pipeline.name, 1)
    result = tested.newest_test(trips.ws, trips.pipeline.name, version)
    assert result == IntegrationResult(1, version.bundle, True)
    assert not trips.ws.lake.columns(trips.pipeline.name, "served"), "answers of a test are no predictions"
    with patch.object(tested, "trial_service", side_effect=AssertionError("a second test")):
        again = tested.integration_test(trips.ws, trips.pipeline, 1, "")
    assert again.status == "unchanged" and again.checks == outcome.checks
    assert len(ledger.history(trips.ws.state, f"{trips.pipeline.name}/integration_test")) == 1


def test_a_bundle_that_passed_is_not_tested_again_after_another_one_was(
    open_world: OpenWorld, february: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(february)
    asked = []

    def passing(ws: Workspace, pipeline: ModelPipeline, version: Version) -> tested._Trial:
        asked.append(version.version)
        check = CheckResult("ready", True, "error", None, None, "")
        return tested._Trial(check, check, check, tested._Latency(True, check), {})

    monkeypatch.setattr(tested._Trial, "of", passing)
    outcomes = [tested.integration_test(trips.ws, trips.pipeline, number, "") for number in (1, 2, 1, 2)]
    assert asked == [1, 2]
    assert [one.result for one in outcomes[:2]] == [one.result for one in outcomes[2:]]


def test_another_score_than_the_batch_has_fails_the_test_by_name(trips: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "P99_MS", 1_000.0)
    scores = Predictor.scores
    monkeypatch.setattr(tested, "EXAMPLES", 30)
    with patch.object(Predictor, "scores", lambda self, frame: scores(self, frame) / 2):  # of this process, not of it
        outcome = tested.integration_test(trips.ws, trips.pipeline, 1, "")
    failed = {one.name: one.description for one in outcome.checks if not one.passed}
    assert failed.keys() == {"parity"} and "in batch and" in failed["parity"]
    assert isinstance(outcome.result, IntegrationResult) and outcome.result.passed is False


@pytest.mark.parametrize(("rounds", "passed"), [([80.0, 20.0], True), ([90.0, 80.0], None), ([900.0, 800.0], False)])
def test_latency_is_judged_by_the_least_round_and_a_busy_machine_fails_nothing(
    rounds: list[float], passed: bool | None
) -> None:
    assert tested._judged(rounds).passed is passed
