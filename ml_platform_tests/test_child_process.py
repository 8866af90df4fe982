"""A question to a child process can be taken back by another thread."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_platform.child_process import Cancellation, ChildEnded, ChildProcess


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    child = ChildProcess("ml_platform_tests.answering", start_limit=60, answer_limit=60)
    yield child
    child.close()


def test_a_question_that_is_taken_back_ends_its_process_and_a_new_one_answers_the_next(
    child: ChildProcess, tmp_path: Path
) -> None:
    first, cancellation, begun = child.ask({})["pid"], Cancellation(), tmp_path / "begun"
    os.mkfifo(begun)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(child.ask, {"begin": str(begun)}, cancellation)
        begun.read_bytes()  # waits until the process opens it
        cancellation.cancel()
        with pytest.raises(ChildEnded, match="nobody waits"):
            asked.result(60)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert child.ask({})["pid"] != first


def test_a_question_that_was_taken_back_before_is_not_answered(child: ChildProcess, tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(ChildEnded, match="nobody waits"):
        child.ask({"begin": str(tmp_path / "begun")}, cancellation)
    assert not (tmp_path / "begun").exists()


def test_an_answer_that_came_before_stands(child: ChildProcess) -> None:
    cancellation = Cancellation()
    assert child.ask({}, cancellation)["pid"] == child.pid
    cancellation.cancel()
    assert child.ask({})["pid"] == child.pid
