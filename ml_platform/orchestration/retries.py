"""Retries of transient faults, and of nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb


@contextmanager
def passing_faults_retried() -> Iterator[None]:
    """Retry a step at most twice after a disk or network error.

    This is no RetryPolicy, because Dagster applies that to Ctrl-C and to permanent errors as well.
    """
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=1) from error
