"""Where the tracking server is, from the variables that MLflow itself reads."""

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml_platform.redaction import hide, passwords
from ml_platform.tracking.errors import TrackingError

_UNUSABLE = "it is no address of an MLflow server: write http://host:port or https://host"


class TrackingAddress(BaseSettings):
    """The variables `MLFLOW_TRACKING_…`, of the environment or of `.env`. All but TLS may hold secrets.

    insecure_tls: whether certificates are not checked. server_cert_path: a file of certificates to check by.
    """

    model_config = SettingsConfigDict(
        env_prefix="MLFLOW_TRACKING_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    uri: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    username: SecretStr = SecretStr("")
    password: SecretStr = SecretStr("")
    insecure_tls: bool = False
    server_cert_path: Path | None = None

    @property
    def url(self) -> str:
        """The address without user, password, query and fragment, which may be shown and stored."""
        parts = urlsplit(self.uri.get_secret_value())
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password: of the variables, else of the address; None without them."""
        user, password = self.username.get_secret_value(), self.password.get_secret_value()
        if user or password:
            return user, password
        userinfo, at, _ = urlsplit(self.uri.get_secret_value()).netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        return (unquote(user), unquote(password)) if at else None


def tracking_address() -> TrackingAddress | None:
    """The server that runs are exported to; None where `MLFLOW_TRACKING_URI` is not set.

    Every credential is hidden from later texts of the process. Raises TrackingError for an address that cannot be one.
    """
    try:
        address = TrackingAddress()
    except ValidationError as error:
        name = f"MLFLOW_TRACKING_{str(error.errors(include_input=False)[0]['loc'][0]).upper()}"
        raise TrackingError(f"{name} has no value that it can have.", remedy="Change or unset the variable.") from None
    uri = address.uri.get_secret_value()
    if not uri:
        return None
    secrets = (address.token, address.password, address.username)
    hide(*(one.get_secret_value() for one in secrets), *passwords(uri))
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        userinfo = parts.netloc.rpartition("@")[0]
    except ValueError:  # a port that is none, for one
        usable, userinfo = False, ""
    hide(userinfo)
    if not usable:
        raise TrackingError(f"MLFLOW_TRACKING_URI cannot be used: {_UNUSABLE}.", remedy="Change or unset the variable.")
    if address.basic is not None:
        hide(*address.basic, ":".join(address.basic))  # the last is sent, encoded
    return address
