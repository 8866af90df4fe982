"""A gate that the machine did not let measure keeps its candidate waiting, and nobody else (S40)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_platform import Latency, OverfitGap
from ml_platform.errors import NotFoundError
from ml_platform.evaluation.gates import latency
from ml_platform.evaluation.gates.latency import Round
from ml_platform.runtime.measuring_again import REST, rests_until
from ml_platform.runtime.planner import Work
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, verdicts
from ml_platform.state.results import ChampionResult, VerdictsResult
from ml_platform.steps import rejudging
from ml_platform.views.status import months
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME, FEBRUARY = "trip_delay", "2024-02"
BUSY = [Round(0.2, wall=0.9, cpu=0.1), Round(0.25, wall=0.9, cpu=0.1)]
SLOW = [Round(0.2, wall=0.1, cpu=0.1), Round(0.21, wall=0.1, cpu=0.1)]
FAST = [Round(0.08, wall=0.1, cpu=0.1)]
GATE = Latency(p99_ms=0.1)


def _timed() -> ModelPipeline:
    return scenario.trips(gates=[*scenario.trips().gates, GATE])


def _machine(monkeypatch: pytest.MonkeyPatch, rounds: list[Round]) -> None:
    monkeypatch.setattr(latency, "_rounds", lambda score, rows: rounds)


def _champion(trips: World) -> ChampionResult:
    result = trips.result(f"{NAME}/champion", FEBRUARY)
    assert isinstance(result, ChampionResult)
    return result


def test_a_busy_machine_keeps_a_candidate_waiting_and_each_run_measures_again(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(january, _timed())
    _machine(monkeypatch, BUSY)
    trips.run(FEBRUARY)
    waiting = _champion(trips)
    assert (waiting.outcome, waiting.candidate, waiting.champion) == ("waiting", 2, 1)
    assert "waits: Not judged: the machine is busy" in waiting.reasons[0]
    assert months(trips.ws, trips.pipeline)[1]["outcome"] == "waiting"
    judged = trips.result(f"{NAME}/verdicts", FEBRUARY)
    assert isinstance(judged, VerdictsResult) and judged.passed == judged.gates - 1
    again = trips.run(FEBRUARY)
    assert [asset for asset, _, status in again if status == "made"] == [f"{NAME}/verdicts"]
    _machine(monkeypatch, FAST)
    trips.run(FEBRUARY)
    assert (_champion(trips).outcome, promotions.champion_at(trips.ws.state, NAME)) == ("promoted", 2)
    assert trips.run(FEBRUARY) == []
    measured = [v for v in verdicts.history(trips.ws.state, NAME, 2) if v.gate_key == GATE.key]
    assert [(v.passed, v.measurement) for v in measured] == [(None, 1), (None, 2), (True, 3)]


def test_sensors_let_the_machine_rest_before_they_measure_again(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(january, _timed())
    _machine(monkeypatch, BUSY)
    trips.run(FEBRUARY)
    (work,) = trips.planned(FEBRUARY)
    until = rests_until(trips.ws, trips.pipeline, work)
    assert until is not None and datetime.now(UTC) < until < datetime.now(UTC) + REST
    training = Work("train", FEBRUARY, 0, 1, [[NAME, "candidate"], [NAME, "verdicts"]])
    assert rests_until(trips.ws, trips.pipeline, training) is None, "what trains is due at once"


def test_a_candidate_that_was_kept_is_decided_again_after_a_person_has_it_measured(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(january, _timed())
    _machine(monkeypatch, SLOW)
    trips.run(FEBRUARY)
    assert _champion(trips).outcome == "kept" and trips.run(FEBRUARY) == []
    _machine(monkeypatch, FAST)
    assert rejudging.gates_that_wait(trips.ws, trips.pipeline, 2) == []
    gates = rejudging.gates_named(trips.pipeline, "latency")
    (verdict,) = rejudging.rejudge(trips.ws, trips.pipeline, 2, gates, "ada")
    assert (verdict.passed, verdict.measurement, verdict.run_id) == (True, 2, "asked by ada")
    assert [asset for asset, *_ in trips.run(FEBRUARY)] == [f"{NAME}/verdicts", f"{NAME}/champion"]
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    assert trips.run(FEBRUARY) == []
    with pytest.raises(NotFoundError, match="latency"):
        rejudging.gates_named(trips.pipeline, "speed")


def test_a_gate_that_waited_and_cannot_be_judged_in_the_end_stands_in_nobodys_way(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(january, _timed())
    _machine(monkeypatch, BUSY)
    trips.run(FEBRUARY)
    (waiting,) = [v for v in verdicts.of(trips.ws.state, NAME, 2) if v.waits]
    verdicts.record(trips.ws.state, [replace(waiting, measured=True, detail="Not judged: no rows.")], "ada")
    assert not any(v.waits for v in verdicts.of(trips.ws.state, NAME, 2))
    trips.run(FEBRUARY)
    assert (_champion(trips).outcome, promotions.champion_at(trips.ws.state, NAME)) == ("promoted", 2)


def test_every_gate_of_an_earlier_version_can_be_measured_anew(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    before = {v.gate_key: v.passed for v in verdicts.of(trips.ws.state, NAME, 1) if not v.slice}
    rejudging.rejudge(trips.ws, trips.pipeline, 1, list(trips.pipeline.all_gates), "ada")
    after = {v.gate_key: v for v in verdicts.of(trips.ws.state, NAME, 1) if not v.slice}
    assert {key: v.passed for key, v in after.items()} == before
    assert {v.measurement for v in after.values()} == {2}


def test_a_gate_that_warns_stands_in_nobodys_way_and_is_shown_as_a_warning(
    open_world: OpenWorld, january: Path
) -> None:
    gates = [*scenario.trips().gates, OverfitGap("roc_auc", at_most=1e-6)]
    trips = open_world(january, scenario.trips(gates=gates))
    trips.run(FEBRUARY)
    assert _champion(trips).outcome == "promoted"
    outcome = trips.step(f"{NAME}/verdicts", FEBRUARY)
    check = next(check for check in outcome.checks if check.name == "roc_auc_overfit_gap")
    assert (check.passed, check.severity) == (False, "warn")
    judged = trips.result(f"{NAME}/verdicts", FEBRUARY)
    assert isinstance(judged, VerdictsResult) and judged.passed == judged.gates
    # The same gate, declared to block, keeps the next candidate out without being measured anew.
    trips.declare(
        scenario.trips(gates=[*scenario.trips().gates, OverfitGap("roc_auc", at_most=1e-6, severity="block")])
    )
    trips.run(FEBRUARY, recompute=True)
    recorded = [v for v in verdicts.history(trips.ws.state, NAME, 2) if v.metric == "roc_auc" and "train" in v.gate]
    assert [(v.outcome, v.measurement) for v in recorded] == [("warning", 1), ("failed", 1)]
