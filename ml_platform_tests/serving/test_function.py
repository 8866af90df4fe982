"""A function answers events as a serverless runtime sends them, and nothing that an event holds makes it raise."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.serving.packaged import function as runtime
from ml_platform.serving.packaging import function
from ml_platform.serving.packaging.packaged_version import PackagedVersion
from ml_platform_tests.examples import tries
from ml_platform_tests.serving.packages import FORBIDDEN, alone, flight_delay, unpack

ROW = {
    "flight_id": "2013-07-01 UA 1545 EWR",
    "sched_dep": "2013-07-01T09:15:00Z",
    "carrier": "UA",
    "flight": 1545,
    "origin": "EWR",
    "dest": "IAH",
    "tailnum": "N14228",
    "distance": 1400,
    "sched_arr": "2013-07-01T12:19:00Z",
}
COLD = 3.0  # CPU seconds from the start of the interpreter to the first answer; measured 0.6
_RUNTIME = """
import json, resource
from handler import handler

for line in json.loads(sys.argv[1]):
    print(json.dumps(handler(line, None)))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> PackagedVersion:
    return flight_delay(tmp_path_factory.mktemp("version"))


@pytest.fixture(scope="module")
def handler(version: PackagedVersion, tmp_path_factory: pytest.TempPathFactory) -> runtime.Function:
    return runtime.Function(unpack(version, tmp_path_factory.mktemp("package")) / version.module)


def of_gateway(request: Any, **fields: Any) -> dict[str, Any]:
    return {"version": "2.0", "requestContext": {"http": {"method": "POST"}}, "body": json.dumps(request), **fields}


def test_a_fresh_process_answers_its_first_event_within_seconds(version: PackagedVersion, tmp_path: Path) -> None:
    built = function.build(version, tmp_path)
    assert built.path.name == "flight_delay_function-3"
    pins = (built.path / "requirements.txt").read_text().split()
    assert [pin.partition("==")[0] for pin in pins] == ["lightgbm", "polars", "pydantic"]
    again = function.build(version, tmp_path / "again")
    assert (built.sha256, built.size) == (again.sha256, again.size)
    events = [{"rows": [ROW]}, of_gateway({"rows": [ROW], "overrides": [{"weather__temp": 21.5}]})]
    plain, gateway, used = alone(built.path, _RUNTIME, json.dumps(events), forbidden=FORBIDDEN).splitlines()
    assert float(used) < COLD
    (first,) = json.loads(plain)["predictions"]
    (second,) = json.loads(json.loads(gateway)["body"])["predictions"]
    assert (first["key"], first["version"], first["statuses"]["weather__status"]) == (ROW["flight_id"], 3, "unknown")
    assert set(first["missing"]) - set(second["missing"]) == {"weather__temp"}


def test_a_gateways_event_and_a_plain_one_have_the_same_answer(handler: runtime.Function) -> None:
    request = {"rows": [ROW, {**ROW, "dest": None}], "contributions": True}
    plain = handler(request)
    assert plain.pop("statusCode") == 200
    assert len(plain["predictions"]) == 2 and set(plain["predictions"][0]["contributions"]) >= {"carrier", "dest"}
    encoded = base64.b64encode(json.dumps(request).encode()).decode()
    for event in (of_gateway(request), {"httpMethod": "POST", "body": encoded, "isBase64Encoded": True}):
        answer = handler(event, object())
        assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
        assert json.loads(answer["body"]) == plain


@pytest.mark.parametrize(
    "event, code, message",
    [
        ({"rows": []}, 422, "not valid"),
        ({"rows": [{**ROW, "colour": "red"}]}, 422, "not valid"),
        ({"rows": [{**ROW, "distance": "far"}]}, 422, "not valid"),
        ({"rows": [ROW], "overrides": [None, None]}, 422, "2 for 1 rows"),
        ({"rows": [{**ROW, "distance": float("nan")}]}, 422, "no JSON"),
        ("rows", 422, "not valid"),
        (None, 422, "not valid"),
        ({"rows": [object()]}, 422, "no JSON"),
        (of_gateway({"rows": [{**ROW, "flight_id": None}]}), 422, "not valid"),
        (of_gateway({}, body="{"), 422, "not valid"),
        (of_gateway({}, body=None), 422, "no JSON"),
        (of_gateway({}, body="!", isBase64Encoded=True), 422, "no JSON"),
        (of_gateway({}, body="\ud800"), 422, "no JSON"),
        ({"requestContext": {"http": {"method": "GET"}}}, 405, "not POST"),
        ({"httpMethod": "DELETE", "body": None}, 405, "not POST"),
        (of_gateway({"rows": [ROW] * 20_000}), 413, "larger than"),
    ],
)
def test_bad_events_get_a_code_and_a_remedy(handler: runtime.Function, event: Any, code: int, message: str) -> None:
    answer = handler(event)
    facts = json.loads(answer["body"]) if "body" in answer else answer
    assert answer["statusCode"] == code and message in facts["error"] and facts["remedy"]
    assert "Traceback" not in json.dumps(answer)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(sorted(ROW)), inner),
    max_leaves=10,
)


@given(value=_json, name=st.sampled_from(sorted(ROW)))
@settings(max_examples=tries(60))
def test_no_event_is_answered_with_a_fault_of_the_function(handler: runtime.Function, value: Any, name: str) -> None:
    for event in (
        value,
        {"rows": value},
        {"rows": [{**ROW, name: value}]},
        {"body": value},
        of_gateway({"rows": value}),
    ):
        assert handler(event)["statusCode"] in (200, 405, 413, 422)


def test_a_package_that_cannot_be_loaded_answers_503(version: PackagedVersion, tmp_path: Path) -> None:
    folder = unpack(version, tmp_path) / version.module
    (folder / "bundle.zip").unlink()
    answer = runtime.Function(folder)(of_gateway({"rows": [ROW]}))
    assert answer["statusCode"] == 503 and "bundle.zip is missing" in answer["body"]
