"""What a change makes stale: exactly what depends on it (S6, S31, S32)."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal
from sqlalchemy import func, select

from ml_platform import AtLeast, Derived
from ml_platform.state import promotions, versions
from ml_platform.state.schema import verdicts
from ml_platform.steps.all_steps import planner
from ml_platform.validation import validated
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import StepRun, World

TRAINING = ["training_set", "candidate", "verdicts", "champion"]
DATA = ["features", "predictions", "performance", "drift", "report", "decision"]


def _made(steps: list[StepRun], status: str = "made") -> dict[str, list[str]]:
    """partition → the assets that were made, in order; without the pipeline's name."""
    found: dict[str, list[str]] = {}
    for asset, partition, said in steps:
        if said == status:
            found.setdefault(partition, []).append(asset.removeprefix("trip_delay/"))
    return found


def _training_set(world: World, month: str) -> str:
    return world.keys()["trip_delay/training_set", month][1]


def test_another_feature_is_carried_through_on_request_and_no_table_is_validated_again(
    open_world: OpenWorld, january: Path
) -> None:
    before = scenario.trips()
    trips = open_world(january, scenario.trips(features=[*before.features, Derived(far=pl.col("km") > 12)]))
    made = trips.run("2024-01", recompute=True)
    assert _made(made) == {"2024-01": [*DATA, *TRAINING]}
    assert [v.version for v in versions.versions(trips.ws.state, "trip_delay")] == [1, 2]
    assert trips.run("2024-01", recompute=True) == trips.run("2024-01") == []


def test_a_feature_declared_again_with_another_type_takes_the_place_of_the_old_one(
    open_world: OpenWorld, january: Path
) -> None:
    others = [feature for feature in scenario.trips().features if not isinstance(feature, Derived)]
    hour = pl.col("ordered_at").dt.hour()
    trips = open_world(january, scenario.trips(features=[*others, Derived(hour=hour / 24)]))
    trips.run("2024-01")
    assert trips.ws.lake.columns("trip_delay", "features")["hour"] == "DOUBLE"
    assert trips.run("2024-01") == []


def test_another_gate_judges_again_and_trains_nothing_S23(open_world: OpenWorld, january: Path) -> None:
    old = scenario.trips().gates
    trips = open_world(january, scenario.trips(gates=[*old, AtLeast("average_precision", 0.2)]))
    assert trips.run("2024-01") == [], "what was judged stands"
    assert _made(trips.run("2024-01", recompute=True)) == {"2024-01": ["verdicts", "champion"]}
    told = trips.display("trip_delay/verdicts", "2024-01")
    assert (told["passed"], told["gates"], told["version"]) == (9, 9, "trip_delay@1")
    outcomes = select(func.count()).where(verdicts.c.slice == "").group_by(verdicts.c.gate)
    assert {count for (count,) in trips.ws.state.rows(outcomes)} == {1}, "measured again"
    assert trips.run("2024-01") == []


def test_another_clean_screens_again_and_keeps_the_model_when_the_rows_are_the_same(
    open_world: OpenWorld, january: Path
) -> None:
    table = scenario.trips_table(clean=scenario.clean_trips_anew)
    trips = open_world(january, scenario.trips(tables=[table, scenario.traffic, scenario.drivers]))
    made = _made(trips.run("2024-01"))
    assert made["2024-01"][:2] == ["validated/trips", "features"]
    assert "validated/traffic" not in made["2024-01"]
    assert "candidate" not in made["2024-01"], "the training set has the same bytes"
    assert [v.version for v in versions.versions(trips.ws.state, "trip_delay")] == [1]


