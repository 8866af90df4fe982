"""What is said of a resource of dlt that fails."""

from ml_platform.errors import SourceUnavailable, causes, first_line
from ml_platform.escaping import printable

_AGAIN = "Nothing was lost: the next run goes on where the last one ended."


def unavailable(path: str, fault: BaseException) -> SourceUnavailable:
    """The error for what was raised while a resource was read: its first cause in words, and what to do.

    Args:
        path: What messages call the version.
        fault: What dlt or the user's function raised.
    """
    problem, remedy = _problem(list(causes(fault)))
    return SourceUnavailable(path, printable(problem), remedy=remedy)


def _problem(chain: list[BaseException]) -> tuple[str, str]:
    from dlt.common.configuration.exceptions import ConfigFieldMissingException
    from dlt.extract.incremental.exceptions import IncrementalCursorPathMissing
    from requests import exceptions

    for fault in chain:
        if isinstance(fault, ConfigFieldMissingException):
            variables = [str(getattr(trace, "key", trace)) for traces in fault.traces.values() for trace in traces[:1]]
            return (
                f"dlt finds no value for {', '.join(fault.fields)}",
                f"Set the environment variable {', '.join(variables)}. No file is read.",
            )
        if isinstance(fault, IncrementalCursorPathMissing):
            return f"the cursor is missing in a row: {first_line(fault)}", "Declare the cursor that every row has."
        if isinstance(fault, exceptions.HTTPError) and fault.response is not None:
            status = fault.response.status_code
            said = f"the API answers {status} {fault.response.reason or ''}".strip()
            if status in (401, 403):
                return f"{said}: it refuses access", "Check the credentials in the environment."
            return said, _AGAIN
        if isinstance(fault, exceptions.Timeout):
            return "the API does not answer in time", _AGAIN
        if isinstance(fault, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
            return f"an answer broke off in the middle: {first_line(fault)}", _AGAIN
        if isinstance(fault, exceptions.JSONDecodeError):
            return f"an answer is no whole JSON: {first_line(fault)}", _AGAIN
        if isinstance(fault, exceptions.ConnectionError):
            return f"the API cannot be reached: {first_line(fault)}", _AGAIN
    last = chain[-1]
    return f"{type(last).__name__}: {first_line(last)}", _AGAIN
