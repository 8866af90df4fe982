"""A folder that serverless runtimes take: a handler, the package that it calls, and what to install beside."""

from importlib.metadata import version as installed_version
from pathlib import Path

from ml_platform.serving.packaging.built import Built, write_files
from ml_platform.serving.packaging.packaged_version import PackagedVersion

_RUNTIME = "ml_platform.serving.packaged.function"
_BESIDE = ("pydantic",)  # it checks requests


def build(version: PackagedVersion, folder: Path) -> Built:
    """Write the folder `<pipeline>_function-<version>`."""
    name = f"{version.module.removesuffix('_model')}_function-{version.manifest.version}"
    return write_files(folder / name, function_files(version))


def function_files(version: PackagedVersion) -> dict[str, bytes]:
    """Path → bytes of the function; equal versions give equal ones."""
    pins = {**version.manifest.libraries, **{name: installed_version(name) for name in _BESIDE}}
    return {
        "handler.py": _HANDLER.format(name=version.name, module=version.module).encode(),
        "requirements.txt": "".join(f"{name}=={number}\n" for name, number in sorted(pins.items())).encode(),
        **version.files(_RUNTIME),
    }


_HANDLER = '''"""`handler(event, context)` answers for the model {name}: one event in, one answer out."""

import os
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # one event at a time; threads would only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import {module}  # noqa: E402  # the numbers of threads are read as the libraries are loaded
from {module}._platform.serving.packaged.function import Function  # noqa: E402

handler = Function(Path({module}.__file__).parent)
'''