def test_a_replaced_file_carried_through_the_past_changes_what_could_know_of_it_and_nothing_else_S6(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    sets = {month: _training_set(trips, month) for month in ("2024-01", "2024-02")}
    scores = trips.frame("FROM trip_delay.predictions ORDER BY key, version")
    log = promotions.history(trips.ws.state, "trip_delay")
    # On 10 February it turns out that three trips of 28 January were later than said.
    corrected = scenario.trip_rows("2024-01").with_columns(
        late=pl.when(pl.int_range(pl.len()) % 10 == 3).then(pl.col("late") + 30).otherwise("late")
    )
    trips.land("trips", "trips_2024-01.csv", corrected, datetime(2024, 2, 10, tzinfo=UTC))
    made = _made(trips.run("2024-02", recompute=True))
    assert made["all"] == ["raw/trips"]
    assert made["2024-01"][0] == "validated/trips"
    assert "validated/trips" not in made["2024-02"]
    assert not {"validated/traffic", "validated/drivers"} & {asset for assets in made.values() for asset in assets}
    # The decision of 1 February did not know of it, that of 1 March did.
    assert _training_set(trips, "2024-01") == sets["2024-01"]
    assert "candidate" not in made["2024-01"]
    assert _training_set(trips, "2024-02") != sets["2024-02"]
    assert "candidate" in made["2024-02"]
    assert promotions.history(trips.ws.state, "trip_delay")[: len(log)] == log
    # January had no champion; February's predictions were made with what was known, by the same version.
    again = trips.frame("FROM trip_delay.predictions ORDER BY key, version")
    early = pl.col("at") < datetime(2024, 2, 10, tzinfo=UTC)
    assert again.filter(early).drop("run_id").equals(scores.filter(early).drop("run_id"))


def test_a_file_replaced_after_it_was_used_is_stale_and_changes_no_past_prediction_or_model_S6(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    scores = "SELECT * EXCLUDE (run_id) FROM trip_delay.predictions ORDER BY ALL"
    before, models = trips.frame(scores), versions.versions(trips.ws.state, "trip_delay")
    log = promotions.history(trips.ws.state, "trip_delay")
    assert trips.planned("2024-02") == []
    # In April somebody finds that January's file was wrong throughout.
    wrong = scenario.trip_rows("2024-01").with_columns(pl.col("late") + 40)
    trips.land("trips", "trips_2024-01.csv", wrong, datetime(2024, 4, 2, tzinfo=UTC))
    assert [work.only for work in trips.planned("2024-02")] != []
    made = _made(trips.run("2024-02"))
    assert made["2024-01"][0] == "validated/trips"
    assert "candidate" not in made["2024-01"] + made.get("2024-02", [])
    assert trips.frame(scores).equals(before)
    assert versions.versions(trips.ws.state, "trip_delay") == models
    assert promotions.history(trips.ws.state, "trip_delay") == log
    assert trips.planned("2024-02") == []


def test_a_month_that_arrives_after_later_ones_is_made_then_and_ends_the_same(
    open_world: OpenWorld, february: Path
) -> None:
    inorder, late = open_world(february), open_world(None)
    late.land_trips("2024-01", "2024-03")
    late.run("2024-02")
    # A month without rows: no examples, no predictions, and a decision that says so.
    assert late.display("trip_delay/decision", "2024-02")["outcome"] == "skipped"
    assert late.frame("SELECT count(*) FROM trip_delay.predictions WHERE _partition = '2024-02'").item() == 0
    late.declare()
    assert late.run("2024-02") == []
    late.land_trips("2024-02")
    made = _made(late.run("2024-02"))
    assert set(made) == {"all", "2024-02"}, "January does not depend on February"
    same = ("raw", "validated/drivers", "trip_delay/verdicts", "trip_delay/champion")
    assert late.keys(without=same) == inorder.keys(without=same)
    told = [one.display("trip_delay/champion", "2024-02") for one in (late, inorder)]
    assert all("markdown" in one.pop("model card") for one in told), "which names its run"
    assert told[0] == told[1]


def test_a_refused_file_is_named_and_the_others_go_on(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    (trips.settings.landing / "trips" / "trips_2023-12.csv").write_bytes(b"\x00\x01\x02 no table")
    made = trips.run("2024-01")
    assert [asset for asset, _, _ in made] == ["raw/trips", "validated/trips"]
    (problem,) = [problem for look in planner(trips.ws, trips.pipeline).pending() for problem in look.problems]
    assert problem.startswith("Refused: trips/trips_2023-12.csv")
    assert trips.run("2024-01") == []


def test_the_plan_knows_the_validated_keys_that_the_steps_record(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    recorded = {month: key for (asset, month), (key, _) in trips.keys().items() if asset == "validated/trips"}
    planned = validated.validated_keys(trips.ws.state, scenario.trips_, trips.ws.slices["trips"])
    assert planned is not None
    assert recorded == {month: planned[month] for month in recorded}


def test_a_refused_row_of_a_far_time_completes_no_month_and_is_in_quarantine_S20(open_world: OpenWorld) -> None:
    trips = open_world(None)
    rows = scenario.trip_rows("2024-01")
    far = pl.lit(datetime(2031, 5, 1)).dt.replace_time_zone("UTC")
    stray = rows.head(1).with_columns(
        trip=pl.lit(1, pl.Int64), ordered_at=far.cast(rows.schema["ordered_at"]), km=pl.lit(-5.0)
    )
    trips.land_trips("2024-01")
    trips.land("trips", "trips_2024-01.csv", pl.concat([rows, stray]), datetime(2024, 2, 1, tzinfo=UTC))
    trips.run()
    plan = planner(trips.ws, trips.pipeline)
    assert plan.complete() == []
    assert list(validated.touched(trips.ws, trips.tables["trips"], scenario.MONTHS)) == ["2024-01"]
    # It waits with January, which the file is about, until a row of February completes it.
    trips.land_trips("2024-02")
    trips.run()
    assert plan.complete() == ["2024-01"]
    refused = trips.frame("SELECT rule, _partition FROM quarantine.trips").rows()
    assert refused == [("km|min", "2024-01")]


def test_the_first_row_of_another_table_leaves_the_features_of_partitions_before_it_as_they_are_S14(
    open_world: OpenWorld,
) -> None:
    trips = open_world(None)
    trips.land("drivers", "drivers.csv", scenario.driver_rows())
    trips.land("traffic", "traffic.csv", scenario.traffic_rows("2024-02"), datetime(2024, 3, 1, tzinfo=UTC))
    for month in ("2024-01", "2024-02", "2024-03"):
        over = datetime(2024, int(month[-2:]) + 1, 1, tzinfo=UTC)
        trips.land("trips", f"trips_{month}.csv", scenario.trip_rows(month), over)
    trips.run("2024-01")
    before = trips.records()["trip_delay/features", "2024-01"]
    made = _made(trips.run("2024-02"))
    assert "features" in made["2024-02"]
    assert "2024-01" not in made
    assert trips.records()["trip_delay/features", "2024-01"] == before
    stored = "SELECT * FROM trip_delay.features WHERE _partition = '2024-01' ORDER BY ALL"
    features = trips.frame(stored)
    trips.step("trip_delay/features", "2024-01")
    assert_frame_equal(trips.frame(stored), features)
