"""A PostgreSQL server of our own, on a free port of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass
class Server:
    """A server that may be restarted; its user is `ml`."""

    programs: Path
    folder: Path
    port: int
    user: str | None
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        where = ["-D", self.folder / "db", "-p", str(self.port), "-h", "127.0.0.1", "-k", self.folder]
        self.process = subprocess.Popen(
            [self.programs / "postgres", *where, "-F"],
            user=self.user,
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "ready to accept connections" in line:
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it: SIGTERM waits for connections to end, SIGINT ends them, SIGQUIT is a crash."""
        assert self.process is not None and self.process.stderr is not None
        self.process.send_signal(how)
        self.process.wait(30)
        self.process.stderr.close()


@contextmanager
def running_server(password: str = "") -> Iterator[Server]:
    """A running server. With a password, each connection needs it. It refuses root, who gives it to another user."""
    programs = _programs()
    user = "nobody" if os.geteuid() == 0 else None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ml_platform_pg_"))  # pytest's own folders are closed to other users
    try:
        (folder / "password").write_text(password or "none")
        if user:
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)
        access = ["--auth=scram-sha-256" if password else "--auth=trust", f"--pwfile={folder / 'password'}"]
        subprocess.run(
            [programs / "initdb", "-D", folder / "db", "-U", "ml", "-E", "UTF8", "--no-sync", *access],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        server = Server(programs, folder, port, user)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGINT)  # whoever is still connected
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server() -> Iterator[int]:
    """The port of a running server that asks for no password."""
    with running_server() as server:
        yield server.port
