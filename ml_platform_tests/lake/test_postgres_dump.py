"""PostgreSQL's programs get the address in their environment, and are asked for by name where they are missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_platform.errors import BackupError
from ml_platform.lake import postgres_dump
from ml_platform.settings import Settings

ADDRESSES = [
    "postgresql://ml:se%2Fsame@db.example:5433/lake?sslmode=require",
    "host=db.example port=5433 user=ml password=se/same dbname=lake sslmode=require",
]


def _settings(tmp_path: Path, address: str) -> Settings:
    return Settings.model_validate({"data": tmp_path / "data", "catalog": address})


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for both programs, which write down how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        script = folder / name
        script.write_text(
            f'#!/bin/sh\necho "$@" > {folder}/{name}.words\nenv | grep ^PG | sort > {folder}/{name}.env\n'
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_part_of_the_address_stands_in_the_process_list(tmp_path: Path, programs: Path, address: str) -> None:
    settings = _settings(tmp_path, address)
    postgres_dump.dump(settings, tmp_path / "dumped")
    postgres_dump.load(settings, tmp_path / "dumped")
    for name in ("pg_dump", "pg_restore"):
        words = (programs / f"{name}.words").read_text()
        assert "same" not in words
        assert "db.example" not in words
        given = (programs / f"{name}.env").read_text().splitlines()
        assert {"PGHOST=db.example", "PGPORT=5433", "PGPASSWORD=se/same", "PGSSLMODE=require"} <= set(given)


def test_a_program_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump was not found.*Install PostgreSQL's client programs"):
        postgres_dump.dump(_settings(tmp_path, ADDRESSES[0]), tmp_path / "dumped")


def test_a_program_that_fails_says_why_without_the_password(tmp_path: Path, programs: Path) -> None:
    (programs / "pg_dump").write_text("#!/bin/sh\necho 'cannot use postgresql://ml:se/same@db.example' >&2\nexit 1\n")
    with pytest.raises(BackupError, match="pg_dump failed: cannot use") as refused:
        postgres_dump.dump(_settings(tmp_path, ADDRESSES[1]), tmp_path / "dumped")
    assert "se/same" not in str(refused.value)


def test_what_no_variable_holds_is_passed_on(tmp_path: Path, programs: Path) -> None:
    postgres_dump.dump(_settings(tmp_path, f"{ADDRESSES[1]} keepalives=1"), tmp_path / "dumped")
    assert "keepalives=1" in (programs / "pg_dump.words").read_text()


@pytest.mark.parametrize("act", [postgres_dump.dump, postgres_dump.load])
@pytest.mark.parametrize("name", ["sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"])
def test_a_secret_that_would_stand_in_the_process_list_is_refused(
    tmp_path: Path, programs: Path, name: str, act: Callable[[Settings, Path], None]
) -> None:
    with pytest.raises(BackupError, match=rf"holds {name}.*service file") as refused:
        act(_settings(tmp_path, f"{ADDRESSES[1]} {name}=sesame"), tmp_path / "dumped")
    assert "sesame" not in str(refused.value)
    assert list(programs.glob("*.words")) == []
