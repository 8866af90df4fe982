"""Retries: of what passes by itself, and of nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb


@contextmanager
def passing_faults_retried() -> Iterator[None]:
    """Have Dagster run the step again, twice at most, after a fault of disk or network.

    Not a RetryPolicy: Dagster applies that to Ctrl-C too, so that a run could not be stopped, and to
    mistakes, which stay.
    """
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=1) from error
