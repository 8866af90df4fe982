"""A disk of any size for a test: a tmpfs in a mount namespace of its own, in which a Python module runs.

Whoever may make user namespaces may mount there, and the mount goes with the last process in it.
"""

import subprocess
import sys
from pathlib import Path


def in_own_namespace(module: str, *arguments: str, timeout: float) -> str:
    """Run `python -m module` where it may mount; what it printed. Raises AssertionError with it when that failed."""
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout
    return done.stdout


def mount(folder: Path, kilobytes: int) -> None:
    """Put an empty disk of that size at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)], check=True)


def resize(folder: Path, kilobytes: int) -> None:
    """Make room on that disk, or take it."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)
