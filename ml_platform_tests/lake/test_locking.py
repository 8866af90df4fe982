"""A lock that is not free is an error with a remedy, and errors of what is done under a lock stay what they are."""

from pathlib import Path

import pytest
from filelock import FileLock

from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake
from ml_platform.lake.locking import removal_lock
from ml_platform.settings import Settings
from ml_platform.sources.locks import table_lock
from ml_platform.state import old_lakes
from ml_platform.state.database import State


def test_a_table_that_another_process_reads_is_named_with_its_lock(settings: Settings) -> None:
    impatient = settings.model_copy(update={"lock_timeout": 0.0})
    path = settings.lake / "locks" / "orders.lock"
    path.parent.mkdir(parents=True)
    refused = pytest.raises(LakeError, match=rf"source of orders for 0 s and holds {path}\. .*ML_PLATFORM_LOCK_TIMEOUT")
    with FileLock(path), refused, table_lock(impatient, "orders"):
        pass
    with table_lock(impatient, "orders"), table_lock(impatient, "customers"):
        pass


def test_a_lake_that_another_process_migrates_is_named_with_its_lock(
    lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "settings", lake.settings.model_copy(update={"lock_timeout": 0.0}))
    monkeypatch.setattr(old_lakes, "_progress", lambda state: None)  # it is not migrated yet
    path = lake.folder / "migration.lock"
    with FileLock(path), pytest.raises(LakeError, match=f"migrating the lake for 0 s and holds {path}"):
        old_lakes.carry_over(lake, state)


def test_a_folder_in_which_no_lock_can_be_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    with pytest.raises(LakeError, match=f"{tmp_path}/lake.* is not writable"):
        table_lock(Settings(data=tmp_path), "orders").__enter__()


def test_an_error_under_a_lock_is_not_blamed_on_the_folder_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="/elsewhere"), removal_lock(tmp_path, "a backup", 1):
        raise PermissionError(13, "Permission denied", "/elsewhere")
