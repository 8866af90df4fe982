"""A client of the Open Inference Protocol gets what the service's own requests get."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving.rest.open_inference import InferenceRequest, datatype, rows_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows, served

NAME = "trip_delay"


@pytest.fixture
def asked(open_world: OpenWorld, february: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a service, and rows without nulls."""
    world = open_world(february)
    rows = [{name: value for name, value in row.items() if name != "_score"} for row in json_rows(world, 60)]
    data = world.settings.data
    world.close()
    with served(data, "ml_platform_tests.declarations.trips_monthly") as (url, _):
        yield url, [row for row in rows if None not in row.values()][:10]


def test_a_client_of_triton_reads_the_model_and_gets_its_predictions(asked: tuple[str, list[dict[str, Any]]]) -> None:
    url, rows = asked
    expected = httpx.post(f"{url}/v1/pipelines/{NAME}/predict", json={"rows": rows}).json()["predictions"]
    with closing(triton.InferenceServerClient(url.removeprefix("http://"))) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(NAME)
        assert client.get_server_metadata()["name"] == "ml_platform"
        described = client.get_model_metadata(NAME)
        version = str(expected[0]["version"])
        assert described["versions"] == [version]
        inputs = []
        for column in described["inputs"]:
            tensor = triton.InferInput(column["name"], [len(rows)], column["datatype"])
            values: Any = np.array([row[column["name"]] for row in rows], triton_to_np_dtype(column["datatype"]))
            inputs.append(tensor.set_data_from_numpy(values, binary_data=False))
        wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("score", "class")]
        answer = client.infer(NAME, inputs, outputs=wanted, request_id="7", model_version=version)
        assert answer.as_numpy("score").tolist() == [one["score"] for one in expected]
        assert answer.as_numpy("class").tolist() == [one["class"] for one in expected]
        assert answer.as_numpy("key") is None and answer.get_response()["id"] == "7"
        with pytest.raises(InferenceServerException, match="Version 77 does not answer"):
            client.infer(NAME, inputs, model_version="77")
        inputs[0].set_data_from_numpy(np.array([row[described["inputs"][0]["name"]] for row in rows]))
        with pytest.raises(InferenceServerException, match="binary"):
            client.infer(NAME, inputs, outputs=wanted, headers={"content-type": "application/json"})


class Trips:
    """Of a predictor what its inputs are."""

    definition = FeatureDefinition.of(scenario.trips())


PREDICTOR: Any = Trips()
ROW = {"trip": 7, "ordered_at": "2024-02-03T09:00:00Z", "driver": "a", "zone": None, "km": 1.5}


def tensors(**changes: Any) -> dict[str, Any]:
    inputs = {
        name: {"name": name, "shape": [1], "datatype": datatype(dtype), "data": [ROW[name]]}
        for name, dtype in PREDICTOR.definition.row_schema.items()
    }
    return {"inputs": [{**tensor, **changes.get(name, {})} for name, tensor in inputs.items()]}


def test_null_is_missing_and_data_may_be_nested() -> None:
    nested = tensors(km={"shape": [1, 1], "data": [[1.5]]}, trip={"shape": [1, 1]})
    for body in (tensors(), nested):
        assert rows_of(InferenceRequest.model_validate_json(json.dumps(body)), PREDICTOR) == [ROW]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"km": {"name": "miles"}}, "miles is no input"),
        ({"km": {"datatype": "FP32"}}, "has the datatype FP32"),
        ({"km": {"shape": [2]}}, "1 values and the shape"),
        ({"km": {"shape": [1, 2]}}, "1 values and the shape"),
        ({"km": {"shape": [2], "data": [1.0, 2.0]}}, "different numbers of rows"),
        ({"km": {"data": [float("nan")]}}, "km holds NaN"),
        ({"km": {"parameters": {"binary_data_size": 8}}}, "binary data"),
        ({"km": {"name": "trip", "datatype": "INT64"}}, "sent twice"),
        ({"km": {"shape": [1001], "data": [1.0] * 1001}}, "1,001 values"),
    ],
)
def test_what_is_no_example_is_refused_by_name(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(FeatureError, match=problem):
        rows_of(InferenceRequest.model_validate_json(json.dumps(tensors(**changes))), PREDICTOR)


def test_every_type_of_a_contract_has_a_datatype() -> None:
    kinds = {datatype(dtype) for dtype in (pl.Boolean(), pl.Int8(), pl.UInt64(), pl.Float32(), pl.Decimal(10, 2))}
    assert kinds == {"BOOL", "INT8", "UINT64", "FP32", "BYTES"}
