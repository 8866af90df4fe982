"""SQL sees the operational state, and asking does not disturb whoever writes it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.lake.transaction import Author
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.attached import attach
from ml_platform.state.results import Result

_RECORDED = "SELECT partition FROM state.records ORDER BY id"
_ANOTHER = (
    "import sys; from pathlib import Path; from ml_platform_tests.state.test_attached import recorded;"
    "recorded(Path(sys.argv[1]), sys.argv[2])"
)


def _record(workspace: Workspace, partition: str) -> None:
    ledger.record(workspace.state, Author("a", partition, "k"), rows=1, result=Result())


def recorded(folder: Path, partition: str) -> None:
    """Open, record one output and close: what another process does."""
    with closing(Workspace.open(Settings(data=folder, threads=1), {})) as workspace:
        _record(workspace, partition)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """One that stays open, with one record."""
    with closing(Workspace.open(Settings(data=tmp_path, threads=1), {})) as workspace:
        _record(workspace, "first")
        yield workspace


def _elsewhere(workspace: Workspace, partition: str) -> None:
    subprocess.run([sys.executable, "-c", _ANOTHER, str(workspace.settings.data), partition], check=True)


def test_no_record_is_lost_when_sql_asks_between_the_writes_of_two_processes(workspace: Workspace) -> None:
    attach(workspace.lake)
    workspace.lake.rows(_RECORDED)
    _elsewhere(workspace, "second")
    _record(workspace, "third")
    _elsewhere(workspace, "fourth")
    attach(workspace.lake)
    assert workspace.lake.rows(_RECORDED) == [("first",), ("second",), ("third",), ("fourth",)]


def test_every_attaching_shows_what_is_committed_then(workspace: Workspace) -> None:
    attach(workspace.lake)
    _elsewhere(workspace, "second")
    assert workspace.lake.rows(_RECORDED) == [("first",)]
    attach(workspace.lake)
    assert workspace.lake.rows(_RECORDED) == [("first",), ("second",)]


def test_asking_leaves_the_locks_of_this_process_on_the_file(workspace: Workspace) -> None:
    numbers = {str(file.stat().st_ino) for file in workspace.settings.lake.glob("state.sqlite*")}

    def locks() -> list[str]:
        lines = Path("/proc/locks").read_text().splitlines()
        return [line.partition(": ")[2] for line in lines if line.split()[5].split(":")[2] in numbers]

    before = locks()
    attach(workspace.lake)
    assert before and locks() == before
