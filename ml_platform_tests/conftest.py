"""Fixtures for every area: settings that point into a temporary folder, and a real lake there."""

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


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    """An empty lake with the platform's own tables."""
    opened = Lake(settings)
    ledger.prepare(opened)
    yield opened
    opened.close()
