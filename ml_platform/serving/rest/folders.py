"""Where the files of the service are in its folder, `Settings.online`."""

from pathlib import Path


def store_path(online: Path) -> Path:
    """The online store."""
    return online / "store.sqlite"


def logs_folder(online: Path) -> Path:
    """The prediction log: one folder of segments a pipeline."""
    return online / "log"
