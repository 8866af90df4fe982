"""Events over HTTP: from the request to the next prediction and, once, to the lake."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_platform.serving.rest.answers import EventsTaken, InvalidRequest
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows, served
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
