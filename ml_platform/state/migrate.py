"""Creates or migrates the tables of the operational state with Alembic."""

from pathlib import Path

from sqlalchemy import Connection, text


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest revision, inside the connection's transaction.

    Raises StateError for a database whose revision no migration of this version starts from.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    from ml_platform.errors import StateError, first_line
    from ml_platform.state.engine import SCHEMA

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StateError(
            f"The operational state cannot be migrated: {first_line(error)}.",
            remedy="Use the version of ml_platform that created it.",
        ) from error
