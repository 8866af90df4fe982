"""Decisions on record: a history that only grows, evidence out of rows, and a person who may force (S6, S20, S21)."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Retrain
from ml_platform.errors import OrderError, RetrainRefused
from ml_platform.lake.transaction import Author, write
from ml_platform.retraining.policy import ManualRequest, decide
from ml_platform.state import ledger, promotions
from ml_platform.state.results import DriftResult
from ml_platform.state.stores import after
from ml_platform.steps import evidence
from ml_platform.steps.all_steps import step_named
from ml_platform.steps.decision import newest
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.decision import request as request_training
from ml_platform.views.decisions import history
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME, FEBRUARY = "trip_delay", "2024-02"
ONCE = Retrain(every=None, min_examples=200)
ADA = ManualRequest("ada", "a new bridge")


def _rows(trips: World) -> list[tuple[str, str]]:
    return [(row["partition"], row["outcome"]) for row in reversed(history(trips.ws, trips.pipeline.name))]


def _drifted(trips: World, month: str, figure: float | None, key: str = "k") -> None:
    """The drift of a month as monitoring records it: one row a feature, and the weighted figure without a name."""
    features = [("km", 0.9), ("", figure)]
    rows = [
        {
            "version": 1,
            "role": "champion",
            "feature": name,
            "psi": psi,
            "distance": 0.0,
            "importance": 1.0,
            "status": "ok",
            "rows": 400,
        }
        for name, psi in features
    ]
    frame = pl.DataFrame(rows, schema_overrides={"psi": pl.Float64})
    author = Author(f"{NAME}/drift", month, key)
    with write(trips.ws.lake, author) as tx:
        tx.replace(NAME, "drift", frame, partition=month)
        after(
            tx,
            trips.ws.state,
            lambda: ledger.record(trips.ws.state, author, rows=2, result=DriftResult(1, figure, 400)),
        )


def test_a_decision_taken_anew_is_added_and_the_one_before_stays_S6(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    before = history(trips.ws, trips.pipeline.name)
    assert _rows(trips) == [("2024-01", "triggered"), (FEBRUARY, "triggered")]
    trips.declare(scenario.trips(retrain=Retrain(every=3, min_examples=200)))
    assert trips.run(FEBRUARY) == []
    trips.run(FEBRUARY, recompute=True)
    assert _rows(trips) == [
        ("2024-01", "triggered"),
        (FEBRUARY, "triggered"),
        ("2024-01", "triggered"),
        (FEBRUARY, "skipped"),
    ]
    after = history(trips.ws, trips.pipeline.name)
    assert [{**row, "counts": None} for row in after[2:]] == [{**row, "counts": None} for row in before]
    assert [row["counts"] for row in after] == [True, True, False, False]
    assert decision_of(trips.ws, trips.pipeline, FEBRUARY).outcome == "skipped"
    assert trips.run(FEBRUARY) == []


def test_every_decision_on_record_follows_from_its_policy_and_evidence(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    for row in history(trips.ws, trips.pipeline.name):
        stored = {name: value for name, value in row["policy"].items() if name != "kind"}
        again = decide(Retrain(**stored), evidence.from_json(json.dumps(row["evidence"])))
        assert (again.outcome, again.reason) == (row["outcome"], row["reason"])


def test_the_champions_month_is_compared_with_its_holdout(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    seen = evidence.performance(trips.ws, trips.pipeline, FEBRUARY)
    assert seen is not None and seen.metric == "roc_auc"
    # By the labels known at the end of February; the performance table counts those of its last trips too.
    assert seen.realised == pytest.approx(trips.display(f"{NAME}/performance", FEBRUARY)["roc_auc"], abs=0.002)
    assert seen.holdout == trips.display(f"{NAME}/candidate", "2024-01")["holdout roc_auc"]
    assert evidence.performance(trips.ws, trips.pipeline, "2024-01") is None, "no champion scored it"
    assert 0.03 < seen.loss < 0.05
    for margin, outcome, words in ((0.03, "triggered", "more than"), (0.05, "skipped", "within")):
        trips.declare(scenario.trips(retrain=Retrain(every=None, min_examples=200, on_performance=margin)))
        trips.step(f"{NAME}/decision", FEBRUARY)
        told = trips.display(f"{NAME}/decision", FEBRUARY)
        assert told["outcome"] == outcome
        assert f"worse by {seen.loss:.4f}, {words} the declared {margin:g}." in told["reason"]


def test_drift_over_the_threshold_fires_and_another_figure_decides_anew(open_world: OpenWorld, january: Path) -> None:
    watchful = scenario.trips(retrain=Retrain(every=None, min_examples=200, on_drift=0.25))
    trips = open_world(january, watchful)
    trips.run(FEBRUARY)
    assert decision_of(trips.ws, watchful, "2024-01").outcome == "triggered", "no champion scored January"
    assert decision_of(trips.ws, watchful, FEBRUARY).reason.startswith("Drift 0.")
    _drifted(trips, FEBRUARY, 0.24)
    trips.step(f"{NAME}/decision", FEBRUARY)
    assert decision_of(trips.ws, watchful, FEBRUARY).reason == "Drift 0.240 is below the declared 0.25."
    _drifted(trips, FEBRUARY, 0.25, "another")
    for step in ("decision", "training_set", "candidate", "verdicts", "champion"):
        trips.step(f"{NAME}/{step}", FEBRUARY)
    assert trips.display(f"{NAME}/decision", FEBRUARY)["drift"] == 0.25
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    assert _rows(trips)[-3:] == [(FEBRUARY, "skipped"), (FEBRUARY, "skipped"), (FEBRUARY, "triggered")]
    _drifted(trips, FEBRUARY, None, "nobody could tell")
    assert evidence.drift(trips.ws, watchful, FEBRUARY).weighted is None


def test_a_forced_training_is_on_record_with_who_and_why_and_stands_when_the_data_change(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january, scenario.trips(retrain=ONCE))
    trips.run(FEBRUARY)
    assert _rows(trips)[-1] == (FEBRUARY, "skipped")
    assert newest(trips.ws, trips.pipeline) == FEBRUARY
    decision, new = request_training(trips.ws, trips.pipeline, FEBRUARY, ADA)
    assert (decision.outcome, decision.reason, new) == ("manual", "ada: a new bridge", True)
    assert history(trips.ws, trips.pipeline.name)[0]["evidence"]["manual"] == asdict(ADA)
    made = [asset for asset, _, _ in trips.run(FEBRUARY)]
    assert made == [f"{NAME}/{step}" for step in ("training_set", "candidate", "verdicts", "champion")]
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    assert trips.run(FEBRUARY) == []
    corrected = scenario.trip_rows(FEBRUARY).with_columns(late=pl.col("late") + 1)
    trips.land("trips", "trips_2024-02.csv", corrected, datetime(2024, 2, 10, tzinfo=UTC))
    trips.run(FEBRUARY)
    assert _rows(trips)[-1:] == [(FEBRUARY, "manual")]
    trips.run(only=FEBRUARY, recompute=True)
    assert decision_of(trips.ws, trips.pipeline, FEBRUARY) == decision
    assert _rows(trips)[-2:] == [(FEBRUARY, "manual"), (FEBRUARY, "manual")]


def test_what_cannot_be_forced_is_refused_and_changes_nothing(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, scenario.trips(retrain=Retrain(min_examples=5_000)))
    with pytest.raises(OrderError, match="has no decision for 2024-02"):
        request_training(trips.ws, trips.pipeline, FEBRUARY, ADA)
    trips.run("2024-01", recompute=True)
    before = _rows(trips)
    with pytest.raises(
        RetrainRefused, match=r"not retrained after 2024-01: \d+ labels are known and 5000 are needed\."
    ):
        request_training(trips.ws, trips.pipeline, "2024-01", ADA)
    assert _rows(trips) == before


def test_two_who_force_at_once_force_once(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, scenario.trips(retrain=ONCE))
    trips.run(FEBRUARY)
    with ThreadPoolExecutor(2) as pool:
        people = [ADA, ManualRequest("bob", "the same bridge")]
        asking = [pool.submit(request_training, trips.ws, trips.pipeline, FEBRUARY, each) for each in people]
        answers = [each.result() for each in asking]
    assert answers[0][0] == answers[1][0]
    assert sorted(new for _, new in answers) == [False, True]
    assert _rows(trips).count((FEBRUARY, "manual")) == 1


def test_a_step_that_another_process_was_faster_with_adds_no_second_decision(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    made_of = step_named("decision").key(trips.ws, trips.pipeline, "2024-01")
    author = Author(f"{NAME}/decision", "2024-01", made_of.content_key, "the slower run", made_of.reads)
    outcome = step_named("decision").make(trips.ws, trips.pipeline, "2024-01", author)
    assert outcome.status == "unchanged"
    assert _rows(trips) == [("2024-01", "triggered")]


def test_a_training_that_was_forced_counts_for_the_cool_down(open_world: OpenWorld, january: Path) -> None:
    policy = Retrain(every=None, min_examples=200, on_drift=0.1, cool_down=1)
    trips = open_world(january, scenario.trips(retrain=policy))
    trips.land_trips("2024-04")
    trips.run(FEBRUARY)
    request_training(trips.ws, trips.pipeline, FEBRUARY, ADA)
    trips.run("2024-03")
    _drifted(trips, "2024-03", 0.5)
    trips.step(f"{NAME}/decision", "2024-03")
    decision = decision_of(trips.ws, trips.pipeline, "2024-03")
    assert decision.outcome == "skipped"
    assert decision.reason.startswith("Trained 1 partition ago; the cool-down is 1 partition. Otherwise: Drift 0.500")
