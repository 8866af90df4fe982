import pytest

from ml_platform.ingestion import tables
from ml_platform.lake.connection import Lake
from ml_platform_tests.ingestion.scene import Scene


@pytest.fixture
def scene(lake: Lake) -> Scene:
    """A lake ready for files."""
    tables.prepare(lake)
    return Scene(lake)
