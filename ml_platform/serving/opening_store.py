"""Which online store the settings name."""

from ml_platform.errors import ServingError
from ml_platform.serving.online_store import OnlineStore
from ml_platform.settings import Settings


def existing_store(settings: Settings) -> OnlineStore | None:
    """The online store for reading what is on record; None where none was made, or by other code."""
    if not settings.online_store.get_secret_value():
        from ml_platform.serving.sqlite_store import is_current

        if not is_current(settings.online / "store.sqlite"):
            return None
    return open_store(settings)


def open_store(settings: Settings) -> OnlineStore:
    """The online store: a Redis database where the settings name one, else a SQLite file below `online`.

    Raises ServingError where it cannot be opened, or the client of Redis is not installed.
    """
    address = settings.online_store.get_secret_value()
    if not address:
        from ml_platform.serving.sqlite_store import SQLiteStore

        return SQLiteStore(settings.online / "store.sqlite")
    try:
        from ml_platform.serving.redis_store import RedisStore
    except ModuleNotFoundError:
        raise ServingError(
            "The online store is in Redis, and its client is not installed.",
            remedy="`pip install 'ml_platform[redis]'`.",
        ) from None
    return RedisStore(address)
