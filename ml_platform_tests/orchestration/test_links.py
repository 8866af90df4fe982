"""Links of assets lead to pages of the pipeline, below the addresses in the settings."""

from pathlib import Path

from ml_platform.orchestration.links import service_links
from ml_platform.settings import Settings


def test_links_are_of_the_pipeline_and_below_the_addresses_in_the_settings(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, service_url="https://ml.example", reports_url="https://reports.example")
    links = {name: str(link.value) for name, link in service_links(settings, "trips").items()}
    assert links == {
        "service page": "https://ml.example/",
        "API page": "https://ml.example/docs#predict_trips",
        "OpenAPI": "https://ml.example/openapi.json",
        "version that answers": "https://ml.example/v1/pipelines/trips/model",
        "model card that answers": "https://ml.example/v1/pipelines/trips/card",
        "reports": "https://reports.example/trips/index.html",
    }
