"""Alerts from before they could be resolved are open."""

from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import ml_platform.state
from ml_platform.settings import Settings
from ml_platform.state import alerts
from ml_platform.state.database import State
from ml_platform.state.engine import path


def test_alerts_of_an_older_state_are_kept_and_open(settings: Settings) -> None:
    file = path(settings)
    file.parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(Path(ml_platform.state.__file__).with_name("migrations")))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        texts = ("alert_id", "kind", "severity", "asset", "partition", "about", "title", "text", "link", "evidence")
        values = ", ".join(f"'{name}'" for name in texts)
        connection.execute(
            sa.text(
                f"INSERT INTO alerts ({', '.join(texts)}, raised_at, run_id) "
                f"VALUES ({values}, '2026-01-02 03:04:05.000000', 'run')"
            )
        )
    engine.dispose()
    with closing(State(settings)) as state:
        (item,) = alerts.raised(state)
        assert item.is_open and item.title == "title" and item.raised_at.year == 2026
        assert alerts.open_alerts(state) == [item]
        alerts.resolve(state, {"alert_id": "seen"}, by="ada")
        assert alerts.open_alerts(state) == []
