"""Links from assets to the pages of the service and of the reports."""

import dagster as dg

from ml_platform.orchestration.events import Metadata
from ml_platform.settings import Settings


def service_links(settings: Settings, pipeline: str) -> Metadata:
    """Where the service describes itself and its version, and where the reports are."""
    service = settings.service_url
    return {
        "OpenAPI": dg.MetadataValue.url(f"{service}/openapi.json"),
        "version that answers": dg.MetadataValue.url(f"{service}/v1/pipelines/{pipeline}/model"),
        "reports": dg.MetadataValue.url(f"{settings.reports_url}/"),
    }
