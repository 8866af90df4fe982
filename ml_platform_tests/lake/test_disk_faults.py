import errno
from pathlib import Path

import duckdb
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.disk_faults import disk_fault
from ml_platform.settings import Settings
from ml_platform_tests.lake.programs import both_halves, finish, start


@pytest.mark.parametrize("how", ["frame", "staged"])
def test_a_full_disk_is_told_with_path_and_remedy_and_nothing_is_committed(
    lake: Lake, settings: Settings, how: str
) -> None:
    both_halves(lake, 1)
    said = finish(start("fill_the_disk", settings.data, how))
    assert str(lake.folder) in said
    assert "Nothing was committed. Free space" in said
    assert lake.columns("s", "big") == {}
    assert not list((lake.folder / "staging").glob("*.parquet"))
    both_halves(lake, 2)


def test_a_lake_that_cannot_be_made_names_the_folder_and_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LakeError, match=r"file/data/lake is not writable: .*set ML_PLATFORM_DATA"):
        Lake(Settings(data=tmp_path / "file" / "data"))
    with pytest.raises(LakeError, match="set ML_PLATFORM_DATA"):
        Blobs(Settings(data=tmp_path / "file" / "data")).put_bytes(b"x")


def test_a_lake_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"There is no lake in .*ml-platform run"):
        Lake(Settings(data=tmp_path / "none"), read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_that_is_not_one_is_told(settings: Settings) -> None:
    settings.lake.mkdir(parents=True)
    (settings.lake / "catalog.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(LakeError, match=r"cannot be opened: .*ml-platform restore"):
        Lake(settings)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (OSError(errno.EROFS, "Read-only file system"), "is not writable"),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), "is full"),
        (duckdb.Error("attempt to write a readonly database"), "is not writable"),
        (duckdb.Error("database or disk is full"), "is full"),
    ],
)
def test_what_disks_say_becomes_a_lake_error_with_the_path(error: Exception, part: str) -> None:
    fault = disk_fault(error, Path("/the/lake"))
    assert fault is not None
    assert "/the/lake" in str(fault)
    assert part in str(fault)


def test_other_errors_stay_what_they_are() -> None:
    assert disk_fault(duckdb.BinderException("no such column"), Path("x")) is None
    assert disk_fault(FileNotFoundError(errno.ENOENT, "gone"), Path("x")) is None
    assert disk_fault(ValueError("no space left"), Path("x")) is None
