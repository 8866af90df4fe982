"""The health check of the `.env` file: whether others may read the credentials in it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.health_finding import Finding

_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*\S", re.MULTILINE)
_PASSWORD = "PGPASSWORD"  # noqa: S105  # the name of the variable from which PostgreSQL's library reads one


def readable_credentials(settings: Settings, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """A `.env` of the working directory that others may read, if it sets variables that may hold a password.

    These are the secret settings, PGPASSWORD, and the variables that the sources of declared tables name.
    """
    file = Path(".env")
    try:
        readable, text = file.stat().st_mode & 0o077, file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # there is none, or it is not ours to read
        return
    secret = {f"ML_PLATFORM_{name.upper()}" for name, one in type(settings).model_fields.items() if _is_secret(one)}
    of_sources = {name for one in pipelines for table in one.tables for name in table.source.credentials}
    named = [name for name in _ASSIGNMENT.findall(text) if name.upper() in secret or name in {_PASSWORD, *of_sources}]
    if readable and named:
        yield Finding(
            ".env",
            "warn",
            f"{file.absolute()} holds {named[0]}, and others on this machine may read it",
            f"chmod 600 {quote(str(file.absolute()))}",
        )


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr
