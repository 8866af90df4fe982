"""A PostgreSQL server of our own, on a free port of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ml_platform.lake.extensions import load_extensions


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

    def restart(self) -> None:
        """End every session, and start again."""
        self.stop(signal.SIGINT)
        self.start()

    def wait_until_ready(self) -> None:
        """Wait until it takes sessions: after one was killed it recovers."""
        asked = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 60
        while subprocess.run(asked, check=False).returncode != 0:
            assert time.monotonic() < deadline, "the server does not recover"
            time.sleep(0.05)

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to every process that serves a client."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with suppress(FileNotFoundError, ProcessLookupError):  # its client left just now
                if "127.0.0.1(" in Path(f"/proc/{child}/cmdline").read_text():
                    os.kill(int(child), number)


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


def new_database(port: int, name: str) -> str:
    """Make a database on the server; its address, with a password."""
    address = f"host=127.0.0.1 port={port} user=ml password=sesame"
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as plain:
        load_extensions(plain, ["postgres_scanner"])
        plain.execute(f"ATTACH '{address} dbname=postgres' AS pg (TYPE postgres)")
        plain.execute(f"CALL postgres_execute('pg', 'CREATE DATABASE {name}', use_transaction => false)")
    return f"{address} dbname={name}"
