"""Links from assets to the pages of the service and of the reports."""

import dagster as dg

from ml_platform.orchestration.events import Metadata
from ml_platform.settings import Settings


def service_links(settings: Settings, pipeline: str) -> Metadata:
    """Where the service describes itself and its version, and where the reports are."""
    service = settings.service_url
    return {
        "service page": dg.MetadataValue.url(f"{service}/"),
        "API page": dg.MetadataValue.url(f"{service}/docs#predict_{pipeline}"),
        "OpenAPI": dg.MetadataValue.url(f"{service}/openapi.json"),
        "version that answers": dg.MetadataValue.url(f"{service}/v1/pipelines/{pipeline}/model"),
        "model card that answers": dg.MetadataValue.url(f"{service}/v1/pipelines/{pipeline}/card"),
        "reports": dg.MetadataValue.url(f"{settings.reports_url}/{pipeline}/index.html"),
    }
