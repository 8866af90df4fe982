"""A PostgreSQL server of our own, on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _programs() -> Path:
    initdb = shutil.which("initdb")
    folders = [Path(initdb).resolve().parent] if initdb else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.fail("PostgreSQL's initdb and postgres were not found: install its server (apt-get install postgresql).")


@contextmanager
def postgres_server() -> Iterator[int]:
    """The port of a running server, whose user is `ml`. It refuses to run as root, so root gives it to another user."""
    programs = _programs()
    user = "nobody" if os.geteuid() == 0 else None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ml_platform_pg_"))  # pytest's own folders are closed to other users
    try:
        if user:
            shutil.chown(folder, user)
        subprocess.run(
            [programs / "initdb", "-D", folder / "db", "-U", "ml", "--auth=trust", "-E", "UTF8", "--no-sync"],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        process = subprocess.Popen(
            [programs / "postgres", "-D", folder / "db", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
            user=user,
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "ready to accept connections" in line:
                    break
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield port
        finally:
            process.terminate()
            process.wait(30)
            process.stderr.close()
    finally:
        shutil.rmtree(folder)
