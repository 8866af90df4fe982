"""Rows of a database into raw: what is beyond the cursor, once, in ranges."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import DeclarationError, IngestionError
from ml_platform.lake.storable import storable
from ml_platform.runtime.run_state import source_marks
from ml_platform.sources.landing import land
from ml_platform.sources.raw import ingest
from ml_platform.sources.scan import pending
from ml_platform.sources.withdrawing import withdraw
from ml_platform.spec.sources import Sql
from ml_platform.state.files import standing, versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers
from ml_platform_tests.sources.shop import CONNECTION, Shop, orders

ROWS = "SELECT id, item, price FROM raw.orders ORDER BY id"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path / "shop.db")
    monkeypatch.setenv(CONNECTION, shop.url)
    return shop


def unavailable(sandbox: IngestionSandbox, **changes: object) -> str:
    table = orders(**changes)
    look, report = pending(sandbox.state, table), sandbox.ingest(table)
    assert look.nothing and report.ingested == [] and look.refused == report.refused == []
    assert look.unavailable is not None and look.unavailable == report.unavailable
    assert look.problems == [f"The source of orders cannot be read now. {look.unavailable.error}"]
    return look.unavailable.error


def test_rows_come_in_ranges_of_the_cursor_with_their_types(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(5, 3, 1, 4, 2)
    report = sandbox.ingest(orders())
    assert report.ingested == [
        "ORDERS_DB/orders/id [null, 2]",
        "ORDERS_DB/orders/id [2, 4]",
        "ORDERS_DB/orders/id [4, 5]",
    ]
    assert sandbox.lake.rows(ROWS) == [(i, f"item {i}", i + 0.5) for i in range(1, 6)]
    columns = sandbox.lake.columns("raw", "orders")
    assert (columns["id"], columns["item"], columns["price"]) == ("BIGINT", "VARCHAR", "DOUBLE")
    files = {version.path: version.file_id for version in versions(sandbox.state, "orders")}
    stored = sandbox.lake.rows("SELECT _row, id FROM raw.orders WHERE _file = ?", [files[report.ingested[1]]])
    assert stored == [(0, 3), (1, 4)]


def test_only_rows_beyond_the_cursor_are_read_and_a_rerun_does_nothing(sandbox: IngestionSandbox, shop: Shop) -> None:
    table = orders()
    assert sandbox.ingest(table).ingested == []  # an empty table is none yet
    shop.order(*range(1, 13))
    sandbox.run(table)
    assert pending(sandbox.state, table).nothing and sandbox.ingest(table).ingested == []
    shop.order(13)
    assert pending(sandbox.state, table).new == ["ORDERS_DB/orders/id [12, 13]"]
    [report] = sandbox.run(table)
    assert report.result.rows == 13
    assert sandbox.lake.value("SELECT count(*) FROM raw.orders") == 13
    sandbox.check_nothing_lost(table, [report])


def test_a_cursor_may_be_a_text_and_rows_that_share_it_stay_together(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.run("ALTER TABLE orders ADD COLUMN updated_at TEXT")
    days = ["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-02", "2024-01-10", "2024-01-09"]
    shop.run("INSERT INTO orders VALUES (?, 'x', 1, ?)", *enumerate(days))
    table = orders(cursor="updated_at")
    assert [version.rsplit(" [")[1] for version in sandbox.ingest(table).ingested] == [
        'null, "2024-01-02"]',
        '"2024-01-02", "2024-01-10"]',
    ]
    assert sandbox.lake.value("SELECT count(DISTINCT id) FROM raw.orders") == 6
    shop.run("INSERT INTO orders VALUES (?, 'x', 1, ?)", (9, "2024-01-11"))
    assert sandbox.ingest(table).ingested == ['ORDERS_DB/orders/updated_at ["2024-01-10", "2024-01-11"]']


def test_a_query_is_read_like_a_table_and_another_one_reads_the_ranges_anew(
    sandbox: IngestionSandbox, shop: Shop
) -> None:
    shop.order(1, 2, 3)
    first = orders("SELECT id, item || ' at 12:30' AS item, price FROM orders WHERE id % 100 <> 3")
    sandbox.run(first)
    assert sandbox.lake.rows("SELECT item FROM raw.orders ORDER BY id") == [("item 1 at 12:30",), ("item 2 at 12:30",)]
    second = orders("SELECT id, upper(item) AS item, price FROM orders WHERE id % 100 <> 3")
    report = sandbox.ingest(second)
    assert report.replaced == report.ingested == ["ORDERS_DB/query/id [null, 2]"]
    [report_] = sandbox.run(second)
    assert report_.result.rows == 2 and report_.result.versions == 4  # a correction keeps what it corrects
    assert len(standing(sandbox.state, "orders")) == 1


def test_a_new_column_grows_the_raw_table(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1)
    sandbox.run(orders())
    shop.run("ALTER TABLE orders ADD COLUMN note TEXT")
    assert sandbox.ingest(orders()).ingested == []  # what was read stays as it was read
    shop.run("INSERT INTO orders VALUES (2, 'b', 1, 'hello')")
    sandbox.run(orders())
    assert sandbox.lake.rows("SELECT id, note FROM raw.orders ORDER BY id") == [(1, None), (2, "hello")]


def test_a_refused_range_is_read_again_once_the_columns_are_there(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1)
    shop.run("ALTER TABLE orders RENAME COLUMN price TO cost")
    report = sandbox.ingest(orders())
    assert "contracted columns are missing: price" in report.refused[0].error
    assert pending(sandbox.state, orders()).nothing
    shop.run("ALTER TABLE orders RENAME COLUMN cost TO price")
    assert pending(sandbox.state, orders()).changed == ["ORDERS_DB/orders/id [null, 1]"]
    [validated] = sandbox.run(orders())
    assert validated.result.rows == 1 and pending(sandbox.state, orders()).refused == []


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        ("ALTER TABLE orders RENAME COLUMN id TO number", "there is no column id, its cursor. It has number, item"),
        ("INSERT INTO orders VALUES (NULL, 'x', 1)", "the cursor id is null in some rows"),
        ("INSERT INTO orders VALUES ('x', 'x', 1)", "the cursor id is not ordered: it holds int and str"),
        ("INSERT INTO orders VALUES (x'00', 'x', 1)", "the cursor id holds bytes, which has no order"),
        ("DROP TABLE orders", "the database does not answer: no such table: orders"),
    ],
)
def test_a_cursor_that_orders_nothing_is_refused(
    sandbox: IngestionSandbox, shop: Shop, prepare: str, sentence: str
) -> None:
    shop.order(1)
    shop.run(prepare)
    assert f"ORDERS_DB/orders/id: {sentence}" in unavailable(sandbox)


def test_a_cursor_that_went_back_is_refused(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1, 2, 3)
    sandbox.ingest(orders())
    shop.run("DELETE FROM orders WHERE id > 1")
    assert "the cursor id went back: its greatest value is 1, and rows up to 3 were read" in unavailable(sandbox)


def test_more_rows_of_one_cursor_than_memory_should_hold_are_refused_and_nothing_beyond_is_read(
    sandbox: IngestionSandbox, shop: Shop
) -> None:
    shop.order(1, 2, 3, 3, 3, 3, 3, 4, 5)
    report = sandbox.ingest(orders())
    assert report.ingested == ["ORDERS_DB/orders/id [null, 2]"]
    assert "more than 4 rows share one id, 3" in report.waiting[0].error
    assert len(sandbox.ingest(orders(batch_rows=5)).ingested) == 2
    assert sandbox.lake.value("SELECT count(*) FROM raw.orders") == 9


@pytest.mark.parametrize("address", ["", "sqlite:///not/there.db", "mysql://me:pa55@host/x", "pa55", "pa55://x:y:z"])
def test_a_database_that_does_not_answer_is_named_without_its_address_and_other_tables_go_on(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(CONNECTION, address)
    error = unavailable(sandbox)
    assert error.startswith("ORDERS_DB/orders/id: ") and "ORDERS_DB " in error and "pa55@" not in error
    sandbox.put("customers/a.csv", "id,name\n1,Ada\n")
    assert sandbox.ingest(customers()).ingested == ["customers/a.csv"]


def test_rows_that_were_committed_before_a_kill_and_not_recorded_come_once(
    sandbox: IngestionSandbox, shop: Shop
) -> None:
    shop.order(1, 2, 3)
    killed = subprocess.run([sys.executable, "-m", "ml_platform_tests.sources.programs"], capture_output=True)
    assert killed.returncode == 9, killed.stderr
    assert sandbox.lake.value("SELECT count(*) FROM raw.orders") == 3 and versions(sandbox.state, "orders") == []
    shop.order(4)
    [report] = sandbox.run(orders())
    assert report.result.rows == 4 and sandbox.lake.value("SELECT count(*) FROM raw.orders") == 4


def test_each_path_is_announced_before_it_is_read(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1, 2, 3)
    announced: list[str] = []
    ingest(sandbox.stores, orders(), "run", on_file=announced.append)
    assert announced == ["ORDERS_DB/orders/id [null, 2]", "ORDERS_DB/orders/id [2, 3]"]


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"query": "DELETE FROM orders"}, "it is not one SELECT"),
        ({"query": "SELECT 1; DROP TABLE orders"}, "it is not one SELECT"),
        ({"query": 'orders"'}, "it is neither a table nor a SELECT"),
        ({"connection": "sqlite:///secret.db"}, "connection= is no name of an environment variable"),
        ({"cursor": ""}, "cursor='' names no column"),
        ({"batch_rows": 0}, "batch_rows=0 must be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_read_is_refused_as_it_is_declared(declared: dict[str, object], sentence: str) -> None:
    fields = {"query": "orders", "connection": CONNECTION, "cursor": "id", **declared}
    with pytest.raises(DeclarationError) as refused:
        Sql(**fields)  # type: ignore[arg-type]
    assert sentence in str(refused.value) and "secret" not in str(refused.value)


def test_a_sensor_sees_new_rows_without_reading_them(
    sandbox: IngestionSandbox, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, seen = sandbox.stores.settings, []
    for number in (1, 2):
        seen.append(source_marks(settings, [orders()]))
        shop.order(number)
    seen.append(source_marks(settings, [orders()]))
    assert seen[0] == [] and seen[1] != seen[2] and seen[2] == source_marks(settings, [orders()])
    monkeypatch.delenv(CONNECTION)
    assert source_marks(settings, [orders()]) == []


def test_files_are_not_landed_for_a_table_of_a_database(sandbox: IngestionSandbox, shop: Shop) -> None:
    with pytest.raises(IngestionError, match="The rows of orders do not come from files"):
        land(sandbox.stores.settings, orders(), [shop.file])


def test_rows_that_did_not_change_keep_their_arrival_when_they_are_read_anew(
    sandbox: IngestionSandbox, shop: Shop
) -> None:
    shop.order(1, 2)
    sandbox.ingest(orders("SELECT * FROM orders"))
    sandbox.ingest(orders("SELECT * FROM orders WHERE id > 0"))
    first, second = versions(sandbox.state, "orders")
    assert (first.path, first.sha256, first.arrival) == (second.path, second.sha256, second.arrival)


def test_a_text_cursor_that_ignores_case_does_not_count_as_gone_back(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.run("DROP TABLE orders")
    shop.run("CREATE TABLE orders (id TEXT COLLATE NOCASE, item TEXT, price REAL)")
    table = orders()
    shop.run("INSERT INTO orders VALUES (?, 'x', 1)", *[("a",), ("D",)])
    sandbox.ingest(table)
    shop.run("INSERT INTO orders VALUES (?, 'x', 1)", ("e",))
    sandbox.ingest(table)
    assert [name for (name,) in sandbox.lake.rows("SELECT id FROM raw.orders ORDER BY lower(id)")] == ["a", "D", "e"]


def test_a_query_may_end_in_a_comment(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1, 2)
    sandbox.ingest(orders("SELECT * FROM orders -- all of them"))
    assert sandbox.lake.value("SELECT count(*) FROM raw.orders") == 2


def test_structures_without_fields_are_stored_as_json() -> None:
    frame = pl.DataFrame({"a": [{}, None], "b": [[{}], []], "c": [{"d": 1}, None]})
    stored = storable(frame)
    assert stored["a"].to_list() == ["{}", None] and stored["b"].to_list() == ["[{}]", "[]"]
    assert stored.schema["c"] == frame.schema["c"]


def test_a_withdrawn_range_stays_out_and_is_not_to_be_landed(sandbox: IngestionSandbox, shop: Shop) -> None:
    shop.order(1, 2)
    table = orders()
    [path] = sandbox.ingest(table).ingested
    withdraw(sandbox.state, sandbox.stores.settings, "orders", path, why="a test order", actor="eva")
    look = pending(sandbox.state, table)
    assert look.nothing and look.remarks == [
        f"{path} is withdrawn and not read. It stays out: what a database has cannot be landed."
    ]
    shop.order(3)
    sandbox.run(table)
    assert sandbox.lake.rows("SELECT id FROM validated.orders WHERE _superseded_at IS NULL") == [(3,)]
