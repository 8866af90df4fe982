"""What can go wrong with a tracking server. None of it harms a run."""

from ml_platform.errors import PlatformError


class TrackingError(PlatformError):
    """Runs cannot be exported to the tracking server."""


class ServerUnavailable(TrackingError):
    """The server does not answer, not in time, or with an error of its own; what is missing is sent later."""


class ExportRefused(TrackingError):
    """The server refused what it was sent about one run; `code` is MLflow's, such as INVALID_PARAMETER_VALUE."""

    def __init__(self, what: str, code: str) -> None:
        self.code = code
        super().__init__(what, remedy="The log of the server says more; other runs are exported.")
