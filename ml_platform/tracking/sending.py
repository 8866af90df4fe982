"""Sends one run to MLflow, in steps that may be repeated: whatever arrived before is found again, nothing twice."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from ml_platform.errors import BlobError, PlatformError
from ml_platform.lake.blobs import Blobs
from ml_platform.models import bundle as bundles
from ml_platform.redaction import without_secrets
from ml_platform.serving.packaging.pyfunc import pyfunc_files
from ml_platform.state import run_exports
from ml_platform.state.database import State
from ml_platform.state.run_exports import RunExport
from ml_platform.tracking.client import TrackingServer
from ml_platform.tracking.errors import ExportRefused, TrackingError
from ml_platform.tracking.exported_run import KEY, ExportedRun, exported_run
from ml_platform.views.run_comparison import run_of, with_curves

MODEL = "model"  # the folder of the artifacts that holds it
_PROXIED = "mlflow-artifacts:"
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_EXAMPLES = 5  # rows of the input example
_WITHOUT_MODEL = "ml_platform.model_missing"


class Sender:
    """Sends runs of one lake to one server, and puts on record how far each got."""

    def __init__(self, server: TrackingServer, state: State, blobs: Blobs) -> None:
        self._server, self._state, self._blobs = server, state, blobs
        self._experiments: dict[str, str] = {}

    def send(self, before: RunExport, facts: str) -> RunExport:
        """Send what the server lacks of a run: all of it, or only what may have changed since it was sent.

        before: how far the export got. facts: see `exported_run.facts_of`.

        Raises ServerUnavailable, and ExportRefused where the server refuses this run.
        """
        run = run_of(self._state, self._blobs, before.run)
        export = before
        if before.remote_run and not self._is_there(before.remote_run):
            export = replace(before, remote_run="", sent="")
        if export.sent:
            body = exported_run(self._state, run, facts)
            for batch in body.batches():
                if "tags" in batch:
                    self._server.post("runs/log-batch", {"run_id": export.remote_run, **batch})
            self._end(export.remote_run, body)
            return self._recorded(replace(export, sent=facts, error=""))
        problems = []
        try:
            run = with_curves(self._blobs, run)
        except BlobError as lost:
            problems.append(lost.what)
        body = exported_run(self._state, run, facts)
        if not export.remote_run:
            export = self._recorded(replace(export, remote_run=self._begun(body)))
        artifacts = {
            "run.json": without_secrets(json.dumps(run.to_json(), default=str, ensure_ascii=False, indent=1)).encode()
        }
        model: Mapping[str, bytes] = {}
        try:
            model = self._model(body, export)
        except BlobError as lost:
            problems.append(lost.what)
        artifacts_at = str(self._info(export.remote_run, "artifact_uri"))
        if artifacts_at.startswith(_PROXIED):
            root = artifacts_at.removeprefix(_PROXIED).lstrip("/")
            for path, data in {**artifacts, **{f"{MODEL}/{path}": data for path, data in model.items()}}.items():
                self._server.put_artifact(f"{root}/{path}", data)
            if model:
                logged = {"run_id": export.remote_run, "model_json": model["MLmodel"].decode()}
                self._server.post("runs/log-model", logged)
        else:
            problems.append("The server keeps artifacts where only it can write: start it with --serve-artifacts.")
        if problems:
            body = replace(body, tags={**body.tags, _WITHOUT_MODEL: without_secrets(" ".join(problems))})
        for batch in body.batches():
            self._server.post("runs/log-batch", {"run_id": export.remote_run, **batch})
        if body.dataset:
            self._server.post("runs/log-inputs", {"run_id": export.remote_run, "datasets": [body.dataset]})
        self._end(export.remote_run, body)
        return self._recorded(replace(export, sent=facts, error=" ".join(problems)))

    def _recorded(self, export: RunExport) -> RunExport:
        run_exports.record(self._state, export)
        return export

    def _is_there(self, remote_run: str) -> bool:
        """Whether the server still has the run, which people may have deleted."""
        try:
            return bool(self._info(remote_run, "lifecycle_stage") == "active")
        except ExportRefused as refused:
            if refused.code != _MISSING:
                raise
            return False

    def _info(self, remote_run: str, name: str) -> Any:
        """A fact of a run at the server."""
        return self._server.part(self._server.get("runs/get", run_id=remote_run), "run", "info", name)

    def _begun(self, body: ExportedRun) -> str:
        """The id of the run at the server: of the one with its key, else of a new one."""
        experiment = self._experiment(remote_name(self._state, body.pipeline))
        wanted = {"experiment_ids": [experiment], "filter": f"tags.`{KEY}` = '{body.key}'", "max_results": 1}
        if earlier := self._server.post("runs/search", wanted).get("runs"):
            return str(self._server.part({"run": earlier[0]}, "run", "info", "run_id"))
        new = {
            "experiment_id": experiment,
            "run_name": body.name,
            "start_time": body.start,
            "tags": [{"key": KEY, "value": body.key}],
        }
        return str(self._server.part(self._server.post("runs/create", new), "run", "info", "run_id"))

    def _experiment(self, name: str) -> str:
        """The id of MLflow's experiment of that name, which is made where there is none."""
        if name not in self._experiments:
            self._experiments[name] = self._known_experiment(name) or self._new_experiment(name)
        return self._experiments[name]

    def _known_experiment(self, name: str) -> str:
        try:
            answer = self._server.get("experiments/get-by-name", experiment_name=name)
        except ExportRefused as refused:
            if refused.code != _MISSING:
                raise
            return ""
        number = str(self._server.part(answer, "experiment", "experiment_id"))
        if answer["experiment"].get("lifecycle_stage", "active") != "active":
            raise TrackingError(
                f"The experiment {name} was deleted in MLflow.",
                remedy=f"`mlflow experiments restore -x {number}`, or delete it for good there.",
            )
        return number

    def _new_experiment(self, name: str) -> str:
        try:
            return str(self._server.part(self._server.post("experiments/create", {"name": name}), "experiment_id"))
        except ExportRefused as refused:  # another process may have been first
            if refused.code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._known_experiment(name)

    def _end(self, remote_run: str, body: ExportedRun) -> None:
        ended = {"run_id": remote_run, "status": body.status, "end_time": body.end, "run_name": body.name}
        self._server.post("runs/update", ended)

    def _model(self, body: ExportedRun, export: RunExport) -> dict[str, bytes]:
        """The files of the model, with the run that it is of; none where there is none. Raises BlobError."""
        if not body.bundle:
            return {}
        path = self._blobs.get(body.bundle)
        bundle = bundles.read(path, body.bundle)
        columns = list(bundle.columns)
        example, nullable = pl.DataFrame(schema=dict.fromkeys(columns, pl.Null)), set(columns)
        if self._blobs.whole(body.training_set):
            rows = pl.scan_parquet(self._blobs.path(body.training_set)).select(*columns, "_part")
            example = rows.filter(pl.col("_part") == "holdout").drop("_part").head(_EXAMPLES).collect()
            counts = rows.select(pl.col(columns).null_count()).collect().row(0, named=True)
            nullable = {column for column, nulls in counts.items() if nulls}
        number = int(export.run.partition("@")[2] or 0)
        files = pyfunc_files(bundle, path.read_bytes(), number, example=example, nullable=nullable)
        of_run = {"run_id": export.remote_run, "model_uuid": body.bundle[:32], "utc_time_created": body.began}
        return {**files, "MLmodel": json.dumps({**json.loads(files["MLmodel"]), **of_run}, indent=1).encode()}


def remote_name(state: State, pipeline: str) -> str:
    """What a pipeline is called at the server: environments that share one keep apart."""
    environment = state.settings.environment
    return f"{pipeline}-{environment}" if environment else pipeline


def explained(error: PlatformError) -> str:
    """Why an export ended early, in one text."""
    return f"{error.what} {error.remedy}".strip()
