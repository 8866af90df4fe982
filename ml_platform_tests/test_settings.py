"""Which pipelines the settings name, and where settings are read."""

from pathlib import Path

import duckdb
import pytest

from ml_platform.cli import opening
from ml_platform.discovery import find, pipelines
from ml_platform.errors import DeclarationError
from ml_platform.setting_lines import misspelt_settings
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


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("MEMORY_LIMIT", "lots", "not a size, which is a number with a unit: 500MB"),
        ("MEMORY_LIMIT", "2048", "not a size"),
        ("MEMORY_LIMIT", "80%", "not a size"),
        ("MEMORY_LIMIT", "-1", "not a size"),
        ("MEMORY_LIMIT", "", "not a size"),
        ("MEMORY_LIMIT", "1KB", "too little"),
        ("THREADS", "-1", "greater than or equal to 0"),
        ("THREADS", "all", "not a whole number, such as 4"),
        ("MAX_FILE_BYTES", "1GB", "whole number of bytes: it takes no unit, so write 1000000000 for 1 GB"),
        ("LOCK_TIMEOUT", "nan", "finite number"),
        ("LOCK_TIMEOUT", "-3", "greater than or equal to 0"),
        ("REPORTS_URL", "reports", "no URL"),
        ("REPORTS_URL", "http://localhost:99999", "no URL"),
        ("KEEP_HISTORY_DAYS", "forever", "not a number"),
        ("KEEP_SNAPSHOTS_DAYS", "inf", "finite number"),
    ],
)
def test_a_value_that_is_none_is_one_line_with_the_name_of_the_variable(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ML_PLATFORM_{name}", value)
    with pytest.raises(DeclarationError, match=rf"^ML_PLATFORM_{name}: .*{problem}.*Change or unset") as raised:
        opening.settings()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("limit", ["10MB", "500 mb", "1.5GiB", " 2GB ", "1TB"])
def test_a_memory_limit_that_is_taken_is_one_that_duckdb_takes(limit: str) -> None:
    taken = Settings(memory_limit=limit).memory_limit
    with duckdb.connect(config={"memory_limit": taken}) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("line", ["ML_PLATFORM_DATA /srv/x", "ML_PLATFORM_DATA: /srv/x", 'ML_PLATFORM_DATA="/srv/x'])
def test_a_line_of_the_env_file_that_sets_nothing_is_refused_instead_of_another_lake_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"# mine\nexport OTHER=1\n\n{line}\n")
    with pytest.raises(DeclarationError, match=r"\.env: line \d is no setting"):
        opening.settings()
    (tmp_path / ".env").write_text("# mine\nexport OTHER='a b'\n\nML_PLATFORM_THREADS=2\n")
    assert opening.settings().threads == 2


def test_an_environment_has_its_own_values_and_never_the_lake_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ML_PLATFORM_DATA", "/srv/all")
    monkeypatch.setenv("ML_PLATFORM_ONLINE_STORE", "redis://all")
    monkeypatch.setenv("ML_PLATFORM_THREADS", "3")
    monkeypatch.setenv("ML_PLATFORM_PRODUCTION__DATA", "/srv/production")
    monkeypatch.setenv("ML_PLATFORM_PRODUCTION__THREADS", "5")
    Path(".env").write_text(
        "ML_PLATFORM_CATALOG=postgresql://db/all\nML_PLATFORM_STAGING__KEEP_HISTORY_DAYS=2\nML_PLATFORM_STAGING__DATA=/srv/s\n"
    )

    def shown(settings: Settings) -> tuple[str, str, str, int, float]:
        catalog, store = settings.catalog.get_secret_value(), settings.online_store.get_secret_value()
        return str(settings.data), catalog, store, settings.threads, settings.keep_history_days

    assert shown(Settings()) == ("/srv/all", "postgresql://db/all", "redis://all", 3, 90.0)
    assert shown(Settings.of_environment("production")) == ("/srv/production", "", "", 5, 90.0)
    assert shown(Settings.of_environment("staging")) == ("/srv/s", "", "", 3, 2.0)
    assert shown(Settings.of_environment("qa")) == ("data-qa", "", "", 3, 90.0)
    assert misspelt_settings(Settings()) == {}
    monkeypatch.setenv("ML_PLATFORM_ENVIRONMENT", "production")
    assert Settings() == Settings.of_environment("production")
    assert shown(Settings.of_environment("staging")) == ("/srv/s", "", "", 3, 2.0)
    monkeypatch.setenv("ML_PLATFORM_PRODUCTION__THREDS", "5")
    monkeypatch.setenv("ML_PLATFORM_STAGING__ENVIRONMENT", "x")
    assert misspelt_settings(Settings()) == {
        "ML_PLATFORM_PRODUCTION__THREDS": "ML_PLATFORM_PRODUCTION__THREADS",
        "ML_PLATFORM_STAGING__ENVIRONMENT": "ML_PLATFORM_ENVIRONMENT",
    }
    with pytest.raises(ValueError, match="is no name"):
        Settings.of_environment("Pro duction")
