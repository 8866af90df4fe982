"""Fixtures for every area: settings that point into a temporary folder, and a real lake there."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_platform.lake import ledger
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform of its own; the environment says the same, for code that reads it there."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    return Settings(data=tmp_path / "data", lock_timeout=20, threads=2)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with the platform's own tables, made once: a copy costs a tenth of making it."""
    settings = Settings(data=tmp_path_factory.mktemp("empty"), threads=2)
    with Lake(settings) as lake:
        ledger.prepare(lake)
    return settings.lake


@pytest.fixture
def lake(settings: Settings, empty_lake: Path) -> Iterator[Lake]:
    """An empty lake with the platform's own tables."""
    shutil.copytree(empty_lake, settings.lake)
    with Lake(settings) as opened:
        yield opened
