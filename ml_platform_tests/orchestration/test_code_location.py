"""Runs and champions as Dagster's own web server answers about them: the same as every other screen (S42)."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.orchestration.code_location import repository_origin
from ml_platform_tests.orchestration import browser
from ml_platform_tests.orchestration.dagster_platform import Platform

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
NEVER_RAN = "bike_rentals"
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "ml_platform"}


@pytest.fixture(scope="module")
def address(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web server over the platform that ran from the command line, with the project's workspace.yaml."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(WORKSPACE)]
    declared = ["ml_platform_tests.declarations.trips_and_failing_churn", f"ml_platform.pipelines.{NEVER_RAN}"]
    environment = {**os.environ, "ML_PLATFORM_PIPELINES": json.dumps(declared)}
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=output, start_new_session=True, env=environment
        )
        try:
            yield f"http://127.0.0.1:{port}/graphql"
        finally:
            browser.end(server)


def _ask(address: str, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
            assert "errors" not in answer, answer
            return answer["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except (ConnectionError, urllib.error.URLError) as error:
            refused = error
        if time.monotonic() > deadline:
            raise refused
        time.sleep(0.2)  # between two looks at a server that starts; the deadline decides


@pytest.mark.slow
def test_runs_of_the_command_line_are_listed_under_their_job_and_in_the_timeline(
    platform: Platform, address: str
) -> None:
    job = "query($of: PipelineSelector!) { pipelineOrError(params: $of) { ... on Pipeline { runs { runId } } } }"
    for name in ("trip_delay_data", "trip_delay_train", "churn_train"):
        answer = _ask(address, job, of={"pipelineName": name, **LOCATION})
        own = {run.run_id for run in platform.runs if run.job == name}
        assert own and {run["runId"] for run in answer["pipelineOrError"]["runs"]} >= own, name
    timeline = """{ runsOrError { ... on Runs { results {
        runId repositoryOrigin { repositoryName repositoryLocationName } } } } }"""
    origins = {run["runId"]: run["repositoryOrigin"] for run in _ask(address, timeline)["runsOrError"]["results"]}
    assert {run.run_id: origins[run.run_id] for run in platform.runs} == dict.fromkeys(
        (run.run_id for run in platform.runs), LOCATION
    )


@pytest.mark.slow
def test_a_pipeline_that_works_and_one_that_never_ran_do_not_look_alike(address: str) -> None:
    stats = "query($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) { partitionStats { numMaterialized } } }"
    keys = [{"path": [name, "predictions"]} for name in ("trip_delay", NEVER_RAN)]
    nodes = _ask(address, stats, keys=keys)["assetNodes"]
    assert sorted(node["partitionStats"]["numMaterialized"] for node in nodes) == [0, 1]


@pytest.mark.slow
def test_a_check_is_as_red_as_its_newest_evaluation(address: str) -> None:
    checks = """query($key: AssetKeyInput!) { assetNodes(assetKeys: [$key]) { assetChecksOrError { ... on AssetChecks {
        checks { name partitionStatuses { __typename } executionForLatestMaterialization { status } } } } } }"""
    (trips,) = _ask(address, checks, key={"path": ["trip_delay", "verdicts"]})["assetNodes"]
    (churn,) = _ask(address, checks, key={"path": ["churn", "verdicts"]})["assetNodes"]
    states = {
        check["name"]: (check["partitionStatuses"], check["executionForLatestMaterialization"]["status"])
        for node in (trips, churn)
        for check in node["assetChecksOrError"]["checks"]
    }
    red = {name for name, (_, status) in states.items() if status == "FAILED"}
    assert red == {"roc_auc_at_least_0_9999"}
    assert {statuses for statuses, _ in states.values()} == {None}, "with partitions, one failed month is red for ever"


def test_the_command_line_knows_its_code_location_before_and_after_the_first_tick(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(WORKSPACE.parent)
    origin = repository_origin(instance, "trip_delay")
    assert origin is not None and origin.get_label() == "__repository__@ml_platform"
    monkeypatch.chdir(tmp_path)
    assert repository_origin(instance, "trip_delay") is None, "nothing here says what `dagster dev` would load"
