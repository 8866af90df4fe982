"""A label may name the prediction that it is the truth about, and lands as the same row as by key."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from ml_platform.serving import column_segments, log_mover, prediction_log
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.taking import Taken
from ml_platform.serving.logged_predictions import LoggedPredictions
from ml_platform.serving.logged_values import json_value
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.serving.rest.event_requests import EventRequest
from ml_platform.serving.rest.exchange import RequestRefused
from ml_platform.serving.rest.labelled_predictions import with_keys
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.event_world import BASE, EventWorld, Row, copied
from ml_platform_tests.serving.service import served

VISIT = {"visit": 7, "at": BASE - timedelta(hours=3), "sensor": "s0", "person": 1}
NAME = "visits_go_well"


@pytest.fixture
def world(events_lake: Path) -> Iterator[EventWorld]:
    with copied(events_lake, of_visits="latest") as world:
        yield world


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def predictions(world: EventWorld, logs: Path) -> Iterator[LoggedPredictions]:
    with closing(LoggedPredictions(world.stores.settings, logs)) as predictions:
        yield predictions


def record(identity: str, row: Row = VISIT, **values: Any) -> dict[str, Any]:
    """The record of an answer in the prediction log."""
    return {
        "id": identity,
        "key": str(row.get("visit")),
        "at": json_value(BASE),
        "requested_at": json_value(BASE),
        "version": 1,
        "role": "champion",
        "shadow": False,
        "score": 0.25,
        "scores": None,
        "class": "false",
        "inputs": json.dumps({name: json_value(value) for name, value in row.items()}),
        "features": json.dumps({"id": identity[::-1]}),
        "statuses": "{}",
        "ages": "{}",
        "overridden": [],
        "max_staleness": "{}",
        "snapshots": "{}",
        **values,
    }


def log(logs: Path, *records: dict[str, Any], pipeline: str = NAME) -> PredictionLog:
    opened = PredictionLog(logs / pipeline, budget=1_000_000)
    opened.append(records)
    return opened


def labels_of(world: EventWorld) -> LabelEvents:
    return LabelEvents.of(world.pipeline, world.tables)


def asked(*identities: str) -> EventRequest:
    return EventRequest("visits", [{"good": True}] * len(identities), "predictions", identities)


def test_a_prediction_stands_for_the_key_before_and_after_it_moved_to_the_lake(
    world: EventWorld, predictions: LoggedPredictions, logs: Path
) -> None:
    identity, labels = f"{1:032x}", labels_of(world)
    log(logs, record(f"{0:032x}", {**VISIT, "visit": 6}), record(identity))
    by_key = {"visit": 7, "good": True}
    assert with_keys(asked(identity), labels, predictions, NAME).rows == [by_key]
    world.fill()
    world.take("visits", [{**VISIT, "good": None}])
    taker = world.taker("visits")
    assert taker.take_outcomes(with_keys(asked(identity), labels, predictions, NAME).rows) == Taken(1, 0)
    assert taker.take_outcomes([by_key]) == Taken(0, 1)
    (segment,) = (logs / NAME).glob(f"*{prediction_log.OPEN}")
    segment.rename(segment.with_suffix(prediction_log.SEALED))
    assert log_mover.move(world.stores, NAME, logs / NAME) == 2
    assert with_keys(asked(identity), labels, predictions, NAME).rows == [by_key]


def test_a_prediction_of_a_large_request_stands_for_the_key(
    world: EventWorld, predictions: LoggedPredictions, logs: Path
) -> None:
    identities = [f"{number:032x}" for number in range(3)]
    answers = pl.DataFrame(
        {
            "id": identities,
            "key": ["5", "6", "7"],
            "at": [BASE] * 3,
            "requested_at": [BASE] * 3,
            "version": [1] * 3,
            "role": ["champion"] * 3,
            "shadow": [False, False, True],
            "score": [0.5] * 3,
            "scores": [None] * 3,
            "class": ["true"] * 3,
            "snapshots": ["{}"] * 3,
        },
        schema_overrides={"scores": pl.List(pl.Float64)},
    )
    inputs = pl.DataFrame([{**VISIT, "visit": visit} for visit in (5, 6, 7)])
    nothing = pl.DataFrame({"unused": [0.0] * 3})
    (logs / NAME).mkdir(parents=True)
    column_segments.write(logs / NAME, column_segments.packed(answers, inputs, nothing, nothing, {}), ".new")
    request = with_keys(asked(*identities[:2]), labels_of(world), predictions, NAME)
    assert [row["visit"] for row in request.rows] == [5, 6]
    with pytest.raises(RequestRefused, match="1 of 1 labels"):  # nobody heard the answer of a challenger
        with_keys(asked(identities[2]), labels_of(world), predictions, NAME)


def test_an_id_of_no_prediction_and_one_of_another_pipeline_are_refused_by_name(
    world: EventWorld, predictions: LoggedPredictions, logs: Path
) -> None:
    good, unknown, foreign, old = (f"{number:032x}" for number in range(4))
    log(logs, record(good), record(old, {"renamed": 7}), record("f" * 32, shadow=True))
    log(logs, record(foreign), pipeline="other")
    with pytest.raises(RequestRefused) as refused:
        with_keys(asked(good, unknown, foreign, old, "f" * 32), labels_of(world), predictions, NAME)
    assert refused.value.code == 422
    assert refused.value.body["fields"] == [
        {"field": "predictions.1.id", "reason": f"{NAME} gave no prediction with this id"},
        {"field": "predictions.2.id", "reason": "it is a prediction of other"},
        {
            "field": "predictions.3.id",
            "reason": "its request had other inputs than the pipeline declares now: name the key of the row",
        },
        {"field": "predictions.4.id", "reason": f"{NAME} gave no prediction with this id"},
    ]


def test_a_segment_that_is_renamed_while_it_is_looked_for_is_read(
    predictions: LoggedPredictions, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = f"{1:032x}"
    log(logs, record(identity))
    read_bytes = Path.read_bytes

    def sealed_meanwhile(path: Path) -> bytes:
        if path.suffix == prediction_log.OPEN:
            path.rename(path.with_suffix(prediction_log.SEALED))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", sealed_meanwhile)
    assert predictions.inputs(NAME, [identity]).keys() == {identity}


def test_a_label_by_prediction_over_http_is_the_label_by_key(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn())
    row = churn.ws.lake.frame(
        "SELECT customer, taken_at, plan, spending, churned, settled_at FROM validated.customers "
        "WHERE settled_at IS NOT NULL ORDER BY taken_at DESC, customer LIMIT 1"
    ).row(0, named=True)
    row = {name: json_value(value) for name, value in row.items()}
    data = churn.settings.data
    churn.close()
    key = {name: row[name] for name in ("customer", "taken_at")}
    truth = {"churned": not row["churned"], "settled_at": row["settled_at"]}
    with (
        served(data, "ml_platform_tests.declarations.churn_with_labels") as (url, _),
        closing(httpx.Client(base_url=f"{url}/v1/pipelines/churn", timeout=30)) as client,
    ):
        example = {**key, "plan": row["plan"], "spending": row["spending"]}
        answer = client.post("/predict", json={"rows": [example]})
        (prediction,) = answer.json()["predictions"]
        by_id = client.post("/labels", json={"predictions": [{"id": prediction["id"], "label": truth}]})
        assert by_id.json() == {"table": "customers", "taken": 1, "repeated": 0}, by_id.text
        by_key = client.post("/labels", json={"rows": [{**key, **truth}]})
        assert by_key.json() == {"table": "customers", "taken": 0, "repeated": 1}, by_key.text
        for body, field in (
            ({"predictions": [{"id": "0" * 32, "label": truth}]}, "predictions.0.id"),
            ({"predictions": [{"id": "7", "label": truth}]}, "predictions.0.id"),
            (
                {"predictions": [{"id": prediction["id"], "label": {**truth, "speling": 1}}]},
                "predictions.0.label.speling",
            ),
            ({"rows": [{**truth, "customer": row["customer"]}]}, "rows.0.taken_at"),
            ([], "body"),
        ):
            refused = client.post("/labels", json=body)
            assert (refused.status_code, refused.json()["fields"][0]["field"]) == (422, field), refused.text
