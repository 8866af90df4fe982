"""Creates or migrates the tables of the operational state with Alembic."""

from pathlib import Path

from sqlalchemy import Connection, text


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest revision, inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    from ml_platform.state.engine import SCHEMA

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
