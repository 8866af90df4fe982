"""Runs on a real MLflow server: all of a run, nothing twice, whatever breaks, and the run itself unharmed (S46)."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.experiments.trying import Request
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.state import annotations, run_exports, versions
from ml_platform.tracking import exporting
from ml_platform.tracking.address import TrackingAddress
from ml_platform.tracking.exporting import ExportReport, export
from ml_platform.views.run_comparison import run_of, with_curves
from ml_platform_tests.experiments.conftest import Bench
from ml_platform_tests.tracking.conftest import address_of
from ml_platform_tests.tracking_server import MlflowServer, connection_to

NAME = "trip_delay"
FAULTS = ("lost", "unheard", "error")
EVERY = 5  # which request fails: each of so many, others for each kind
_PREDICT = """
import json, sys
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
results = {}
for model in sys.argv[2:]:
    loaded = mlflow.pyfunc.load_model(model)
    folder = mlflow.artifacts.download_artifacts(model)
    stored = json.load(open(f"{folder}/input_example.json"))
    frame = pandas.DataFrame(stored["data"], columns=stored["columns"])
    scores = loaded.predict(frame)["score"]
    results[model] = {
        "scores": [value.hex() for value in scores.tolist()],
        "inputs": loaded.metadata.signature.inputs.to_dict(),
        "run": loaded.metadata.run_id,
    }
