"""The workspaces of this process, opened once. Nothing here imports Dagster: a run without work costs little."""

from collections.abc import Callable, Sequence

from ml_platform.discovery import pipelines, slices_of
from ml_platform.lake.lost_catalog import refuse_to_replace
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import database


def settings_of(addresses: Sequence[str]) -> Settings:
    """The settings of the environment. `addresses`, if any, replace the configured pipelines."""
    return Settings(pipelines=list(addresses)) if addresses else Settings()


# One workspace for each settings, catalog and kind of access, kept for the process.
_workspaces: dict[tuple[object, ...], Workspace] = {}


def _kept(settings: Settings, access: str, catalog: tuple[int, int], opening: Callable[..., Workspace]) -> Workspace:
    secret = hash(settings.catalog.get_secret_value())  # the JSON below masks it
    key = (settings.model_dump_json(), secret, access, catalog)
    if key not in _workspaces:
        _workspaces[key] = opening(settings, slices_of(pipelines(settings).values()))
    return _workspaces[key]


def workspace_for(settings: Settings) -> Workspace:
    """The workspace of these settings, opened once a process."""
    return _kept(settings, "writing", (0, 0), Workspace.open)


def reading_workspace_for(settings: Settings) -> Workspace | None:
    """The read-only workspace, opened once per process; None before the first run.

    A lake that was removed and created again is another file, and is opened again.
    """
    catalog = (0, 0)
    if not settings.catalog.get_secret_value():
        try:
            status = (settings.lake / "catalog.sqlite").stat()
        except FileNotFoundError:
            refuse_to_replace(settings)
            return None
        catalog = (status.st_dev, status.st_ino)
    elif not database.exists(settings):
        return None
    return _kept(settings, "reading", catalog, Workspace.open_for_reading)
