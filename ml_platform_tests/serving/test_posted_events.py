"""Events over HTTP: from the request to the next prediction and, once, to the lake."""

import os
import signal
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from ml_platform.serving.rest.answers import EventsTaken, InvalidRequest
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import children, json_rows, served
from ml_platform_tests.world import World

TRIPS = "ml_platform_tests.declarations.trips_monthly"
Row = dict[str, Any]


@pytest.fixture
def trips(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


def example(world: World) -> Row:
    """The last example of February."""
    row = json_rows(world, 10_000)[-1]
    row.pop("_score")
    return row


def jam_before(row: Row, value: float) -> Row:
    """What the traffic of an example's zone was, a minute before it."""
    seen = (datetime.fromisoformat(row["ordered_at"]) - timedelta(minutes=1)).isoformat()
    return {"zone": row["zone"], "observed_at": seen, "published_at": seen, "jam": value}


def test_the_next_prediction_sees_an_event_and_the_lake_has_it_once(trips: World) -> None:
    row, data, name = example(trips), trips.settings.data, trips.pipeline.name
    event = jam_before(row, 0.875)
    trips.close()
    with served(data, TRIPS, "--workers", "2") as (url, _), closing(httpx.Client(base_url=url, timeout=30)) as client:
        events, predict = (f"/v1/pipelines/{name}/{route}" for route in ("events", "predict"))
        taken = client.post(events, json={"table": "traffic", "rows": [event]})
        assert (taken.status_code, taken.json()) == (200, {"table": "traffic", "taken": 1, "repeated": 0}), taken.text
        EventsTaken.model_validate(taken.json())
        for _ in range(5):  # whichever worker answers
            with closing(httpx.Client(base_url=url, timeout=30)) as other:
                answer = other.post(predict, json={"rows": [row]}).json()["predictions"][0]
                assert answer["ages"]["traffic__status"] == 60.0
                again = other.post(events, json={"table": "traffic", "rows": [event]}).json()
                assert (again["taken"], again["repeated"]) == (0, 1)
        page = client.get("/metrics").text
        document = client.get("/openapi.json").json()
        for body, field in (
            ({"table": "traffic", "rows": [{**event, "jam": "many"}]}, "rows.0.jam"),
            ({"table": "traffic", "rows": [{**event, "speling": 1}]}, "rows.0.speling"),
            ({"table": "traffic", "rows": [{**event, "jam": 0.5}]}, "rows.0"),  # its key stands with other content
        ):
            refused = client.post(events, json=body)
            assert refused.status_code == 422, refused.text
            assert InvalidRequest.model_validate(refused.json()).fields[0].field == field  # type: ignore[index]
        cleaned = client.post(events, json={"table": "trips", "rows": [row]})
        assert cleaned.status_code == 422 and "made by `clean`" in cleaned.json()["error"]
    assert 'ml_platform_events_total{outcome="' in page
    assert set(event) == set(document["components"]["schemas"][f"{name}_events_traffic_Event"]["properties"])
    trips.declare()
    (path,) = [*trips.settings.landing.glob("_events/*/*.parquet")]
    assert path.parent.name == "traffic"
    trips.step("raw/traffic", "all")
    trips.step("validated/traffic", "2024-02")
    assert trips.ws.lake.rows("SELECT count(*) FROM validated.traffic WHERE jam = 0.875") == [(1,)]


def test_a_kill_of_everything_loses_and_doubles_no_event(trips: World) -> None:
    row, data, name = example(trips), trips.settings.data, trips.pipeline.name
    trips.close()
    posted = [[jam_at(row, 10 * number + second) for second in range(10)] for number in range(12)]
    acknowledged, begun = [], Event()
    with served(data, TRIPS) as (url, process):

        def post() -> None:
            with closing(httpx.Client(base_url=url, timeout=30)) as client, suppress(httpx.TransportError):
                for rows in posted:
                    answer = client.post(f"/v1/pipelines/{name}/events", json={"table": "traffic", "rows": rows})
                    assert answer.json()["taken"] == 10, answer.text
                    acknowledged.append(rows)
                    begun.set()

        thread = Thread(target=post)
        thread.start()
        assert begun.wait(60)
        workers = children(process.pid)
        process.kill()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        thread.join()
    with served(data, TRIPS) as (url, _):
        for rows in posted[max(0, len(acknowledged) - 1) :]:  # the last answer may not have arrived
            body = {"table": "traffic", "rows": rows}
            answer = httpx.post(f"{url}/v1/pipelines/{name}/events", json=body, timeout=30)
            assert answer.status_code == 200 and sum(answer.json()[one] for one in ("taken", "repeated")) == 10
    assert in_the_lake(trips) == [(120, 120)]


def jam_at(row: Row, second: int) -> Row:
    """What the traffic was, so many seconds after the first of February."""
    seen = f"2024-02-01T00:{second // 60:02}:{second % 60:02}.5Z"
    return {"zone": row["zone"], "observed_at": seen, "published_at": seen, "jam": 0.25}


def in_the_lake(world: World) -> list[tuple[int, int]]:
    """How many events of `jam_at` are in the lake once they are ingested, and how many different ones."""
    world.declare()
    world.step("raw/traffic", "all")
    world.step("validated/traffic", "2024-02")
    return world.ws.lake.rows(
        "SELECT count(*), count(DISTINCT v.observed_at) "
        "FROM raw.traffic r JOIN validated.traffic v USING (_file, _row) "
        "WHERE v.jam = 0.25 AND extract('microsecond' FROM v.observed_at) % 1000000 = 500000"
    )


@pytest.mark.slow
def test_twenty_kills_under_load_lose_and_double_no_event(trips: World) -> None:
    row, data, name = example(trips), trips.settings.data, trips.pipeline.name
    trips.close()
    waiting = [[jam_at(row, 4 * number + second) for second in range(4)] for number in range(300)]
    acknowledged: list[int] = []
    with served(data, TRIPS, "--workers", "2") as (url, process):
        stopped = Event()

        def kill() -> None:
            for _ in range(20):
                if stopped.wait(1.0):
                    return
                for worker in children(process.pid)[:1]:
                    os.kill(worker, signal.SIGKILL)

        killer = Thread(target=kill)
        killer.start()
        while killer.is_alive() or len(acknowledged) < len(waiting):
            rows = waiting[len(acknowledged) % len(waiting)]  # after the last from the first on, which are repetitions
            with suppress(httpx.TransportError):
                body = {"table": "traffic", "rows": rows}
                answer = httpx.post(f"{url}/v1/pipelines/{name}/events", json=body, timeout=30)
                if answer.status_code == 200:
                    acknowledged.append(len(rows))
        killer.join()
    assert in_the_lake(trips) == [(1200, 1200)]
