"""Where the service listens: this machine only, unless requests need keys."""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from ml_platform.errors import ServingError, first_line


@dataclass(frozen=True)
class Certificate:
    """A TLS certificate with its chain, and its private key, as PEM files.

    Raises ServingError for files that cannot be read or do not belong together.
    """

    chain: Path
    key: Path

    def __post_init__(self) -> None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                self.chain, self.key, password=_refuse_encrypted_key
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ServingError(
                f"The certificate {self.chain} with the key {self.key} cannot be used: {first_line(error)}.",
                remedy="Name a PEM file with the certificate and its chain, and one with its unencrypted private key.",
            ) from None


class Listener:
    """A bound socket, and the address of the service on it.

    Args:
        host: An IP address of this machine, or `localhost`; `0.0.0.0` and `::` are all of them.
        port: 0 takes a free one.
        certificate: For https; None: http.
        has_keys: Whether requests need a key: without one, nobody else's machine may ask.

    Raises:
        ServingError: When the port is taken, and for an address beyond this machine without keys.
    """

    def __init__(self, host: str, port: int, certificate: Certificate | None, *, has_keys: bool) -> None:
        address = _address(host)
        if not address.is_loopback and not has_keys:
            raise ServingError(
                f"Without API keys the service would be open to every machine that reaches {host}.",
                remedy="Set ML_PLATFORM_API_KEYS, or listen on 127.0.0.1 behind a proxy that asks who it is.",
            )
        self.certificate, self._address = certificate, address
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((str(address), port))
        except OSError as error:
            self.socket.close()
            raise ServingError(
                f"Port {port} of {host} cannot be used: {error.strerror}.", remedy="--port 0 takes a free one."
            ) from None

    @property
    def url(self) -> str:
        """The address of the service."""
        host = f"[{self._address}]" if self._address.version == 6 else str(self._address)
        return f"{'https' if self.certificate else 'http'}://{host}:{self.socket.getsockname()[1]}"

    @property
    def sends_plaintext(self) -> bool:
        """Whether keys and rows leave this machine unencrypted."""
        return self.certificate is None and not self._address.is_loopback

    def close(self) -> None:
        """Give the port back."""
        self.socket.close()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ServingError(
            f"{host} is no IP address.", remedy="Name one of this machine; 0.0.0.0 means all of them."
        ) from None


def _refuse_encrypted_key() -> str:
    """The password of an encrypted key: nobody sits at a service to type it."""
    raise ValueError("the private key is encrypted")
