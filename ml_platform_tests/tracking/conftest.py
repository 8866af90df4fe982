"""A platform that ran through February, and a real MLflow server where a test asks for one."""

from collections.abc import Iterator

import pytest

from ml_platform.redaction import without_secrets
from ml_platform.tracking.address import TrackingAddress, tracking_address
from ml_platform_tests.experiments.conftest import bench
from ml_platform_tests.tracking_server import MlflowServer, mlflow_server

__all__ = ["bench"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real server for the slow tests of this package."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def address_of(monkeypatch: pytest.MonkeyPatch, uri: str, **more: str) -> TrackingAddress:
    """The address by the environment, which has no other variable of MLflow."""
    for name in ("TOKEN", "USERNAME", "PASSWORD", "INSECURE_TLS", "SERVER_CERT_PATH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for name, value in more.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    address = tracking_address()
    assert address is not None and without_secrets(address.url) == address.url
    return address
