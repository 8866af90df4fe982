"""The border behind which errors are printed or stored whole: commands, and what Dagster executes."""

from collections.abc import Iterator
from contextlib import contextmanager

from ml_platform.errors import PlatformError, causes, first_line
from ml_platform.redaction import holds_secret, without_secrets


@contextmanager
def secret_free_errors() -> Iterator[None]:
    """Raise PlatformError instead of an error whose message, notes or causes hold a secret; others pass unchanged.

    A secret is what `redaction` knows, and in messages and notes also what is written like a password.
    """
    try:
        yield
    except Exception as error:
        from traceback import format_exception

        # Source lines of a trace may read `password=password`, which is none.
        if not holds_secret("".join(format_exception(error))) and not any(map(_is_redacted, _messages(error))):
            raise
        if isinstance(error, PlatformError):  # its own words never hold a secret; what led to it does
            raise PlatformError(error.what, remedy=f"{error.remedy} {_LEFT_OUT}".strip()) from None
        raise PlatformError(f"{type(error).__name__}: {first_line(error)}.", remedy=_LEFT_OUT) from None


_LEFT_OUT = "Its details held a credential and are left out."


def _messages(error: BaseException) -> Iterator[str]:
    for one in causes(error):
        yield str(one)
        yield from getattr(one, "__notes__", ())


def _is_redacted(text: str) -> bool:
    return without_secrets(text) != text
