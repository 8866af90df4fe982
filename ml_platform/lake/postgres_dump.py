"""Dumps of a PostgreSQL catalog with the operational state beside it, by PostgreSQL's own programs."""

import os
import shutil
import subprocess
from pathlib import Path

from ml_platform.errors import BackupError
from ml_platform.redaction import SECRET_OPTIONS, without_secrets
from ml_platform.settings import Settings

# libpq's names of the parts of an address → the variables by which programs read them, unseen in the process list.
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "channel_binding": "PGCHANNELBINDING",
}


def dump(settings: Settings, target: Path) -> None:
    """Dump the whole database, catalog and state of one moment, to a file. Raises BackupError without pg_dump."""
    _run(settings, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def load(settings: Settings, dumped: Path) -> None:
    """Load a dump into a database without a lake, whole or not at all. Raises BackupError."""
    _run(
        settings, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(dumped)
    )


def _run(settings: Settings, program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise BackupError(
            f"{program} was not found, and the catalog is in PostgreSQL.",
            remedy="Install PostgreSQL's client programs, of the server's version or newer, and have them on PATH.",
        )
    secret = settings.catalog.get_secret_value()
    environment, others = _parts(secret)
    command = [path, f"--dbname={others}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        lines = without_secrets(done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        raise BackupError(
            f"{program} failed: {lines[0]}", remedy="Its version must be the server's or newer, and the user the owner."
        )


def _parts(secret: str) -> tuple[dict[str, str], str]:
    """The environment of a program that connects to the address, and what of it no variable holds."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = {name: str(value) for name, value in conninfo_to_dict(secret).items()}
    if secrets := [name for name in SECRET_OPTIONS if name in parts and name not in _VARIABLES]:
        raise BackupError(
            f"The catalog's address holds {secrets[0]}, which would stand in the process list.",
            remedy="Put the address into a service file of libpq, and name it: ML_PLATFORM_CATALOG='service=NAME'.",
        )
    variables = {_VARIABLES[name]: value for name, value in parts.items() if name in _VARIABLES}
    others = {name: value for name, value in parts.items() if name not in _VARIABLES}
    return {**os.environ, **variables}, make_conninfo(**{"dbname": parts.get("dbname", ""), **others})
