"""Opening the lake for a command: read-only where it only reads, so that no run has to wait for it."""

from ml_platform.discovery import pipelines, slices_of
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
from ml_platform.steps.workspace import Workspace


def reading_workspace(settings: Settings) -> Workspace:
    """The workspace over a read-only lake. Raises LakeError when there is no lake yet."""
    slices = slices_of(pipelines(settings).values())
    return Workspace(Lake(settings, read_only=True), Blobs(settings), slices)


def writing_workspace(settings: Settings) -> Workspace:
    """The workspace over a lake that may be written; made when it is missing."""
    return Workspace.open(settings, slices_of(pipelines(settings).values()))
