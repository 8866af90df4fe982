"""Folders that take long to make: one process of the suite makes each, and every process copies it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

LONGEST = 900.0  # seconds that a process waits for the one that makes the folder


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """This process's own copy of the folder `name`, which `build` fills in whichever process needs it first.

    The original is under the base folder of the whole run, so the next run makes it again. A build that fails
    leaves nothing: whoever needs the folder next tries again, and fails with an error of its own.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    original = shared / "built" / name
    original.parent.mkdir(exist_ok=True)
    with FileLock(original.with_suffix(".lock"), timeout=LONGEST):
        if not original.exists():
            unfinished = factory.mktemp(f"building_{name}") / "data"
            build(unfinished)
            unfinished.rename(original)
    copy = factory.mktemp(name) / "data"
    shutil.copytree(original, copy)
    return copy
