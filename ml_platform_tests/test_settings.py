"""Which pipelines the settings name, and where settings are read."""

from pathlib import Path

import pytest

from ml_platform.discovery import find, pipelines
from ml_platform.errors import DeclarationError
from ml_platform.settings import Settings

TWO_PIPELINES = "ml_platform_tests.declarations.two_over_trips"


def test_an_address_names_one_pipeline_of_a_module() -> None:
    assert list(pipelines(Settings(pipelines=[f"{TWO_PIPELINES}:trip_length"]))) == ["trip_length"]
    assert list(pipelines(Settings(pipelines=[TWO_PIPELINES, f"{TWO_PIPELINES}:trip_length"]))) == [
        "trip_delay",
        "trip_length",
    ]


def test_an_address_that_leads_nowhere_names_the_variable() -> None:
    with pytest.raises(DeclarationError, match=r"PIPELINES: there is no 'trip'.* Pipelines there: trip_delay"):
        find("trip_delay", Settings(pipelines=[f"{TWO_PIPELINES}:trip"]))


def test_settings_are_read_from_the_folders_env_file_and_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ML_PLATFORM_THREADS", "2")
    (tmp_path / ".env").write_text(f"""OTHER=1\nML_PLATFORM_THREADS=7\nML_PLATFORM_PIPELINES='["{TWO_PIPELINES}"]'\n""")
    assert (Settings().threads, Settings().pipelines) == (2, [TWO_PIPELINES])
