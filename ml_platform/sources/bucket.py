"""A bucket of S3 or of a store that speaks its protocol: listed, and copied from. It is never written to."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.errors import SourceUnavailable, first_line
from ml_platform.redaction import hide
from ml_platform.settings import Settings
from ml_platform.spec.sources import Objects

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

_AT_ONCE = 8 << 20  # bytes of an object in memory
_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_NO_RETRIES = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
_SAFE_ADDRESS = re.compile(r"https?://[^\s/@]+/?")
_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_STATUS = re.compile(r"status code: (\d{3}[^:\n]*)")


class Bucket:
    """The bucket of a declared source, with address and credentials from the environment.

    Failures that pass are tried again, a copy from where it broke off; whatever stays raises SourceUnavailable.
    """

    def __init__(self, declared: Objects, settings: Settings) -> None:
        self._declared = declared
        self._settings = settings

    def objects(self, folder: str, *, retries: bool) -> Iterator["ObjectMeta"]:
        """Every object below a folder, in no order. `retries`: whether failures are tried again."""
        with self._named_failures(self._declared.address):
            for some in self._store(_RETRIES if retries else _NO_RETRIES).list(folder or None):
                yield from some

    def pieces(self, key: str, tag: str | None, size: int) -> Iterator[bytes]:
        """The bytes of an object with that entity tag and size, in pieces.

        Raises SourceUnavailable if it changed since, FileNotFoundError if it went away.
        """
        from obstore.exceptions import PreconditionError

        path, came = self._declared.address + key, 0
        with self._named_failures(path):
            try:
                got = self._store(_RETRIES).get(key, options={"if_match": tag} if tag else None)
                for piece in got.stream(min_chunk_size=_AT_ONCE):
                    came += len(piece)
                    yield bytes(piece)
            except PreconditionError:
                raise SourceUnavailable(
                    path, "it was replaced since the bucket was listed", remedy="The next run looks again."
                ) from None
        if came != size:
            raise SourceUnavailable(
                path,
                "it did not come whole",
                position=f"{came:,} of {size:,} bytes",
                remedy="Nothing of it was taken in: the next run reads it again.",
            )

    def _store(self, retries: dict[str, Any]) -> "S3Store":
        try:
            from obstore.store import S3Store
        except ModuleNotFoundError:
            raise SourceUnavailable(
                self._declared.address, "obstore is not installed", remedy="Install ml_platform[objects]."
            ) from None
        address = self._variable("ENDPOINT_URL")
        if address and not _SAFE_ADDRESS.fullmatch(address):
            raise SourceUnavailable(
                self._declared.address,
                f"{self._declared.environment}_ENDPOINT_URL is no address",
                remedy="Write https://host or https://host:port, without a key in it.",
            )
        key, secret, token = (self._variable(f) for f in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"))
        hide(*filter(None, (secret, token)))
        if bool(key) is not bool(secret):
            missing = "SECRET_ACCESS_KEY" if key else "ACCESS_KEY_ID"
            raise SourceUnavailable(
                self._declared.address,
                f"the environment variable {self._declared.environment}_{missing} is not set",
                remedy="Set both the key's id and its secret, or neither for a bucket that anybody may read.",
            )
        options: dict[str, Any] = {"access_key_id": key, "secret_access_key": secret} if key else {}
        if token:
            options["session_token"] = token
        if address:
            options["endpoint"] = address.rstrip("/")
        return S3Store(
            self._declared.bucket,
            region=self._variable("REGION") or "us-east-1",
            skip_signature=not key,
            client_options={
                "allow_http": address.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "read_timeout": timedelta(seconds=60),
                "timeout": timedelta(seconds=self._settings.max_file_seconds),
            },
            retry_config=retries,  # type: ignore[arg-type]  # a mapping of its two settings
            **options,
        )

    def _variable(self, name: str) -> str:
        return os.environ.get(f"{self._declared.environment}_{name}", "")

    @contextmanager
    def _named_failures(self, path: str) -> Iterator[None]:
        """Failures of the store as SourceUnavailable, without what it answered beyond a code."""
        from obstore.exceptions import BaseError

        environment = self._declared.environment
        try:
            yield
        except BaseError as error:
            status = _STATUS.search(str(error))
            code = _CODE.search(str(error))
            answered = ", ".join(match[1].strip() for match in (status, code) if match)
            match status[1][:3] if status else "":
                case "401" | "403":
                    problem = f"the store refuses access ({answered})"
                    remedy = (
                        f"Check {environment}_ACCESS_KEY_ID, {environment}_SECRET_ACCESS_KEY and what they may read."
                    )
                case "404":
                    problem, remedy = f"it is not there ({answered})", "Check the name of the bucket."
                case _:
                    problem = f"the store does not answer as it should: {answered or first_line(error)}"
                    remedy = f"Nothing was lost: the next run tries again. {environment}_ENDPOINT_URL is its address."
            raise SourceUnavailable(path, problem, remedy=remedy) from None
