"""What other processes do in these tests: `python -m ml_platform_tests.lake.programs NAME FOLDER [ARGUMENT…]`.

They talk in lines, so that a test waits for what happened and not for time to pass.
"""

import resource
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import polars as pl

from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings


def start(name: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """One of the functions below in a new process, with pipes for its lines."""
    command = [sys.executable, "-m", "ml_platform_tests.lake.programs", name, str(folder), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def hear(process: subprocess.Popen[str]) -> str:
    """The next line a program said."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str], timeout: float = 60) -> str:
    """Let it go on to its end; all that it said."""
    output, _ = process.communicate("go\n", timeout=timeout)
    assert process.returncode == 0
    return output.strip()


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and wait for the end."""
    process.kill()
    process.communicate(timeout=20)


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def both_halves(lake: Lake, number: int) -> None:
    """One write in two parts: both partitions hold `number` afterwards, or neither."""
    with write(lake, Author("s/t", run_id=str(number))) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [number] * 500}), partition="a")
        tx.replace("s", "t", stage(lake, f"SELECT {number}::BIGINT AS v FROM range(500)"), partition="b")


def count_up(lake: Lake, first: str) -> None:
    number = int(first)
    while True:
        both_halves(lake, number)
        say(number)
        number += 1


def stop_inside(lake: Lake) -> None:
    """Write, and wait before the commit."""
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [99] * 500}), partition="a")
        say("inside")
        sys.stdin.readline()


def commit_many(lake: Lake, me: str, times: str) -> None:
    for number in range(int(times)):
        with write(lake, Author("s/many", run_id=me)) as tx:
            tx.append("s", "many", pl.DataFrame({"who": [int(me)], "number": [number]}))


def commit_without_lock(lake: Lake) -> None:
    """Commit until told to stop, as a program does that knows nothing of our lock; say how often."""
    lake.connection.execute("CREATE TABLE s.foreign_rows (number BIGINT)")
    say("begun")
    stop = threading.Thread(target=sys.stdin.readline, daemon=True)
    stop.start()
    commits = 0
    while stop.is_alive():
        try:
            lake.connection.execute("INSERT INTO s.foreign_rows VALUES (1)")
        except duckdb.Error:
            continue  # a collision that is its own
        commits += 1
    say(commits)


def fill_the_disk(lake: Lake, how: str) -> None:
    """Write more than the process may: files end at 1 MB."""
    query = "SELECT random() AS v FROM range(1_000_000)"
    rows = lake.frame(query)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        with write(lake, Author("s/big")) as tx:
            tx.replace("s", "big", rows if how == "frame" else stage(lake, query), partition="a")
    except LakeError as error:
        say(error)


if __name__ == "__main__":
    name, folder, *arguments = sys.argv[1:]
    with Lake(Settings(data=Path(folder), lock_timeout=60, threads=1)) as opened:
        globals()[name](opened, *arguments)
