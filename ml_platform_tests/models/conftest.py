"""Blobs beside the temporary lake."""

import pytest

from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    return Blobs(settings)
