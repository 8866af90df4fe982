"""Forgetting with catalog and state in PostgreSQL: no row of either holds the value any more."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from ml_platform.erasure import entity_of, forget
from ml_platform.settings import Settings
from ml_platform_tests import scenario
from ml_platform_tests.erasure import churn_world
from ml_platform_tests.erasure.churn_world import MARK, WHO, declared, holding
from ml_platform_tests.postgres_server import new_database, postgres_server
from ml_platform_tests.world import World


def _texts(address: str) -> list[str]:
    """The tables of a database in which the value stands."""
    with psycopg.connect(address) as database:
        tables = database.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        asked = "SELECT count(*) FROM {} t WHERE t::text LIKE %s"
        return [
            name
            for (name,) in tables
            if database.execute(asked.format(name), [f"%{MARK}%"]).fetchone() != (0,)  # type: ignore[arg-type]
        ]


@pytest.mark.slow
def test_a_customer_is_forgotten_where_catalog_and_state_are_in_postgresql(tmp_path: Path) -> None:
    with postgres_server() as port:
        _forget_in(new_database(port, "erasure"), tmp_path)


def _forget_in(postgres: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", threads=1, lock_timeout=20, catalog=SecretStr(postgres))
    with closing(World(settings, [scenario.churn()], pictures=False)) as world:
        churn_world.land(world)
        world.run()
        keys = world.keys()
    (settings.data / "outside").rename(tmp_path / "outside")
    assert _texts(postgres) and holding(settings.data)
    entity = entity_of(scenario.churn().table("customers"), [f"customer={WHO}"])
    report = forget(settings, declared(), entity, actor="ann")
    assert report.done and any("VACUUM FULL" in line for line in report.unreached)
    assert _texts(postgres) == [] and holding(settings.data) == []
    with closing(World(settings, [scenario.churn()], pictures=False)) as world:
        assert world.keys() == keys and world.planned() == []
