"""`doctor` names a catalog or state that is lost, damaged in a page, or of another moment, with what to restore."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.errors import StateError
from ml_platform.settings import Settings
from ml_platform.views.databases_health import catalog_findings, damaged_pages
from ml_platform.views.health_finding import Finding
from ml_platform.views.stores_health import stores_findings
from ml_platform_tests.runtime.platforms import opened, put


@pytest.fixture
def settings(tmp_path: Path, empty_lake: Path) -> Settings:
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with closing(opened(made)) as workspace:
        put(workspace, 1)
    return made


def _bad(settings: Settings) -> Iterator[Finding]:
    return (finding for finding in stores_findings(settings, []) if finding.state == "bad")


def test_a_lake_that_is_whole_has_no_such_finding(settings: Settings) -> None:
    assert list(_bad(settings)) == []


def test_a_lost_catalog_is_bad_and_no_first_run(settings: Settings) -> None:
    (settings.lake / "catalog.sqlite").unlink()
    (finding,) = _bad(settings)
    assert "is missing or empty, and its files are there" in finding.detail
    assert "ml-platform restore" in finding.remedy


def test_a_lost_catalog_of_which_only_records_are_left_is_bad_and_no_first_run(settings: Settings) -> None:
    (settings.lake / "catalog.sqlite").unlink()
    shutil.rmtree(settings.lake / "tables")
    shutil.rmtree(settings.artifacts)
    (finding,) = _bad(settings)
    assert "the operational state has 1 record about it" in finding.detail and "ml-platform restore" in finding.remedy


def test_a_restore_that_is_not_finished_is_bad(settings: Settings) -> None:
    (settings.lake / "restore.json").write_text("{}")
    (finding,) = catalog_findings(settings)
    assert "is not finished" in finding.detail


@pytest.mark.parametrize("name", ["catalog", "state"])
def test_a_damaged_page_is_found_though_the_database_opens(settings: Settings, name: str) -> None:
    file = settings.lake / f"{name}.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[:-4096] + b"\xff" * 4096)
    (finding,) = damaged_pages(settings)
    assert (finding.name, finding.state) == (name, "bad")
    assert "ml-platform restore" in finding.remedy


def test_a_state_that_does_not_open_is_one_finding(settings: Settings) -> None:
    file = settings.lake / "state.sqlite"
    file.write_bytes(b"\xff" * file.stat().st_size)
    (finding,) = _bad(settings)
    assert str(file) in finding.detail and "ml-platform restore" in finding.remedy


def test_a_catalog_of_an_earlier_moment_is_bad(settings: Settings) -> None:
    older = shutil.copyfile(settings.lake / "catalog.sqlite", settings.data / "older")
    with closing(opened(settings)) as workspace:
        put(workspace, 2)
    shutil.copyfile(older, settings.lake / "catalog.sqlite")
    (finding,) = _bad(settings)
    assert finding.name == "lake and state"
    assert "is older than its operational state" in finding.detail


def test_a_lost_state_has_the_remedy_that_every_command_names(settings: Settings) -> None:
    for path in settings.lake.glob("state.sqlite*"):
        path.unlink()
    (finding,) = _bad(settings)
    with pytest.raises(StateError) as refused:
        opened(settings)
    assert (finding.detail, finding.remedy) == (refused.value.what, refused.value.remedy)
    assert "is missing or empty" in finding.detail and "ml-platform restore" in finding.remedy
