"""The versions of installed distributions, read once a process."""

from functools import cache
from importlib.metadata import version


@cache
def installed_version(distribution: str) -> str:
    """The installed version of a distribution. Raises PackageNotFoundError when there is none."""
    return version(distribution)
