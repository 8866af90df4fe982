"""A bucket of S3 or of a store that speaks its protocol: listed, and copied from. It is never written to."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.errors import SourceUnavailable, first_line
from ml_platform.escaping import printable
from ml_platform.redaction import hide
from ml_platform.settings import Settings
from ml_platform.spec.sources import Objects

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Credential, S3Store

_AT_ONCE = 8 << 20  # bytes of an object in memory
_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_NO_RETRIES = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
_GIVEN_UP = 3
_PATIENCE = timedelta(seconds=60)  # until an answer goes on
_LITTLE_PATIENCE = timedelta(seconds=10)  # a sensor that takes a minute is stopped by Dagster
_SAFE_ADDRESS = re.compile(r"https?://(\w[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?/?", re.ASCII)
_LAST_PORT = 65_535
_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_STATUS = re.compile(r"status code: (\d{3}[^:\n]*)")
_ODD_KEY = re.compile(r'invalid path: (?:Error parsing )?Path "(.*?)"(?: contained|: )', re.DOTALL)
_WRONG_REGION = "incorrectly configured region"
_REGION = "Set {0}_REGION to the region of the bucket."
_EXPIRED = "Get a new temporary key and its {0}_SESSION_TOKEN."
_REMEDIES = {  # by the store's code, where its status says too little
    "AuthorizationHeaderMalformed": _REGION,
    "ExpiredToken": _EXPIRED,
    "InvalidObjectState": "It lies in an archive of the store: restore it there.",
    "InvalidToken": _EXPIRED,
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": "Set the clock of this machine.",
    "TokenRefreshRequired": _EXPIRED,
}


class Bucket:
    """The bucket of a declared source, with address and credentials from the environment.

    Failures that pass are tried again, a copy from where it broke off; whatever stays raises SourceUnavailable. After
    three failures in a row of a store that does not answer, no object is asked for any more.
    """

    def __init__(self, declared: Objects, settings: Settings) -> None:
        self._declared = declared
        self._settings = settings
        self._silent = 0  # failures in a row of a store that does not answer

    def objects(self, folder: str, *, retries: bool) -> Iterator["ObjectMeta"]:
        """Every object below a folder, in no order. `retries`: whether failures are tried again."""
        with self._named_failures(self._declared.address):
            for some in self._store(_RETRIES if retries else _NO_RETRIES).list(folder or None):
                yield from some

    def pieces(self, key: str, tag: str | None, size: int) -> Iterator[bytes]:
        """The bytes of an object with that entity tag and size, in pieces.

        Raises SourceUnavailable, also if it changed since or went away.
        """
        from obstore.exceptions import PreconditionError

        path, came = self._declared.address + key, 0
        if self._silent >= _GIVEN_UP:  # a thousand objects would be a thousand times the retries
            raise SourceUnavailable(
                path,
                f"it was not asked for: the store did not answer {_GIVEN_UP} times in a row",
                remedy="Nothing was lost: the next run tries again.",
            )
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
            except FileNotFoundError:
                raise SourceUnavailable(
                    path,
                    "it is not there under this key",
                    remedy="The next run looks again, if it was removed. A key that begins or ends with a slash is not "
                    "read: give it another.",
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
        safe = _SAFE_ADDRESS.fullmatch(address)
        if address and not (safe and int(safe[2] or 0) <= _LAST_PORT):
            raise SourceUnavailable(
                self._declared.address,
                f"{self._declared.environment}_ENDPOINT_URL is no address",
                remedy="Write https://host or https://host:port, without a key in it.",
            )
        secret, token = self._variable("SECRET_ACCESS_KEY"), self._variable("SESSION_TOKEN")
        hide(*filter(None, (secret, token)))
        key, region = self._word("ACCESS_KEY_ID"), self._word("REGION") or "us-east-1"
        secret, token = self._word("SECRET_ACCESS_KEY"), self._word("SESSION_TOKEN")
        if bool(key) is not bool(secret):
            missing = "SECRET_ACCESS_KEY" if key else "ACCESS_KEY_ID"
            raise SourceUnavailable(
                self._declared.address,
                f"the environment variable {self._declared.environment}_{missing} is not set",
                remedy="Set both the key's id and its secret, or neither for a bucket that anybody may read.",
            )

        def credential() -> "S3Credential":
            return {"access_key_id": key, "secret_access_key": secret, "token": token or None, "expires_at": None}

        # All of it is given: what is not, obstore takes from the variables of AWS, which may be of another store.
        endpoint = address.rstrip("/") or f"https://s3.{region}.amazonaws.com"
        return S3Store(
            self._declared.bucket,
            region=region,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            virtual_hosted_style_request=False,
            skip_signature=not key,
            credential_provider=credential,
            client_options={
                "allow_http": address.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "read_timeout": _PATIENCE if retries is _RETRIES else _LITTLE_PATIENCE,
                "timeout": timedelta(seconds=self._settings.max_file_seconds),
            },
            retry_config=retries,  # type: ignore[arg-type]  # a mapping of its two settings
        )

    def _variable(self, name: str) -> str:
        return os.environ.get(f"{self._declared.environment}_{name}", "")

    def _word(self, name: str) -> str:
        """A variable that goes into a header of HTTP. The store's client panics at what does not fit there."""
        text = self._variable(name)
        if not re.fullmatch(r"[!-~]*", text):
            raise SourceUnavailable(
                self._declared.address,
                f"the environment variable {self._declared.environment}_{name} holds a space, a line break or another "
                "sign that is never in one",
                remedy="Set it anew, without what is around it.",
            )
        return text

    @contextmanager
    def _named_failures(self, path: str) -> Iterator[None]:
        """Failures of the store as SourceUnavailable, without what it answered beyond a code."""
        from obstore.exceptions import BaseError

        environment = self._declared.environment
        try:
            yield
        except BaseError as error:
            status, code, odd = (pattern.search(str(error)) for pattern in (_STATUS, _CODE, _ODD_KEY))
            answered = ", ".join(match[1].strip() for match in (status, code) if match)
            if odd:
                raise SourceUnavailable(
                    path,
                    f"it holds an object whose key cannot be read: {printable(odd[1])}",
                    remedy="Give it another, or move it out of the pattern's folder: keys with `//`, with `.` or `..` "
                    "for a folder, or with control characters are not read.",
                ) from None
            special = _REGION if _WRONG_REGION in str(error) else _REMEDIES.get(code[1] if code else "", "")
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
            self._silent = 0 if status and status[1].startswith("4") else self._silent + 1
            raise SourceUnavailable(path, problem, remedy=special.format(environment) or remedy) from None
        else:
            self._silent = 0
