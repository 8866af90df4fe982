"""`Sql` on PostgreSQL: types, times with a zone as cursor, and a server that is gone."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dataframely as dy
import pytest
from sqlalchemy import Engine, create_engine

from ml_platform import Sql, Table
from ml_platform.sources.scan import pending
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.postgres_server import postgres_server

pytestmark = pytest.mark.slow  # it needs PostgreSQL's server programs


class Payments(dy.Schema):
    id = dy.Int64(primary_key=True)
    amount = dy.Float64(nullable=True)
    paid_at = dy.Datetime(time_zone="UTC")
    shop = dy.String()


def payments(query: str = "till.payments", cursor: str = "paid_at") -> Table:
    source = Sql(query, connection="PAYMENTS_DB", cursor=cursor, batch_rows=2)
    return Table("payments", source, contract=Payments, event_time="paid_at")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with postgres_server() as port:
        address = f"postgresql://ml:sesame@127.0.0.1:{port}/postgres"
        monkeypatch.setenv("PAYMENTS_DB", address)
        engine = create_engine(address)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SCHEMA till")
            connection.exec_driver_sql(
                "CREATE TABLE till.payments (id bigint, amount numeric(10, 2), paid_at timestamptz, items text[], "
                "shop uuid)"
            )
        yield engine
        engine.dispose()


def pay(database: Engine, *days: int) -> None:
    with database.begin() as connection:
        for day in days:
            connection.exec_driver_sql(
                "INSERT INTO till.payments VALUES (%(day)s, 1.25, make_timestamptz(2013, 1, %(day)s, 5, 0, 0.25, "
                "'America/New_York'), ARRAY['a', NULL], 'c56a4180-65aa-42ec-a945-5fd21dec0538')",
                {"day": day},
            )


def test_typed_rows_come_once_in_ranges_of_a_time(sandbox: IngestionSandbox, database: Engine) -> None:
    pay(database, 1, 2, 3)
    sandbox.check_nothing_lost(payments(), sandbox.run(payments()))
    columns = sandbox.lake.columns("raw", "payments")
    assert columns["amount"].startswith("DECIMAL") and columns["paid_at"] == "TIMESTAMP WITH TIME ZONE"
    assert (columns["items"], columns["shop"]) == ("VARCHAR[]", "VARCHAR")
    row = sandbox.validated(payments()).row(0, named=True)
    assert (row["amount"], row["shop"]) == (1.25, "c56a4180-65aa-42ec-a945-5fd21dec0538")
    assert row["paid_at"] == datetime(2013, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    assert pending(sandbox.state, payments()).nothing
    pay(database, 4)
    first, last = "2013-01-03T10:00:00.250000+00:00", "2013-01-04T10:00:00.250000+00:00"
    assert sandbox.ingest(payments()).ingested == [f'PAYMENTS_DB/till.payments/paid_at ["{first}", "{last}"]']


def test_a_query_with_colons_and_percent_signs_is_read_as_it_is(sandbox: IngestionSandbox, database: Engine) -> None:
    pay(database, 1, 2, 3)
    table = payments("SELECT *, '12:30'::text AS note FROM till.payments WHERE id % 2 = 1", "id")
    assert sandbox.ingest(table).ingested == ["PAYMENTS_DB/query/id [null, 3]"]
    assert sandbox.lake.rows("SELECT id, note FROM raw.payments ORDER BY id") == [(1, "12:30"), (3, "12:30")]


def test_a_server_that_refuses_and_a_query_that_writes_are_named_without_the_password(
    sandbox: IngestionSandbox, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = "WITH gone AS (DELETE FROM till.payments RETURNING *) SELECT * FROM gone"
    refusal = sandbox.ingest(payments(writing)).unavailable
    assert refusal is not None and "PAYMENTS_DB/query/paid_at: the database does not answer" in refusal.error
    monkeypatch.setenv("PAYMENTS_DB", "postgresql://ml:sesame@127.0.0.1:1/postgres")
    refusal = sandbox.ingest(payments()).unavailable
    assert refusal is not None and "does not answer: connection" in refusal.error and "sesame" not in refusal.error
