"""Whatever fails after Ctrl-C arrived counts as the interrupt: it is not recorded, not told and not passed over."""

import os
import subprocess
import sys

PRELUDE = """
import os, signal
from ml_platform import interrupts

def interrupted(*_, **__):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it was not heard")
    except KeyboardInterrupt:
        pass  # as a library does
    raise AttributeError("partially initialized module 'pandas'")
"""


def _ended(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PRELUDE + program]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


def test_a_command_that_fails_after_it_prints_that_it_was_stopped() -> None:
    done = _ended(
        "import sys\nfrom ml_platform.cli import main, maintaining\n"
        "maintaining.opening.settings = interrupted\nsys.argv[1:] = ['maintain']\nmain.main()\n"
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines() == [
        "error Stopped.",
        "      Finished work is kept; the same command continues from there.",
    ]


def test_no_file_is_refused_and_no_gate_failed_because_of_it() -> None:
    done = _ended(
        "from ml_platform.evaluation.gates import measuring\n"
        "from ml_platform.sources.faults import refusal\n"
        "interrupts.listen(lambda: None)\n"
        "measuring.evaluator_of = interrupted\n"
        "def ends(work, *arguments):\n"
        "    try:\n"
        "        return f'went on: {work(*arguments)}'\n"
        "    except BaseException as error:\n"
        "        return type(error).__name__\n"
        "print(refusal('a.csv', ValueError('of the file'), 'it was read'))\n"
        "print(ends(measuring.judge, None, None))\n"
        "print(ends(refusal, 'a.csv', RuntimeError('Query interrupted'), 'it was read'))\n"
    )
    refused, *rest = done.stdout.splitlines()
    assert refused.startswith("a.csv: ValueError while it was read"), done.stderr
    assert rest == ["KeyboardInterrupt", "KeyboardInterrupt"]


def test_nothing_is_printed_of_what_it_broke_in_a_library() -> None:
    done = _ended(
        "import logging\n"
        "class Pool:\n"
        "    __del__ = interrupted\n"
        "interrupts.listen(lambda: None)\n"
        "Pool()\n"
        "logging.getLogger('a library').error('cannot close')\n"
    )
    assert done.stderr == "", "neither what broke nor what a library logs of it"
