"""Who may ask for what: without keys only this machine, with keys whoever has one of the right scope."""

import hmac
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ml_platform.api_keys import ApiKey, Scope


class Access:
    """Decides whether a request may go on.

    Args:
        keys: By the name of the client; without any, requests need none, and name this machine as their host.
    """

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        self._keys = [(_digest(one.key), one.scopes) for one in keys.values()]

    @property
    def needs_key(self) -> bool:
        """Whether requests need a key."""
        return bool(self._keys)

    def names_this_machine(self, request: HTTPConnection) -> bool:
        """Whether the Host of a request is one that it may name.

        A page of another site may point its own name at this machine (DNS rebinding). It has no key, so where keys are
        needed any Host will do.
        """
        return self.needs_key or _is_loopback(request.headers.get("host", ""))

    def require(self, request: HTTPConnection, scope: Scope, *, by_browser: bool = False) -> None:
        """Raise HTTPException unless the request has a key of that scope: 401 without a key, 403 without the scope.

        The time that it takes does not depend on how much of a key is right: digests are compared, all of them.
        by_browser: A browser is to ask for the key, as a password with any user name. What it sends then counts for
        reading only: it would send it with a form of another site, too.
        """
        if not self._keys:
            return
        scopes = self._scopes(request)
        if scopes is None:
            how = 'Basic realm="ml_platform", charset="UTF-8"' if by_browser else "Bearer"
            raise HTTPException(401, "The API key is missing or unknown", {"WWW-Authenticate": how})
        if scope not in scopes:
            raise HTTPException(403, f"The API key has no scope {scope!r}")

    def allows(self, request: HTTPConnection, scope: Scope) -> bool:
        """Whether `require` would let the request go on."""
        return not self._keys or scope in (self._scopes(request) or ())

    def _scopes(self, request: HTTPConnection) -> frozenset[Scope] | None:
        """The scopes of the request's key; None without one that is known."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        sent = key.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
        if not sent and kind.lower() == "basic" and request.scope["method"] in ("GET", "HEAD"):
            sent = _password(key)  # a proxy may hand on a password of its own beside the header
        given = _digest(sent)
        scopes = [scopes for digest, scopes in self._keys if hmac.compare_digest(digest, given)]
        return scopes[0] if scopes else None


def _password(credentials: str) -> str:
    """The password of a browser's credentials, whatever the user; empty for what is none.

    >>> _password("YW55Ym9keTphLWtleQ==")
    'a-key'
    """
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # of base64 or of UTF-8
        return ""


@lru_cache(maxsize=16)  # clients name one or two; to take one apart takes longer than all other checks
def _is_loopback(host: str) -> bool:
    """Whether a Host, with or without a port, is `localhost` or an address of the loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
