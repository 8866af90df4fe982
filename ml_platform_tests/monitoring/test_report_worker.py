"""The process that draws reports: one, reused, ended with its owner, and begun again when it died."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ml_platform.errors import ReportError
from ml_platform.monitoring.report_worker import ReportWorker

MODULE = "ml_platform_tests.monitoring.faulty_workers"


@pytest.fixture
def worker() -> Iterator[ReportWorker]:
    made = ReportWorker(module=MODULE, limit=30)
    yield made
    made.close()


def test_one_process_answers_question_after_question(worker: ReportWorker) -> None:
    first, second = worker.ask({"do": "one"}), worker.ask({"do": "two"})
    assert (first["said"], second["said"]) == ("one", "two")
    assert first["pid"] == second["pid"] == worker.pid != os.getpid()


def test_nothing_is_started_before_it_is_needed(worker: ReportWorker) -> None:
    assert worker.pid is None
    worker.start()
    assert worker.pid == worker.ask({"do": "x"})["pid"]


def test_a_process_that_dies_is_an_error_with_its_last_words_and_the_next_question_starts_another(
    worker: ReportWorker,
) -> None:
    before = worker.ask({"do": "x"})["pid"]
    with pytest.raises(ReportError, match=r"ended without an answer.* out of ink"):
        worker.ask({"do": "die"})
    assert worker.ask({"do": "x"})["pid"] != before


def test_a_process_that_was_killed_between_questions_is_replaced(worker: ReportWorker) -> None:
    before = worker.ask({"do": "x"})["pid"]
    os.kill(before, 9)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert worker.ask({"do": "x"})["pid"] != before


def test_a_process_that_takes_too_long_is_stopped() -> None:
    slow = ReportWorker(module=MODULE, limit=0.2)
    pid = slow.ask({"do": "x"})["pid"]
    with pytest.raises(ReportError, match=r"took more than 0\.2 s to answer"):
        slow.ask({"do": "hang"})
    assert slow.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_interrupt_while_it_waits_leaves_no_answer_for_the_next_question(worker: ReportWorker) -> None:
    before = worker.ask({"do": "x"})["pid"]
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start what it runs deaf to it
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.ask({"do": "interrupt"})
    finally:
        signal.signal(signal.SIGINT, ours)
    after = worker.ask({"do": "next"})
    assert after["said"] == "next" and after["pid"] != before


def test_what_cannot_be_drawn_is_an_error_and_the_process_stays(worker: ReportWorker) -> None:
    before = worker.ask({"do": "x"})["pid"]
    with pytest.raises(ReportError, match="no such colour"):
        worker.ask({"do": "fail"})
    assert worker.pid == before


def test_a_module_that_does_not_start_says_why() -> None:
    with pytest.raises(ReportError, match="No module named"):
        ReportWorker(module="ml_platform_tests.monitoring.nothing").ask({"do": "x"})


def test_it_does_not_outlive_an_owner_that_was_killed() -> None:
    program = (
        "import os\nfrom ml_platform.monitoring.report_worker import ReportWorker\n"
        f"print(ReportWorker(module={MODULE!r}).ask({{'do': 'x'}})['pid'], flush=True)\nos.kill(os.getpid(), 9)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.stdout.read()  # ends when nobody has it open any more: the owner and what it started
    owner.stdout.close()
    assert owner.wait(30) == -9
    _gone(pid)


def _gone(pid: int) -> None:
    """Wait until there is no such process; a process of another parent can only be looked at."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    readable, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert readable, "it is still there"
