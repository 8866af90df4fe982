"""Memory that a worker freed is there for its next request."""

import subprocess
import sys

_FAULTS = """
import resource, sys
import numpy as np
from ml_platform.serving.rest import freed_memory

if sys.argv[1] == "keep":
    freed_memory.keep_freed_memory()
def work():
    return [np.full(375_000, 1.0) for _ in range(10)]  # 3 MB each
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_that_was_kept_is_not_asked_for_again() -> None:
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", _FAULTS, what], check=True, capture_output=True, text=True).stdout)
        for what in ("give back", "keep")
    )
    assert kept < given_back / 10
