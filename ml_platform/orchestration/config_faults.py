"""Faults of `dagster.yaml`, as one line with the path and where in it. Dagster raises what its parser raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster_shared.check import CheckError

from ml_platform.errors import first_line
from ml_platform.orchestration.storage_faults import HomeBroken


@contextmanager
def config_faults_explained(home: Path) -> Iterator[None]:
    """Raise HomeBroken where the body opens a DAGSTER_HOME whose `dagster.yaml` Dagster cannot read."""
    file = home / "dagster.yaml"
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _broken(f"{file}{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:  # a character that no YAML has
        raise _broken(f"{file}: {first_line(error)}") from None
    except UnicodeDecodeError as error:
        raise _broken(f"{file}: it is not UTF-8 text (byte {error.start})") from None
    except dg.DagsterInvalidConfigError as error:
        message, _, _ = error.errors[0].message.partition(" Expected: ")  # which lists every key that there is
        raise _broken(f"{file}: {first_line(Exception(message))}") from None
    except CheckError as error:  # no mapping, or a class that cannot be imported
        raise _broken(f"{file}: {first_line(error).removeprefix('Failure condition: ')}") from None


def _broken(problem: str) -> HomeBroken:
    return HomeBroken(f"{problem}.", remedy="Correct the file; the project's .dagster/dagster.yaml is an example.")
