"""A child process for tests: it says who it is, or begins a piece of work that never ends."""

import os
import signal
from pathlib import Path
from typing import Any

from ml_platform.child_process import answer_questions


def answered(question: dict[str, Any]) -> dict[str, Any]:
    if "begin" in question:
        Path(question["begin"]).write_bytes(b"")
        signal.pause()
    return {"pid": os.getpid()}


def main() -> None:
    answer_questions(answered)


if __name__ == "__main__":
    main()
