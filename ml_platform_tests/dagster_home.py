"""A home for Dagster in tests, with the storages that users get: an event costs half of what it costs in Dagster's.

Making the storages takes Alembic 0.2 CPU s, and 1.0 the first time in a process. So a home with empty ones is copied.
"""

import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import yaml

from ml_platform_tests.built_once import built_once

SHIPPED = Path(__file__).parents[1] / ".dagster" / "dagster.yaml"

_with_storages: Callable[[], Path] | None = None


def copy_in(factory: pytest.TempPathFactory) -> None:
    """From now on `make_home` copies storages, which are made in a folder of `factory` when it is first asked."""
    global _with_storages
    _with_storages = cache(partial(built_once, factory, "dagster_home", _build))


def make_home(folder: Path, more: str = "") -> Path:
    """Make the folder, with a `dagster.yaml` of the shipped storages and of `more`, which is YAML, too."""
    if _with_storages is None:
        folder.mkdir()
    else:
        shutil.copytree(_with_storages(), folder)
    (folder / "dagster.yaml").write_text(f"{_config()}\n{more}")
    return folder


def _config() -> str:
    shipped = yaml.safe_load(SHIPPED.read_text())
    storages = {name: value for name, value in shipped.items() if name.endswith("_storage")}
    return yaml.safe_dump({"telemetry": {"enabled": False}, **storages})


def _build(folder: Path) -> None:
    import dagster as dg

    folder.mkdir()
    (folder / "dagster.yaml").write_text(_config())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder))
        with dg.DagsterInstance.get() as instance:
            assert not (instance.get_runs_count() or instance.all_instigator_state() or instance.all_asset_keys())
            for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
                storage.dispose()  # type: ignore[union-attr]  # an instance of a home has all three
    (folder / ".opening.lock").unlink()
