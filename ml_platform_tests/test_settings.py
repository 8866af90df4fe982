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


def test_s31_a_declaration_that_uses_what_has_no_form_is_refused_when_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reads_the_environment.py").write_text(
        "import os\n"
        "from ml_platform import Files, Table\n"
        "from ml_platform_tests import scenario\n\n"
        "def clean(drivers):\n"
        "    return drivers.with_columns(zone=late())\n\n"
        "drivers = Table('drivers', Files('drivers.csv'), scenario.Drivers, clean=clean)\n"
        "trip_delay = scenario.trips(tables=[scenario.trips_, scenario.traffic, drivers])\n\n"
        "def late():\n"
        "    return os.environ['ZONE']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        DeclarationError,
        match=r"Table\('drivers'\)\.clean: reads_the_environment\.late: it uses os\.environ.* constant",
    ):
        find("trip_delay", Settings(pipelines=["reads_the_environment"]))
