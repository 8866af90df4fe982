"""The image of a version: what its Dockerfile says, and its steps and its service carried out without Docker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ml_platform.errors import ServingError
from ml_platform.models import bundle as bundles
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.packaged.rest_service import PackagedStore
from ml_platform.serving.packaging import image, pins
from ml_platform.serving.packaging.packaged_version import PackagedVersion
from ml_platform.serving.redis_store import RedisStore
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.dockerfiles import Machine, instructions
from ml_platform_tests.serving.packages import champion, february_rows, flight_delay, predictor
from ml_platform_tests.serving.redis_server import redis_server
from ml_platform_tests.serving.service import ready
from ml_platform_tests.serving.test_function import ROW

KEY = "a-key-of-a-test-0123456789"
KEYS = json.dumps({"test": {"key": KEY, "scopes": ["predict", "read"]}})


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> PackagedVersion:
    return flight_delay(tmp_path_factory.mktemp("version"))


@contextmanager
def started(command: Sequence[str], folder: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a service that runs without the platform's sources, and its process; SIGTERM ends it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings
    with subprocess.Popen(command, env=environment, cwd=folder, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Service: "), line
            yield line.removeprefix("Service: ").strip(), process
        finally:
            process.terminate()
            process.wait(40)


def test_the_dockerfile_has_two_stages_no_root_no_secret_and_a_health_check(
    version: PackagedVersion, tmp_path: Path
) -> None:
    built = image.build(version, tmp_path)
    assert built.path.name == "flight_delay_image-3"
    assert image.build(version, tmp_path / "again").sha256 == built.sha256
    steps = instructions(built.path / "Dockerfile")
    names = [step.name for step in steps]
    assert names.count("FROM") == 2 and names.count("HEALTHCHECK") == names.count("ENTRYPOINT") == 1
    last_stage = steps[len(names) - names[::-1].index("FROM") :]
    (user,) = [step.text for step in last_stage if step.name == "USER"]
    assert user == "10001:10001"
    assert not any(step.name == "RUN" for step in last_stage[[s.name for s in last_stage].index("USER") :])
    assert not any(word in step.text.upper() for step in steps for word in ("PASSWORD", "SECRET", "API_KEYS", "TOKEN"))
    for step in steps:
        if step.name == "COPY" and not step.text.startswith("--from"):
            assert (built.path / step.words[0]).exists()
    assert all("--no-deps" in step.text for step in steps if "pip install" in step.text)


def test_it_installs_pinned_what_the_service_imports_and_no_orchestrator(
    version: PackagedVersion, tmp_path: Path
) -> None:
    lines = (image.build(version, tmp_path).path / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines)
    assert {"fastapi", "uvicorn", "starlette", "pydantic-core", "lightgbm", "polars", "numpy", "redis"} <= set(pinned)
    assert {"httptools", "uvloop"} <= set(pinned)
    assert not {"dagster", "duckdb", "pandas", "evidently", "sqlalchemy", "ml-platform", "ml_platform"} & set(pinned)
    with pytest.raises(ServingError, match="no-such-distribution is not installed"):
        pins.pins(["no-such-distribution"], "Install it.")


def test_its_service_answers_by_the_package_alone_and_ends_with_a_sealed_log(
    version: PackagedVersion, tmp_path: Path
) -> None:
    context = image.build(version, tmp_path).path
    command = [sys.executable, "serve.py", "--port", "0", "--host", "0.0.0.0"]
    data = tmp_path / "state"
    settings = {"ML_PLATFORM_DATA": str(data), "ML_PLATFORM_API_KEYS": KEYS}
    with started(command, context / "app", **settings) as (url, process):
        url = url.replace("0.0.0.0", "127.0.0.1")
        ready(url)
        headers, route = {"x-api-key": KEY}, f"{url}/v1/pipelines/flight_delay"
        answer = httpx.post(f"{route}/predict", json={"rows": [ROW]}, headers=headers)
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert (prediction["version"], prediction["statuses"]["weather__status"]) == (3, "unknown")
        given = {"rows": [ROW], "overrides": [{"weather__temp": 21.5}]}
        assert httpx.post(f"{route}/predict", json=given, headers=headers).status_code == 200
        assert httpx.post(f"{route}/predict", json=given).status_code == 401
        assert httpx.get(f"{route}/predictions/{ROW['flight_id']}", headers=headers).status_code == 404
        steps = instructions(context / "Dockerfile")
        (check,) = [step.command for step in steps if step.name == "HEALTHCHECK"]
        healthy = [sys.executable, *(word.replace("http://127.0.0.1:8000", url) for word in check[1:])]
        subprocess.run(healthy, check=True, timeout=30)
    assert process.returncode == -signal.SIGTERM  # after it ended in order, uvicorn ends by the signal that it got
    (segment,) = (data / "online" / "log" / "flight_delay").glob("*.jsonl")
    assert len(segment.read_text().splitlines()) == 2


def test_without_keys_it_serves_no_other_machine(version: PackagedVersion, tmp_path: Path) -> None:
    app = image.build(version, tmp_path).path / "app"
    without = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "ML_PLATFORM_API_KEYS")}
    command = [sys.executable, "serve.py", "--port", "0", "--host", "0.0.0.0"]
    refused = subprocess.run(command, env=without, cwd=app, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "ML_PLATFORM_API_KEYS" in refused.stderr and "Traceback" not in refused.stderr


def test_over_a_store_that_the_platform_fills_it_looks_up_what_the_platform_does(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    version = champion(world)
    facts = version.manifest
    deployment = Deployment(facts.pipeline, facts.version, facts.bundle, datetime.now(UTC))
    with redis_server() as address:
        store = RedisStore(address)
        bundle = bundles.load(world.ws.blobs, facts.bundle)
        with pytest.raises(ServingError, match="has nothing of"):
            OnlinePredictor(bundle, facts.version, PackagedStore(deployment, store))
        fill(world.ws, version.definition, store)
        packaged = OnlinePredictor(bundle, facts.version, PackagedStore(deployment, store))
        own = predictor(world, tmp_path)
        rows = february_rows(world, 20).to_dicts()
        assert [packaged.predict(row) for row in rows] == [own.predict(row) for row in rows]
        store.close()


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_give_a_service_that_answers(version: PackagedVersion, tmp_path: Path) -> None:
    context = image.build(version, tmp_path).path
    steps = instructions(context / "Dockerfile")
    machine = Machine(context, tmp_path / "root")
    machine.carry_out(steps)
    assert any(line.startswith("apt-get install") and "libgomp1" in line for line in machine.system)
    assert any(line.startswith("useradd --uid 10001") for line in machine.system)
    (entry,) = [step.command for step in steps if step.name == "ENTRYPOINT"]
    (options,) = [step.command for step in steps if step.name == "CMD"]
    assert options == ["--host", "0.0.0.0", "--port", "8000"]
    command = [machine.rooted(word) for word in [*entry, *options[:-1], "0"]]
    with started(command, machine.root / "srv" / "app", **machine.environment, ML_PLATFORM_API_KEYS=KEYS) as (url, _):
        url = url.replace("0.0.0.0", "127.0.0.1")
        ready(url)
        answer = httpx.post(
            f"{url}/v1/pipelines/flight_delay/predict", json={"rows": [ROW]}, headers={"x-api-key": KEY}
        )
        assert answer.status_code == 200, answer.text
    assert list((machine.root / "var/lib/model/online/log/flight_delay").glob("*.jsonl"))
