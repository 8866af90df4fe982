"""A request of many rows gets the answers, and leaves the records, that each of its rows would alone."""

import asyncio
import hashlib
import io
import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml_platform.errors import FeatureError
from ml_platform.serving import column_segments, log_mover, online, prediction_log
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.serving.rest import batches
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.arrow import ARROW, stream
from ml_platform_tests.serving.service import json_rows, served
from ml_platform_tests.world import World

NAME = "trip_delay"
PREDICT = f"/v1/pipelines/{NAME}/predict"
SERVING = Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.fixture
def world(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


@pytest.fixture
def service(world: World, tmp_path: Path) -> Iterator[Service]:
    with service_of(world, tmp_path) as one:
        yield one


@contextmanager
def service_of(world: World, tmp_path: Path, answered_span: timedelta | None = None) -> Iterator[Service]:
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        deploy_champion(world.ws, world.pipeline.name, store, answered_span)
        one = Service(world.ws.blobs, store, tmp_path / "log", 1_000_000, [world.pipeline.name])
        one.take_up_changes()
        yield one


def examples(world: World) -> pl.DataFrame:
    columns = ", ".join(world.pipeline.row_schema)
    frame = world.ws.lake.frame(f"SELECT {columns} FROM {NAME}.features WHERE _partition = '2024-02'")
    assert frame.height > 100
    return frame


def posted(service: Service, *bodies: bytes, **headers: str) -> list[httpx.Response]:
    app = create_app(service, Access({}), started=lambda: None, filling_faults=dict)

    async def post() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await asyncio.gather(
                *(client.post(PREDICT, content=body, headers={**ARROW, **headers}) for body in bodies)
            )

    return asyncio.run(post())


def test_many_rows_are_answered_as_each_of_them_alone(world: World, service: Service) -> None:
    predictor, frame = service.served[NAME].predictor, examples(world)
    together = predictor.predict_many(frame)
    for row, example in enumerate(frame.iter_rows(named=True)):
        alone = predictor.predict(example)
        assert together.answers.row(row) == (alone.score, alone.scores, alone.class_name)
        features = together.features.row(row, named=True)
        assert {name: features[name] for name in (*alone.features, *alone.statuses)} == {
            **alone.features,
            **alone.statuses,
        }
        assert {name: age[row] for name, age in together.ages.items() if age[row] is not None} == alone.ages


def test_any_rows_of_one_request_are_answered_together_as_each_of_them_alone(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, random = service.served[NAME].predictor, np.random.default_rng(5)
    frame = examples(world)
    fixed = {*predictor.definition.keys, predictor.definition.at}
    columns = {name: [*frame[name].unique(), *([] if name in fixed else [None])] for name in frame.columns}
    for count in random.integers(1, 40, 20).tolist():
        rows = [{name: values[random.integers(len(values))] for name, values in columns.items()} for _ in range(count)]
        alone = [predictor.predict(row) for row in rows]
        monkeypatch.setattr(online, "TOGETHER", 1)
        together = predictor.predict_each(rows, [None] * count)
        assert list(map(repr, together)) == list(map(repr, alone))  # of the same order, type and sign, too


def test_what_cannot_be_answered_among_many_rows_is_named_as_among_few(world: World, tmp_path: Path) -> None:
    frame = examples(world)
    with service_of(world, tmp_path, timedelta(days=14)) as service:
        predictor = service.served[NAME].predictor
        early = frame[predictor.definition.at or ""] < predictor.horizon
        rows = frame.filter(~early).head(online.TOGETHER).to_dicts()
        assert len(predictor.predict_each(rows, [None] * len(rows))) == online.TOGETHER
        [rows[17]] = frame.filter(early).head(1).to_dicts()
        with pytest.raises(FeatureError, match=r"^rows\.17: .* is before"):
            predictor.predict_each(rows, [None] * len(rows))


def test_a_stream_is_answered_as_json_is_and_leaves_the_same_records(
    world: World, service: Service, tmp_path: Path
) -> None:
    frame = examples(world).head(200)
    [as_json] = posted(service, stream(frame), accept="application/json")
    [as_stream] = posted(service, stream(frame, views=False))
    assert as_stream.headers["content-type"] == ARROW["content-type"]
    rows = json_rows(world, 1_000)
    wanted = {str(key) for key in frame[world.pipeline.examples.keys[0]]}
    sent = [{n: v for n, v in row.items() if n != "_score"} for row in rows]
    sent = [row for row in sent if str(row[world.pipeline.examples.keys[0]]) in wanted]
    singly = []
    for first in range(0, len(sent), 4):
        body = json.dumps({"rows": sent[first : first + 4]}).encode()
        [answer] = posted(service, body, **{"content-type": "application/json"})
        singly += answer.json()["predictions"]
    [together] = posted(service, json.dumps({"rows": sent}).encode(), **{"content-type": "application/json"})
    assert len(sent) >= online.TOGETHER
    assert [_unnamed(one) for one in together.json()["predictions"]] == [_unnamed(one) for one in singly]
    singly += together.json()["predictions"]
    by_key = {one["key"]: _unnamed(one) for one in singly}
    assert len(by_key) == 200
    assert {one["key"]: _unnamed(one) for one in as_json.json()["predictions"]} == by_key
    table = pl.read_ipc_stream(as_stream.content)
    assert table.columns == ["id", "key", "at", "version", "score", "scores", "class", "statuses", "ages"]
    assert dict(table.select("key", "score").iter_rows()) == {key: one["score"] for key, one in by_key.items()}
    service.stop()
    assert log_mover.move(world.ws, NAME, tmp_path / "log" / NAME) == 800
    records = world.ws.lake.frame(f"SELECT * EXCLUDE (requested_at, segment, _partition) FROM {NAME}.served").to_dicts()
    ids = {one["id"] for one in (*as_json.json()["predictions"], *table.to_dicts(), *singly)}
    assert {one["id"] for one in records} == ids and len(ids) == 800
    texts = {json.dumps(_read(record), sort_keys=True, default=str) for record in records}
    assert len(texts) == 200  # four records a key, which say the same


def _unnamed(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "id"}


def _read(record: dict[str, Any]) -> dict[str, Any]:
    texts = ("inputs", "features", "statuses", "ages", "max_staleness", "snapshots")
    return {**_unnamed(record), **{name: json.loads(record[name]) for name in texts}}


def test_what_is_wrong_with_a_stream_is_said_and_nothing_of_it_is_logged(
    world: World, service: Service, tmp_path: Path
) -> None:
    at, frame = world.pipeline.examples.at or "", examples(world).head(5)
    wrong = [b"", stream(frame)[:-8], stream(frame.drop(at)), stream(frame.with_columns(speling=1))]
    answers = [posted(service, body)[0] for body in wrong]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert all({"error", "remedy", "fields", "count"} == set(answer.json()) for answer in answers)
    assert answers[2].json()["fields"] == [{"field": at, "reason": "Field required"}]
    [compressed] = posted(service, stream(frame), **{"content-encoding": "gzip"})
    assert compressed.status_code == 415
    assert log_mover.move(world.ws, NAME, tmp_path / "log" / NAME) == 0


def test_more_streams_than_are_taken_at_once_are_asked_to_come_again(world: World, service: Service) -> None:
    body = stream(examples(world))
    answers = posted(service, *[body] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    [afterwards] = posted(service, body)
    assert afterwards.status_code == 200 and service.batches == 0


def test_a_body_beyond_the_limit_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BODY_BYTES", 1_000)
    [answer] = posted(service, b"x" * 1_001)
    assert answer.status_code == 413


def test_a_full_log_refuses_a_stream(world: World, service: Service, tmp_path: Path) -> None:
    service.served[NAME].log.budget = 100
    [answer] = posted(service, stream(examples(world)))
    assert answer.status_code == 503 and "budget" in answer.json()["error"]


def segment(folder: Path) -> Path:
    """A segment of one record with values that JSON lacks."""
    log = PredictionLog(folder, budget=10_000_000)
    answers = pl.DataFrame(
        {
            "id": ["a"],
            "key": ["7"],
            "version": [1],
            "role": ["champion"],
            "shadow": [False],
            "score": [0.25],
            "class": ["false"],
            "snapshots": ["{}"],
        }
    ).with_columns(
        at=pl.lit(None, pl.Datetime("us", "UTC")),
        requested_at=pl.lit("2024-02-01").str.to_datetime(time_unit="us", time_zone="UTC"),
        scores=pl.lit(None, pl.List(pl.Float64)),
    )
    features = pl.DataFrame({"sum": [math.nan], "rate": pl.Series([0.1], dtype=pl.Float32), "n": [None]})
    inputs = pl.DataFrame({"text": ['a "quoted" \n word'], "n": [2**60]})
    ages = {"a__status": pl.Series([None], dtype=pl.Int64), "b__status": pl.Series([1_500_000])}
    log.append_columns(column_segments.packed(answers, inputs, features, pl.DataFrame(), ages))
    [path] = prediction_log.sealed_segments(folder)
    return path


def test_a_record_of_columns_has_the_values_that_a_line_would_have(tmp_path: Path) -> None:
    [records] = column_segments.records(segment(tmp_path / "log"))
    [record] = records.to_dicts()
    assert json.loads(record["features"]) == {"sum": "nan", "rate": float(np.float32(0.1)), "n": None}
    assert json.loads(record["inputs"]) == {"text": 'a "quoted" \n word', "n": 2**60}
    assert (record["statuses"], json.loads(record["ages"])) == ("{}", {"b__status": 1.5})
    assert record["at"] is None and record["overridden"] == []


def test_a_segment_of_code_before_there_were_challengers_is_of_answers_that_were_heard(tmp_path: Path) -> None:
    path = segment(tmp_path / "log")
    buffer = io.BytesIO()
    pl.read_ipc(io.BytesIO(path.read_bytes()[32:])).drop("shadow").write_ipc(buffer)
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    [records] = column_segments.records(path)
    assert records["shadow"].to_list() == [False]


def test_a_damaged_segment_of_columns_is_set_aside_and_nothing_of_it_is_moved(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    path = segment(folder)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="damaged and were set aside"):
        log_mover.move(world.ws, NAME, folder)
    assert path.with_suffix(prediction_log.DAMAGED).exists() and log_mover.move(world.ws, NAME, folder) == 0


def test_many_scores_are_counted_as_each_of_them_alone() -> None:
    scores = np.random.default_rng(3).choice([0.0, 0.1, 0.15, 0.2, 0.95, 1.0, 7.5], 200)
    alone, together = Metrics(), Metrics()
    for score in scores.tolist():
        alone.of_request("a", [{"version": 1, "score": score, "statuses": {"s": "ok"}, "ages": {}}], {})
    together.of_many("a", 1, scores, {"s": {"ok": 200}})
    assert _samples(alone) == _samples(together)


def _samples(metrics: Metrics) -> dict[str, float]:
    return {
        f"{sample.name} {sample.labels}": round(sample.value, 9)
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
        if "created" not in sample.name and "stage" not in sample.name
    }


def test_the_examples_of_the_documentation_answer(world: World, tmp_path: Path) -> None:
    frame, data = examples(world).head(50), world.settings.data
    (tmp_path / "rows.arrows").write_bytes(stream(frame))
    section = SERVING.read_text().partition("## Many rows")[2].partition("\n## ")[0]
    curl = section.partition("```sh\n")[2].partition("```")[0]
    python = section.partition("```python\n")[2].partition("```")[0]
    world.close()
    with served(data, "ml_platform_tests.declarations.trips_monthly") as (url, _):

        def here(text: str) -> str:
            assert "http://127.0.0.1:8000/v1/pipelines/flight_delay" in text
            return text.replace("http://127.0.0.1:8000", url).replace("flight_delay", NAME)

        subprocess.run(["bash", "-ec", here(curl)], cwd=tmp_path, check=True)  # our own text
        answers = pl.read_ipc_stream(tmp_path / "predictions.arrows")
        names = {"rows": frame}
        exec(here(python), names)  # our own text
    assert answers["score"].to_list() == names["predictions"]["score"].to_list()
    assert answers.height == 50
