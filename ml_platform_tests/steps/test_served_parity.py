"""What the service answered is computed again from the lake: wrong answers are told from rows that came late."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from ml_platform.lake.transaction import Author, write
from ml_platform.serving import log_mover
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.rest.request_model import to_predict_request
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import ledger
from ml_platform.state.results import ComparisonResult
from ml_platform.steps import served_parity
from ml_platform.steps.served_parity import compare_served
from ml_platform_tests import scenario
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows
from ml_platform_tests.world import World


@pytest.fixture
def trips(open_world: OpenWorld, february) -> World:  # type: ignore[no-untyped-def]
    return open_world(february)


def answer(world: World, rows: Sequence[dict[str, Any]], *, move: bool = True, **request: Any) -> None:
    """Let a service that is filled now answer these examples; its log is in the lake then."""
    name, online = world.pipeline.name, world.settings.data / "online"
    with closing(SQLiteStore(online / "store.sqlite")) as store:
        deploy_champion(world.ws, name, store, timedelta(days=365))
        service = Service(world.ws.blobs, store, online / "log", 10_000_000, [name])
        service.take_up_changes()
        served = service.served[name]
        body = json.dumps({"rows": list(rows), **request})
        service.predict(served, to_predict_request(served.request.validate_json(body)))
        service.stop()
    if move:
        log_mover.move(world.ws, name, online / "log" / name)


def examples(world: World, count: int) -> list[dict[str, Any]]:
    rows = json_rows(world, count)
    for row in rows:
        del row["_score"]
    return rows


def compared(world: World) -> ComparisonResult:
    outcome = compare_served(world.ws, world.pipeline.name, "")
    assert isinstance(outcome.result, ComparisonResult)
    return outcome.result


def test_every_answer_of_a_correct_service_is_computed_again_to_the_bit_and_only_once(trips: World) -> None:
    rows = examples(trips, 30)
    answer(trips, [*rows, rows[0]])
    answer(trips, rows[:2], overrides=[{"drivers__years": 3}, None])
    answer(trips, rows[:3], max_staleness={"traffic__status": 60})
    result = compared(trips)
    assert (result.compared, result.left_out) == (32, 4)
    assert (result.wrong, result.late, result.undecided, result.other_inputs) == (0, 0, 0, 0)
    records = ledger.history(trips.ws.state, served_parity.asset_name(trips.pipeline.name))
    assert compared(trips) == result
    assert ledger.history(trips.ws.state, served_parity.asset_name(trips.pipeline.name)) == records
    answer(trips, rows[:4])
    assert compared(trips).compared == 4


def test_answers_to_texts_that_no_row_can_hold_are_left_out_and_the_others_compared(trips: World) -> None:
    answer(trips, examples(trips, 5))
    name = trips.pipeline.name
    with write(trips.ws.lake, Author(f"{name}/served")) as tx:
        rows = trips.ws.lake.frame(f"SELECT * EXCLUDE (_partition) FROM {name}.served ORDER BY id")
        texts = [json.dumps({**json.loads(text), "zone": "a\0b"}) for text in rows["inputs"][:2]]
        (day,) = trips.ws.lake.frame(f"SELECT DISTINCT _partition FROM {name}.served")["_partition"]
        older = rows.with_columns(inputs=pl.Series([*texts, *rows["inputs"][2:]]))
        tx.replace(name, "served", older, partition=day)
    result = compared(trips)
    assert (result.compared, result.left_out, result.wrong, result.undecided) == (3, 2, 0, 0)


def test_an_answer_that_reaches_the_lake_after_later_ones_were_compared_is_compared_too(trips: World) -> None:
    first, *others = examples(trips, 4)
    folder = trips.settings.data / "online" / "log" / trips.pipeline.name
    answer(trips, [first], move=False)
    (held_back,) = folder.glob("*.jsonl")
    elsewhere = held_back.rename(trips.settings.data / held_back.name)
    answer(trips, others)
    assert compared(trips).compared == 3
    elsewhere.rename(held_back)
    log_mover.move(trips.ws, trips.pipeline.name, folder)
    assert compared(trips).compared == 1


def test_before_the_first_answer_nothing_is_compared_and_nothing_recorded(trips: World) -> None:
    outcome = compare_served(trips.ws, trips.pipeline.name, "")
    (check,) = outcome.checks
    assert check.passed and "No answer" in check.description
    assert not ledger.history(trips.ws.state, served_parity.asset_name(trips.pipeline.name))


def test_a_value_and_a_score_that_the_rows_do_not_give_fail_the_check_and_are_named(trips: World) -> None:
    answer(trips, examples(trips, 12))
    name = trips.pipeline.name
    with write(trips.ws.lake, Author(f"{name}/served")) as tx:
        rows = trips.ws.lake.frame(f"SELECT * EXCLUDE (_partition) FROM {name}.served ORDER BY id")
        features = [json.loads(text) for text in rows["features"]]
        features[3]["drivers__years"] = 77
        damaged = rows.with_columns(
            features=pl.Series([json.dumps(one) for one in features]),
            score=pl.Series([*rows["score"][:5], rows["score"][5] / 2, *rows["score"][6:]]),
        )
        (day,) = trips.ws.lake.frame(f"SELECT DISTINCT _partition FROM {name}.served")["_partition"]
        tx.replace(name, "served", damaged, partition=day)
    outcome = compare_served(trips.ws, name, "")
    (check,) = outcome.checks
    assert not check.passed and check.value == 2
    shown = {(one["id"], one["feature"]): one for one in check.metadata["first differences"]}
    of_value, of_score = shown[rows["id"][3], "drivers__years"], shown[rows["id"][5], "score"]
    assert (of_value["logged"], of_value["key"]) == (77, rows["key"][3]) and of_value["recomputed"] != 77
    assert (of_score["logged"], of_score["recomputed"]) == (rows["score"][5] / 2, rows["score"][5])
    assert len(shown) == 2


def test_the_command_compares_shows_what_differs_and_fails_for_a_wrong_answer(
    trips: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(trips, examples(trips, 3))
    name, data = trips.pipeline.name, trips.settings.data
    trips.close()
    monkeypatch.setenv("ML_PLATFORM_DATA", str(data))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_monthly"]')
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    shown = invoke_json("compare", name)
    assert (shown["passed"], shown["compared"], shown["differences"]) == (True, 3, [])
    trips.declare()
    answer(trips, examples(trips, 2))
    with write(trips.ws.lake, Author(f"{name}/served")) as tx:
        tx.execute(f"UPDATE {name}.served SET score = score / 2")
    trips.close()
    result = invoke("compare", name)
    assert result.exit_code == 1 and "2 had other features or another score" in result.stdout
    trips.declare()


def test_rows_that_came_after_the_answer_are_no_fault_of_the_service(trips: World) -> None:
    rows = examples(trips, 40)
    answer(trips, rows)
    later = scenario.traffic_rows("2024-02").with_columns(pl.col("jam") + 1.0)
    moment = trips.pipeline.partitions.window("2024-02")[0]  # type: ignore[union-attr]  # trips have partitions
    trips.land("traffic", "traffic_2024-02.csv", later, moment)
    trips.run("2024-02")
    result = compared(trips)
    assert result.late > 10 and (result.wrong, result.undecided) == (0, 0)
    reasons = {one["reason"] for one in _shown(trips)}
    assert reasons == {"rows that count now reached the online store after the answer"}


def test_what_cannot_be_decided_any_more_is_counted_and_fails_nothing(trips: World) -> None:
    answer(trips, examples(trips, 40))
    name = trips.pipeline.name
    with write(trips.ws.lake, Author(f"{name}/served")) as tx:
        rows = trips.ws.lake.frame(f"SELECT * REPLACE (NULL::VARCHAR AS snapshots) FROM {name}.served")
        (day,) = rows["_partition"].unique()
        tx.replace(name, "served", rows.drop("_partition"), partition=day)  # as older code logged it
    later = scenario.traffic_rows("2024-02").with_columns(pl.col("jam") + 1.0)
    moment = trips.pipeline.partitions.window("2024-02")[0]  # type: ignore[union-attr]  # trips have partitions
    trips.land("traffic", "traffic_2024-02.csv", later, moment)
    trips.run("2024-02")
    result = compared(trips)
    assert result.undecided > 10 and (result.wrong, result.late) == (0, 0)


def test_inputs_that_the_lake_has_otherwise_are_counted_apart(trips: World) -> None:
    rows = examples(trips, 10)
    name = next(
        name
        for name, value in rows[2].items()
        if isinstance(value, float) and name not in trips.pipeline.examples.identity
    )
    rows[2][name] += 1.0
    answer(trips, rows)
    result = compared(trips)
    assert (result.other_inputs, result.wrong, result.late) == (1, 0, 0)
    (one,) = _shown(trips)
    assert (one["feature"], one["logged"], one["recomputed"]) == (name, rows[2][name], rows[2][name] - 1.0)


def _shown(world: World) -> list[dict[str, Any]]:
    """The differences that the newest comparison shows."""
    (check,) = compare_served(world.ws, world.pipeline.name, "").checks
    shown: list[dict[str, Any]] = check.metadata["first differences"]
    return shown
