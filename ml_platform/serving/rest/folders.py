"""Where the files of the service are in its folder, `Settings.online`."""

from pathlib import Path


def logs_folder(online: Path) -> Path:
    """The prediction log: one folder of segments a pipeline."""
    return online / "log"
