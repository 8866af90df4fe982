"""The life of a small lake on disks of many sizes: `python -m ml_platform_tests.faults.small_disk_life FOLDER SIZE…`.

Each disk fills at another moment. Then room is made, and a new process is given the order that failed.
"""

import json
import sys
from pathlib import Path

from ml_platform_tests.faults import programs
from ml_platform_tests.faults.workers import Worker
from ml_platform_tests.small_disks import mount, resize

LIFE = ("open_lake", "land", "run_first", "maintain", "run_second", "maintain", "tell")
ROOM = 200_000  # kilobytes


def live(folder: Path, sources: Path, size: int | None) -> tuple[str, object]:
    """A life in `folder`, on a disk of `size` kilobytes; which order that disk failed, and what there is at the end."""
    failed, answer, worker = "", None, Worker()
    try:
        for order in LIFE:
            worker.send(order, folder / "data", str(sources))
            try:
                answer = worker.result()
            except AssertionError as error:
                assert not failed, f"{order} failed, with room and after {failed}:\n{error}"
                _is_one_line_about_the_disk(str(error))
                failed = order
                worker.kill()
                assert size is not None
                resize(folder, ROOM)
                worker = Worker()
                worker.send(order, folder / "data", str(sources))
                answer = worker.result()
    finally:
        worker.kill()
    return failed, answer


def _is_one_line_about_the_disk(trace: str) -> None:
    last = trace.strip().splitlines()[-1]
    assert last.startswith("ml_platform.errors."), trace
    assert "full" in last or "Free space" in last, trace


def main(folder: Path, sizes: list[int]) -> None:
    sources = folder / "sources"
    programs.write_sources(sources)
    failed, expected = live(folder / "undisturbed", sources, None)
    assert not failed
    for size in sizes:
        disk = folder / str(size)
        mount(disk, size)
        failed, answer = live(disk, sources, size)
        assert answer == expected, f"on a disk of {size} kB, which {failed or 'nothing'} filled"
        programs.say({"size": size, "failed": failed})


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
