"""MLflow's model registry: each champion is a version of the registered model of its pipeline, named `champion`."""

from collections.abc import Iterator

from ml_platform.state import promotions, run_exports, versions
from ml_platform.state.database import State
from ml_platform.state.run_exports import RunExport
from ml_platform.tracking.client import TrackingServer
from ml_platform.tracking.errors import ExportRefused
from ml_platform.tracking.sending import MODEL, remote_name

ALIAS = "champion"
_EXISTS = "RESOURCE_ALREADY_EXISTS"


def name_champions(server: TrackingServer, state: State, pipeline: str | None) -> dict[str, str]:
    """Let the alias of each pipeline's registered model name its champion; pipeline → version of the registry.

    The server is asked only where the champion is another than the one that was named last. A champion whose run is
    not at the server, or has no model there, is passed over. Raises ServerUnavailable, ExportRefused.
    """
    exports = run_exports.of_server(state, server.url)
    return {name: _named(server, state, name, champion) for name, champion in _to_name(state, pipeline, exports)}


def _to_name(state: State, pipeline: str | None, exports: dict[str, RunExport]) -> Iterator[tuple[str, RunExport]]:
    for name in [pipeline] if pipeline else versions.pipelines(state):
        number = promotions.champion_at(state, name)
        champion = exports.get(f"{name}@{number}")
        last = exports.get(f"{name}@{ALIAS}")
        if (
            champion is not None
            and champion.sent
            and not champion.error
            and (last is None or last.sent != champion.run)
        ):
            yield name, champion


def _named(server: TrackingServer, state: State, pipeline: str, champion: RunExport) -> str:
    name, run = remote_name(state, pipeline), champion.remote_run
    try:
        server.post("registered-models/create", {"name": name})
    except ExportRefused as refused:
        if refused.code != _EXISTS:
            raise
    found = server.get("model-versions/search", filter=f"name = '{name}' and run_id = '{run}'", max_results="1")
    if earlier := found.get("model_versions"):
        version = str(server.part({"model_version": earlier[0]}, "model_version", "version"))
    else:
        artifacts_at = server.part(server.get("runs/get", run_id=run), "run", "info", "artifact_uri")
        new = {"name": name, "source": f"{artifacts_at}/{MODEL}", "run_id": run, "description": champion.run}
        version = str(server.part(server.post("model-versions/create", new), "model_version", "version"))
    server.post("registered-models/alias", {"name": name, "alias": ALIAS, "version": version})
    run_exports.record(state, RunExport(server.url, f"{pipeline}@{ALIAS}", run, champion.run))
    return version
