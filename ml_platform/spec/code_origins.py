"""Whose code a module is: the user's own, which is followed, or an installed library's, which has a version."""

import site
import sys
import sysconfig
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

STANDARD = ""  # the "library" of Python's own modules
_PLATFORM, _SHIPPED = "ml_platform", "ml_platform.pipelines"


@cache
def library_of(module: str, home: str) -> str | None:
    """The distribution that a module was installed with; "" for the standard library; None for the user's own code.

    home: the module of the declaration. Modules of the same top-level package are the user's own wherever they lie,
          so that a project has the same keys from its sources and from its wheel.

    >>> library_of("polars.expr", "shop.models"), library_of("json", "shop.models")
    ('polars', '')
    """
    top = module.partition(".")[0]
    if top == _PLATFORM:
        return None if f"{module}.".startswith(f"{_SHIPPED}.") else "ml-platform"
    if top in (home.partition(".")[0], "__main__"):
        return None
    file = getattr(sys.modules.get(module) or sys.modules.get(top), "__file__", None)
    if file is None:
        return STANDARD if top in sys.stdlib_module_names else None
    if any(Path(file).is_relative_to(folder) for folder in _installed()):
        return _distribution(top)
    return STANDARD if any(Path(file).is_relative_to(folder) for folder in _standard()) else None


@cache
def _installed() -> tuple[str, ...]:
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return tuple(dict.fromkeys([*paths, site.getusersitepackages()]))


@cache
def _standard() -> tuple[str, ...]:
    return tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


@cache
def _distribution(top: str) -> str | None:
    """The distribution of a top-level package; None: a file that no distribution put there."""
    try:
        version(top)
    except PackageNotFoundError:
        return next(iter(sorted(packages_distributions().get(top, []))), None)
    return top
