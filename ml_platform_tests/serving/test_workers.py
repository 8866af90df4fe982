"""Worker processes that end, and what is missing to start them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ml_platform.errors import ServingError
from ml_platform.serving.rest.workers import Workers
from ml_platform_tests.cli.terminal import invoke
from ml_platform_tests.serving.service import until

FAILS = "raise SystemExit(3)"
READY_THEN_FAILS = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).sendall(b'r'); raise SystemExit(3)"


@contextmanager
def workers(code: str) -> Iterator[tuple[Workers, list[str]]]:
    """One worker that runs this code, and what is reported of it."""
    reported: list[str] = []
    pool = Workers(1, lambda lifeline: [sys.executable, "-ISc", code, str(lifeline)], [], reported.append)
    try:
        yield pool, reported
    finally:
        pool.stop()


def ends(pool: Workers, reported: list[str], now: float) -> None:
    """Wait for the next report."""
    count = len(reported)

    def is_reported() -> bool:
        pool.restart(now)
        return len(reported) > count

    until(is_reported)


def test_workers_that_are_never_ready_start_later_and_later_and_are_given_up() -> None:
    with workers(FAILS) as (pool, reported):
        for now in (0.0, 2.0, 6.0, 14.0):
            ends(pool, reported, now)
        with pytest.raises(ServingError, match=r"5 times within a minute before they were ready, .* with code 3"):
            ends(pool, reported, 30.0)
    assert [line.partition("starts in ")[2] for line in reported] == [f"{n} seconds." for n in (2, 4, 8, 16)]


def test_ends_before_the_last_minute_do_not_count() -> None:
    with workers(FAILS) as (pool, reported):
        for minute in range(1, 8):
            ends(pool, reported, minute * 61.0)
    assert len(reported) == 7


def test_a_worker_that_was_ready_is_started_again_at_once_however_often_it_ends() -> None:
    with workers(READY_THEN_FAILS) as (pool, reported):
        for _ in range(6):
            ends(pool, reported, 0.0)
    assert set(reported) == {"A worker ended with code 3; another one starts."}


def test_serve_without_its_libraries_names_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = invoke("serve", "--port", "0")
    assert result.exit_code == 1
    assert "needs fastapi" in result.output and "pip install 'ml_platform[serving]'" in result.output
