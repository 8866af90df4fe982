"""Catalog and operational state of one lake, of which one is missing: what is said of it, and when.

`lake.lost_catalog` refuses by the files that are there; here each refuses by what the other one knows.
"""

from sqlalchemy import func, select

from ml_platform.errors import StateError
from ml_platform.lake.lost_catalog import missing_catalog, refuse_unfinished_restore
from ml_platform.naming import counted
from ml_platform.settings import Settings
from ml_platform.state import database, schema
from ml_platform.state.engine import engine_of


def refuse_lost_catalog(settings: Settings) -> None:
    """Raise LakeError when the catalog is missing and the state has records about it, or while a restore goes on.

    Raises StateError when the state cannot be read.
    """
    refuse_unfinished_restore(settings)
    if database.lake_exists(settings) or not database.exists(settings):
        return
    recorded = _records(settings)
    if recorded and not database.lake_exists(settings):  # another process may have made it meanwhile
        raise missing_catalog(settings, f"the operational state has {counted(recorded, 'record')} about it")


def _records(settings: Settings) -> int:
    engine = engine_of(settings, read_only=True)  # of whatever revision it is
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(schema.records)).scalar_one())
    except StateError as error:
        raise error from None  # the cause may hold the address of the database
    finally:
        engine.dispose()
