"""Routes that a service has besides those of predictions. A packaged version has none, and needs nothing of theirs."""

from collections.abc import Iterable
from typing import Any, Protocol

from fastapi import FastAPI

from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.service import Service


class MoreRoutes(Protocol):
    """Further routes of an application."""

    def add_to(self, app: FastAPI, service: Service, access: Access) -> None:
        """Add the routes."""

    def describe(self, document: dict[str, Any], pipelines: Iterable[str]) -> None:
        """Complete the description in OpenAPI for the pipelines that answer."""

    def note(self, metrics: Metrics) -> None:
        """Set the figures that are looked up when they are asked for."""

    def stop(self) -> None:
        """Finish what is under way."""
