"""Opens the Dagster instance of DAGSTER_HOME for the command line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import DatabaseError

from ml_platform.orchestration.config_faults import config_faults_explained
from ml_platform.orchestration.home_faults import home_faults_explained
from ml_platform.orchestration.opening_lock import opening_turn
from ml_platform.orchestration.storage_faults import broken_files


@contextmanager
def opened_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, opened when no other process opens it.

    Raises HomeBroken for a home with a damaged file, several revisions or missing tables, or with a `dagster.yaml` that
    Dagster refuses, and DagsterHomeFault for one that is full or cannot be written, also when the body meets it.
    """
    with faults_explained():
        home = Path(os.environ["DAGSTER_HOME"])
        with opening_turn(home):
            for fault in broken_files(home):
                raise fault
            with config_faults_explained(home):
                instance = dg.DagsterInstance.get()
        with instance:
            yield instance


@contextmanager
def faults_explained() -> Iterator[None]:
    """Raise what the body meets in DAGSTER_HOME as `opened_instance` does."""
    with home_faults_explained():
        try:
            yield
        except DatabaseError as error:  # Dagster's storages raise it for whatever SQLite says
            for fault in broken_files(Path(os.environ["DAGSTER_HOME"]), deep=True):
                raise fault from error
            raise