print(json.dumps(results))
"""


def sent(bench: Bench, address: TrackingAddress, **more: Any) -> ExportReport:
    return export(bench.ws.state, bench.ws.blobs, address, **more)


def by_run(server: MlflowServer) -> dict[str, dict[str, Any]]:
    """Our name → run of the server; each is there once."""
    runs = server.runs(NAME)
    named = {pairs(run["data"]["tags"]).get("ml_platform.run", ""): run for run in runs}
    assert len(named) == len(runs)
    return named


def pairs(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {entry["key"]: entry["value"] for entry in entries}


def wipe(server: MlflowServer) -> None:
    """Give the experiment of the pipeline another name, so that the next export begins anew."""
    for one in server.ask("experiments/search", {"max_results": 100}).get("experiments", []):
        if one["name"] == NAME:
            new = f"{NAME} before {time.time_ns()}"
            server.ask("experiments/update", {"experiment_id": one["experiment_id"], "new_name": new})


@pytest.mark.slow
def test_a_run_appears_with_all_that_is_known_of_it_and_its_model_gives_the_same_bits(
    bench: Bench, mlflow: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipe(mlflow)
    tried = bench.attempt("trainer.num_leaves=5", request=Request(note="5 leaves", tags=("small",))).experiment
    address = address_of(monkeypatch, mlflow.address)
    report = sent(bench, address)
    assert report.complete and sorted(report.sent) == ["1", f"{NAME}@1", f"{NAME}@2"] and not report.without_model
    remote = by_run(mlflow)
    assert set(remote) == set(report.sent)

    for name, run in remote.items():
        ours = with_curves(bench.ws.blobs, run_of(bench.ws.state, bench.ws.blobs, name))
        metrics = pairs(run["data"]["metrics"])
        assert {key: metrics[key] for key in ours.row["metrics"]} == pytest.approx(ours.row["metrics"])
        parameters = pairs(run["data"]["params"])
        for key, value in ours.row["parameters"].items():
            assert parameters[key] == (value if isinstance(value, str) else json.dumps(value))
        for axis, position in (("x", 0), ("y", 1)):
            path = f"metrics/get-history?run_id={run['info']['run_id']}&metric_key=curves.ROC.{axis}"
            points = sorted(mlflow.ask(path)["metrics"], key=lambda point: point["step"])
            assert [point["value"] for point in points] == [point[position] for point in ours.curves["ROC"]]
    experiment, version = remote["1"], remote[f"{NAME}@2"]
    tags = pairs(experiment["data"]["tags"])
    assert tags["ml_platform.content_key"] == tried.training_key and tags["ml_platform.bundle"] == tried.bundle
    assert tags["ml_platform.training_set"] == tried.training_set and tags["ml_platform.champion"] == f"{NAME}@2"
    assert tags["ml_platform.tag.small"] == "true" and "5 leaves" in tags["mlflow.note.content"]
    (dataset,) = experiment["inputs"]["dataset_inputs"]
    assert tried.training_set.startswith(dataset["dataset"]["digest"])
    assert pairs(version["data"]["tags"])["ml_platform.gates.passed"]
    assert {run["info"]["status"] for run in remote.values()} == {"FINISHED"}

    models = {name: f"runs:/{run['info']['run_id']}/model" for name, run in remote.items()}
    asked = [*models.values(), f"models:/{NAME}@champion"]
    done = subprocess.run(
        [str(mlflow.peer.python), "-W", "ignore", "-c", _PREDICT, mlflow.address, *asked],
        env=mlflow.peer.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for name, model in models.items():
        row = run_of(bench.ws.state, bench.ws.blobs, name).row
        bundle = load(bench.ws.blobs, row["bundle"])
        rows = pl.read_parquet(bench.ws.blobs.get(row["training_set"])).filter(_part="holdout").head(5)
        assert results[model]["scores"] == [score.hex() for score in Predictor(bundle).scores(rows).tolist()]
        assert [column["name"] for column in results[model]["inputs"]] == list(bundle.columns)
    assert results[f"models:/{NAME}@champion"]["run"] == version["info"]["run_id"]


@pytest.mark.slow
def test_what_the_server_has_is_sent_no_second_time_and_what_changed_is(
    bench: Bench, mlflow: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipe(mlflow)
    bench.attempt("trainer.num_leaves=5")
    with connection_to(mlflow.address) as between:
        address = address_of(monkeypatch, between.address)
        assert sent(bench, address).complete
        asked = len(between.requests)
        assert sent(bench, address).unchanged == 3 and len(between.requests) == asked
        annotations.note(bench.ws.state, 1, "later", "ann")
        annotations.tag(bench.ws.state, 1, ["kept"])
        assert sent(bench, address).sent == ["1"]
        assert {method for method, _ in between.requests[asked:]} <= {"GET", "POST"}, "no model was sent again"
        tags = pairs(by_run(mlflow)["1"]["data"]["tags"])
        assert "later" in tags["mlflow.note.content"] and tags["ml_platform.tag.kept"] == "true"
        exporting.forget(bench.ws.state, address)
        assert sorted(sent(bench, address).sent) == ["1", f"{NAME}@1", f"{NAME}@2"]
    assert len(by_run(mlflow)) == 3, "the server's own runs were known by their tags"


@pytest.mark.slow
def test_a_run_that_was_deleted_there_is_sent_anew_when_it_changes_or_is_asked_for(
    bench: Bench, mlflow: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipe(mlflow)
    bench.attempt("trainer.num_leaves=5")
    address = address_of(monkeypatch, mlflow.address)
    sent(bench, address)
    mlflow.ask("runs/delete", {"run_id": by_run(mlflow)["1"]["info"]["run_id"]})
    assert sent(bench, address).unchanged == 3, "a person deleted it"
    annotations.note(bench.ws.state, 1, "look again", "ann")
    assert sent(bench, address).sent == ["1"]
    assert pairs(by_run(mlflow)["1"]["data"]["params"])["num_leaves"] == "5"


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_whichever_request_fails_the_next_export_sends_what_is_missing_once(
    kind: str, bench: Bench, mlflow: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.attempt("trainer.num_leaves=5")
    state = bench.ws.state
    with connection_to(mlflow.address) as between:
        address = address_of(monkeypatch, between.address)
        sent(bench, address)
        total = len(between.requests)
        ours = with_curves(bench.ws.blobs, run_of(state, bench.ws.blobs, "1"))
        for failing in range(1 + FAULTS.index(kind), total + 1, EVERY):
            wipe(mlflow)
            exporting.forget(state, address)
            before = len(between.requests)
            between.fault = fails_at(before + failing, kind)
            report = sent(bench, address)
            assert not report.complete and report.error, failing
            assert report.remaining == exporting.unsent(state, address).remaining
            between.fault = lambda _: None
            assert sent(bench, address).complete, failing
            remote = by_run(mlflow)
            assert set(remote) == {"1", f"{NAME}@1", f"{NAME}@2"}, failing
            path = f"metrics/get-history?run_id={remote['1']['info']['run_id']}&metric_key=curves.ROC.x"
            steps = Counter(point["step"] for point in mlflow.ask(path)["metrics"])
            assert steps == Counter(range(len(ours.curves["ROC"]))), failing
        named = mlflow.ask(f"model-versions/search?filter=name%3D'{NAME}'").get("model_versions", [])
        assert len({one["run_id"] for one in named}) == len(named), "one version of the registry for each run"


@pytest.mark.slow
def test_a_pipelines_own_run_goes_on_without_the_server_and_a_command_sends_what_is_missing(
    january: Path, tmp_path: Path, mlflow: MlflowServer
) -> None:
    wipe(mlflow)
    shutil.copytree(january, tmp_path / "data")
    (tmp_path / "town.py").write_text("from ml_platform_tests import scenario\ntown = scenario.trips()\n")
    (tmp_path / "home").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "ML_PLATFORM_"))},
        "PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{tmp_path}",
        "DAGSTER_HOME": str(tmp_path / "home"),
        "ML_PLATFORM_DATA": str(tmp_path / "data"),
        "ML_PLATFORM_PIPELINES": '["town:town"]',
    }

    def command(address: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ml_platform.cli.main", *words],
            env={**environment, "MLFLOW_TRACKING_URI": address},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    with connection_to(lambda path, body: (200, {}, b"{}")) as gone:
        pass
    ran = command(gone.address, "run", NAME)
    assert ran.returncode == 0, ran.stderr
    assert f"Not exported to {gone.address}: {NAME}@2, {NAME}@1." in ran.stderr
    sent_now = command(mlflow.address, "runs", "export", "--json")
    assert sent_now.returncode == 0, sent_now.stderr
    report = json.loads(sent_now.stdout)
    assert report["complete"] and set(report["sent"]) == set(by_run(mlflow)) == {f"{NAME}@1", f"{NAME}@2"}
    assert command(gone.address, "runs", "export").returncode == 1


def fails_at(number: int, kind: str) -> Callable[[int], str | None]:
    return lambda request: kind if request >= number else None


def test_a_server_that_is_not_there_harms_nothing_and_what_is_missing_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, said = bench.ws.state, list[str]()
    with connection_to(lambda path, body: (200, {}, b"{}")) as gone:
        pass
    address = address_of(monkeypatch, gone.address.replace("//", "//ann:open-sesame-7@"))
    assert bench.attempt("trainer.num_leaves=5").experiment.status == "done"
    exporting.export_behind(state, bench.ws.blobs, NAME, said.append)
    (sentence,) = said
    assert sentence.startswith(f"Not exported to {gone.address}: 1, {NAME}@2, {NAME}@1.")
    assert "cannot be reached" in sentence and "`ml-platform runs export`" in sentence
    lacking = exporting.unsent(state, address)
    assert lacking.remaining == ["1", f"{NAME}@2", f"{NAME}@1"] and "cannot be reached" in lacking.error
    assert "open-sesame-7" not in f"{said} {lacking} {run_exports.of_server(state, gone.address)}"
    assert len(versions.versions(state, NAME)) == 2


def test_a_server_that_is_none_harms_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with connection_to(lambda path, body: (200, {}, b"{}")) as other:
        address_of(monkeypatch, other.address)
        exporting.export_behind(bench.ws.state, bench.ws.blobs, NAME, said.append)
        assert len(other.requests) == 1, "the first answer says it all"
    (sentence,) = said
    assert "answers without experiment.experiment_id, as no MLflow server does" in sentence


def test_without_a_server_nothing_is_said_or_recorded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said: list[str] = []
    exporting.export_behind(bench.ws.state, bench.ws.blobs, NAME, said.append)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere")
    exporting.export_behind(bench.ws.state, bench.ws.blobs, NAME, said.append)
    assert len(said) == 1 and "MLFLOW_TRACKING_URI cannot be used" in said[0]
