"""The context of a container image: the REST service of one version, pinned, without root and without secrets."""

import platform
from pathlib import Path

from ml_platform.serving.packaging.built import Built, write_files
from ml_platform.serving.packaging.packaged_version import PackagedVersion
from ml_platform.serving.packaging.pins import pins

_RUNTIME = ("ml_platform.serving.packaged.rest_service", "ml_platform.serving.redis_store")
_BESIDE = ("fastapi", "httptools", "prometheus-client", "pydantic", "pydantic-settings", "redis", "uvicorn", "uvloop")


def build(version: PackagedVersion, folder: Path) -> Built:
    """Write the folder `<pipeline>_image-<version>`."""
    name = f"{version.module.removesuffix('_model')}_image-{version.manifest.version}"
    return write_files(folder / name, context_files(version))


def context_files(version: PackagedVersion) -> dict[str, bytes]:
    """Path → bytes of the context; equal versions give equal ones in equal environments."""
    needed = pins([*version.manifest.libraries, *_BESIDE], "`pip install 'ml_platform[serving,redis]'`.")
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "Dockerfile": _DOCKERFILE.format(name=version.name, python=python).encode(),
        ".dockerignore": b"*\n!requirements.txt\n!app\n",
        "requirements.txt": "".join(f"{pin}\n" for pin in needed).encode(),
        "app/serve.py": _SERVE.format(name=version.name, module=version.module).encode(),
        **{f"app/{path}": data for path, data in version.files(*_RUNTIME).items()},
    }


_DOCKERFILE = """# The REST service of {name}. Build it with `docker build -t IMAGE .` in this folder.
ARG PYTHON_IMAGE=python:{python}-slim

FROM ${{PYTHON_IMAGE}} AS build
COPY requirements.txt /build/requirements.txt
RUN python -m venv /opt/venv
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps -r /build/requirements.txt
RUN /opt/venv/bin/python -m pip check
COPY app /srv/app
RUN /opt/venv/bin/python -m compileall -q /srv/app

FROM ${{PYTHON_IMAGE}}
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 model && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin model
RUN mkdir -p /var/lib/model/online && chown -R 10001:10001 /var/lib/model
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/app /srv/app
ENV ML_PLATFORM_DATA=/var/lib/model PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/app
USER 10001:10001
VOLUME /var/lib/model/online
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/opt/venv/bin/python", "-c", \\
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["/opt/venv/bin/python", "/srv/app/serve.py"]
CMD ["--host", "0.0.0.0", "--port", "8000"]
"""
_SERVE = '''"""The REST service of {name}."""

import os
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # one row at a time; threads would only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import {module}  # noqa: E402  # the numbers of threads are read as the libraries are loaded
from {module}._platform.serving.packaged.rest_service import main  # noqa: E402

main(Path({module}.__file__).parent)
'''
