"""A home for Dagster in tests, with the storages that users get: an event costs half of what it costs in Dagster's."""

from pathlib import Path

import yaml

SHIPPED = Path(__file__).parents[1] / ".dagster" / "dagster.yaml"


def make_home(folder: Path, more: str = "") -> Path:
    """Make the folder, with a `dagster.yaml` of the shipped storages and of `more`, which is YAML, too."""
    shipped = yaml.safe_load(SHIPPED.read_text())
    storages = {name: value for name, value in shipped.items() if name.endswith("_storage")}
    folder.mkdir()
    (folder / "dagster.yaml").write_text(f"{yaml.safe_dump({'telemetry': {'enabled': False}, **storages})}\n{more}")
    return folder
