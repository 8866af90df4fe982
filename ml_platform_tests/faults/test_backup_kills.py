"""SIGKILL in the middle of a backup or a restore: nothing is lost, and the same command goes on.

A process is killed at the n-th moment at which it has something put on the disk, gives a file its name, or removes
one; then at random moments of the command as a person types it.
"""

import os
import random
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.errors import BackupError, LakeError
from ml_platform.lake.backup_store import BackupStore
from ml_platform.runtime.backup import backup
from ml_platform.runtime.restore import check, restore
from ml_platform.settings import Settings
from ml_platform_tests.cli.terminal import start_command
from ml_platform_tests.faults.conftest import SEED
from ml_platform_tests.faults.moments import killed_at
from ml_platform_tests.runtime.platforms import content, numbers, opened, put

EVERY = range(1, 40)
FEW = (2, 9, 22)
MOMENTS = [pytest.param(n, marks=[] if n in FEW else pytest.mark.slow) for n in EVERY]
RANDOM = 20  # kills of each command


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with three numbers and its folder of backups: the older has one of them, the newest two."""
    root = tmp_path_factory.mktemp("original")
    settings = _settings(root)
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
        backup(settings, root / "backups")
        put(workspace, 2)
        backup(settings, root / "backups")
        put(workspace, 3)
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "root")


def _settings(root: Path, data: str = "data") -> Settings:
    return Settings(data=root / data, lock_timeout=20, threads=1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_that_is_killed_harms_neither_lake_nor_backups_and_goes_on(root: Path, moment: int) -> None:
    settings, folder = _settings(root), root / "backups"
    before, earlier = content(settings.data), BackupStore(folder).names()
    killed = killed_at(moment, lambda: backup(settings, folder))
    assert content(settings.data) == before
    assert set(earlier) <= set(BackupStore(folder).names())
    assert all(check(folder, name).damaged == () for name in BackupStore(folder).names())
    report = backup(settings, folder)
    assert killed or report.new_files == 0
    restore(_settings(root, "restored"), folder)
    assert numbers(_settings(root, "restored")) == [1, 2, 3]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_removal_of_older_backups_that_is_killed_harms_no_newer_one(root: Path, moment: int) -> None:
    settings, folder = _settings(root), root / "backups"
    killed_at(moment, lambda: backup(settings, folder, keep=1))
    assert all(check(folder, name).damaged == () for name in BackupStore(folder).names())
    backup(settings, folder, keep=1)
    (name,) = BackupStore(folder).names()
    named = {file.sha256 for file in BackupStore(folder).find(name).files}
    assert {path.name for path in BackupStore(folder).objects()} == named
    restore(_settings(root, "restored"), folder)
    assert numbers(_settings(root, "restored")) == [1, 2, 3]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_restore_that_is_killed_goes_on_or_leaves_the_lake_as_it_was(root: Path, moment: int) -> None:
    settings, folder = _settings(root), root / "backups"
    kept = content(settings.data)
    killed = killed_at(moment, lambda: restore(settings, folder, replace=True))
    if (settings.lake / "restore.json").exists():
        _refused_while_unfinished(settings, folder)
        restore(settings, folder)
    elif killed and numbers(settings) == [1, 2, 3]:  # nothing was swapped yet
        restore(settings, folder, replace=True)
    assert numbers(settings) == [1, 2]
    _is_all_there(settings, kept)
    restore(settings, folder, "000001", replace=True)
    assert numbers(settings) == [1]
    _is_all_there(settings, kept)


def _refused_while_unfinished(settings: Settings, folder: Path) -> None:
    there = content(settings.data)
    with pytest.raises(LakeError, match=r"A restore of the lake in .* is not finished"):
        opened(settings)
    with pytest.raises(BackupError, match=r"The restore of backup 000002.* is not finished"):
        restore(settings, folder, "000001", replace=True)
    assert content(settings.data) == there


def _is_all_there(settings: Settings, kept: dict[str, str]) -> None:
    assert set(content(settings.data).values()).issuperset(kept.values()), "what stood there is still somewhere"


def _kill_at_random(chance: random.Random, longest: float, *words: str, **environment: str) -> None:
    command = start_command(*words, **environment)
    time.sleep(chance.uniform(0, longest))  # the moment is what is tried
    command.process.kill()
    command.end()


@pytest.mark.slow
def test_commands_that_are_killed_at_random_lose_nothing_and_are_repeated(root: Path) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    print(f"{SEED}={seed}")  # noqa: T201 - for whoever has to repeat it
    chance, settings, folder = random.Random(seed), _settings(root), root / "backups"
    data = {"ML_PLATFORM_DATA": str(settings.data)}
    began = time.monotonic()
    assert start_command("backup", str(folder), **data).end()[0] == 0
    longest = 1.1 * (time.monotonic() - began)
    for number in range(RANDOM):
        with closing(opened(settings)) as workspace:
            put(workspace, 4 + number)
        _kill_at_random(chance, longest, "backup", str(folder), **data)
        assert all(check(folder, name).damaged == () for name in BackupStore(folder).names()[:2])
    backup(settings, folder)
    everything = numbers(settings)
    assert list(everything) == list(range(1, 4 + RANDOM))
    for number in range(RANDOM):
        other = _settings(root, f"restored{number}")
        environment = {"ML_PLATFORM_DATA": str(other.data)}
        _kill_at_random(chance, longest, "restore", str(folder), **environment)
        code, _, said = start_command("restore", str(folder), "--replace", **environment).end()
        assert code == 0, said
        assert numbers(other) == everything
        shutil.rmtree(other.data)
