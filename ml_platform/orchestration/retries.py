"""Retries of transient faults, and of nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb

from ml_platform import interrupts
from ml_platform.lake.disk_faults import exhaustion_explained
from ml_platform.settings import Settings


@contextmanager
def passing_faults_retried(settings: Settings) -> Iterator[None]:
    """Retry a step at most twice after a disk or network error. A full disk, or want of memory, does not pass.

    This is no RetryPolicy, because Dagster applies that to Ctrl-C and to permanent errors as well.
    """
    try:
        with exhaustion_explained(settings.data):
            yield
    except (OSError, duckdb.IOException) as error:
        interrupts.stop_if_arrived()
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=1) from error
