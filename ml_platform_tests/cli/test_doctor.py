"""`ml-platform doctor` prints each finding with its remedy, and fails when something is bad."""

from pathlib import Path

import pytest

from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_a_sound_platform_has_nothing_bad(shared_platform: Path) -> None:
    states = {finding["name"]: finding["state"] for finding in invoke_json("doctor")}
    assert states["lake"] == states["data files"] == states["champion"] == states["versions"] == "ok"
    assert "bad" not in states.values()


def test_a_bad_finding_is_printed_with_its_remedy_and_fails(data_folder: Path) -> None:
    data_folder.write_text("a file where a folder should be")
    result = invoke("doctor")
    printed = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "bad landing folder:" in printed and "make it writable, or set ML_PLATFORM_DATA" in printed


def test_the_kind_of_catalog_is_told_without_its_secret(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_CATALOG", "postgresql://me:hunter2@127.0.0.1:1/lake")
    printed = invoke("doctor").output
    assert "PostgreSQL" in printed and "hunter2" not in printed
