"""`Dlt`: the rows of a resource of dlt come once, from a real HTTP server, whatever happens on the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform import Dlt, Table
from ml_platform.errors import DeclarationError
from ml_platform.runtime.run_state import source_marks
from ml_platform.sources.scan import pending
from ml_platform.spec.canonical import canonical
from ml_platform.state.files import standing, versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.paged_api import TOKEN, PagedApi, paged_api

dlt = pytest.importorskip("dlt", reason="The extra dlt is not installed.")

# dlt leaves the sessions of its clients to the garbage collector (dlt 1.31, December 2026).
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

ROWS = "SELECT id, price FROM raw.orders ORDER BY id, price"


class Order(dy.Schema):
    id = dy.Int64(primary_key=True)
    price = dy.Float64(nullable=True)


def shop() -> Any:
    """The shop's orders by dlt's REST API source, as far as `updated_at` has grown."""
    from dlt.sources.rest_api import rest_api_source

    return rest_api_source(
        {
            "client": {
                "base_url": os.environ["SHOP_ADDRESS"],
                "auth": {"type": "bearer", "token": dlt.secrets["shop_token"]},
                "paginator": {"type": "page_number", "base_page": 1, "total_path": "pages"},
            },
            "resources": [
                {
                    "name": "orders",
                    "primary_key": "id",
                    "endpoint": {
                        "path": "orders",
                        "params": {"since": "{incremental.start_value}"},
                        "data_selector": "rows",
                        "incremental": {"cursor_path": "updated_at", "initial_value": "2024-01-01"},
                    },
                }
            ],
        }
    )


@dlt.resource
def prices(shop_token: str = dlt.secrets.value) -> Iterator[list[dict[str, Any]]]:
    """Every order, without a cursor."""
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    client = RESTClient(
        os.environ["SHOP_ADDRESS"],
        auth=BearerTokenAuth(shop_token),
        paginator=PageNumberPaginator(base_page=1, total_path="pages"),
        data_selector="rows",
    )
    yield from client.paginate("orders")


NUMBERS: list[Any] = []
MIXED: list[tuple[int, Any, Any]] = [(1, 1, 1), (2, "x", 1.5)]


@dlt.resource
def numbers(at: Any = dlt.sources.incremental("n")) -> Iterator[Any]:  # noqa: B008  dlt declares a cursor so
    """What the test puts there."""
    yield from NUMBERS


def orders(resource: Any = shop, **options: Any) -> Table:
    return Table("orders", Dlt(resource, **options), contract=Order)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[PagedApi]:
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    with paged_api() as api:
        monkeypatch.setenv("SHOP_ADDRESS", api.address)
        monkeypatch.setenv("SHOP_TOKEN", TOKEN)
        yield api


def put(api: PagedApi, *orders: tuple[int, float, int]) -> None:
    api.orders += [{"id": id, "price": price, "updated_at": f"2024-01-{day:02}"} for id, price, day in orders]


def test_new_rows_come_once_and_the_cursor_stands_in_the_record(sandbox: IngestionSandbox, api: PagedApi) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2), (3, 3.5, 2))
    first = sandbox.ingest(orders())
    assert first.rows == 3 and not first.waiting, first
    assert sandbox.ingest(orders()).rows == 0
    put(api, (4, 4.5, 2), (5, 5.5, 3))  # one at the cursor's greatest value
    assert sandbox.ingest(orders()).rows == 2
    assert sandbox.lake.rows(ROWS) == [(1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5), (5, 5.5)]
    assert [version.path.rpartition(".")[2] for version in versions(sandbox.state, "orders")] == [
        "shop",
        'shop 2 after {"updated_at": "2024-01-02"}',
    ]
    assert "since=2024-01-02" in api.requests[-1]


def test_a_resource_without_a_cursor_is_read_whole_and_takes_the_place_of_the_old_rows(
    sandbox: IngestionSandbox, api: PagedApi
) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2), (3, 3.5, 2))
    assert sandbox.ingest(orders(prices)).rows == 3
    assert sandbox.ingest(orders(prices)).rows == 0
    api.orders[0]["price"] = 7.5
    assert sandbox.ingest(orders(prices)).replaced
    (now,) = standing(sandbox.state, "orders")
    assert now.rows == 3 and now.version == 2
    sandbox.check_nothing_lost(orders(prices), sandbox.run(orders(prices)))
    current = sandbox.validated(orders(prices)).filter(pl.col("_superseded_at").is_null())
    assert current["price"].sort().to_list() == [2.5, 3.5, 7.5]


def test_failures_that_pass_are_tried_again(sandbox: IngestionSandbox, api: PagedApi) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2), (3, 3.5, 2))
    api.answers = [500, 503, 429]
    report = sandbox.ingest(orders())
    assert report.rows == 3 and len(api.requests) == 5


def test_an_answer_that_breaks_off_leaves_nothing_and_the_next_run_doubles_nothing(
    sandbox: IngestionSandbox, api: PagedApi
) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2), (3, 3.5, 2))
    api.cut_page, api.cuts = 2, 1000
    (waiting,) = sandbox.ingest(orders()).waiting
    assert "in the middle" in waiting.error and "Nothing was lost" in waiting.error
    assert not versions(sandbox.state, "orders")
    api.cuts = 1  # dlt asks again by itself
    assert sandbox.ingest(orders()).rows == 3
    assert sandbox.lake.rows(ROWS) == [(1, 1.5), (2, 2.5), (3, 3.5)]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SHOP_TOKEN": "another-secret"}, ["401", "refuses access", "Check the credentials"]),
        ({"SHOP_TOKEN": ""}, ["SHOP_TOKEN", "No file is read"]),
        ({"SHOP_ADDRESS": "http://127.0.0.1:9"}, ["cannot be reached"]),
    ],
)
@pytest.mark.parametrize("resource", [shop, prices])
def test_why_an_api_cannot_be_read_is_told_without_the_secret(
    sandbox: IngestionSandbox,
    api: PagedApi,
    monkeypatch: pytest.MonkeyPatch,
    resource: Any,
    variables: dict[str, str],
    words: list[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    (waiting,) = sandbox.ingest(orders(resource)).waiting
    assert all(word in waiting.error for word in words), waiting.error
    assert "another-secret" not in waiting.error and TOKEN not in waiting.error


_INGEST = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.raw import ingest
from ml_platform.state import files
from ml_platform_tests.sources.test_dlt import orders

if "before the record" in sys.argv:
    files.record_all = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with closing(Workspace.open(Settings(data=Path(sys.argv[1])), {})) as stores:
    ingest(stores, orders(), "killed")
"""


@pytest.mark.slow  # two processes that import everything
def test_a_run_that_was_killed_loses_nothing_and_doubles_nothing(sandbox: IngestionSandbox, api: PagedApi) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2), (3, 3.5, 2))
    sandbox.ingest(orders())
    put(api, (4, 4.5, 2), (5, 5.5, 3), (6, 6.5, 4))
    command = [sys.executable, "-c", _INGEST, str(sandbox.stores.settings.data)]
    api.waits_on = 2
    with subprocess.Popen(command) as reading:  # in the middle of the pages
        assert api.waiting.wait(60)
        reading.kill()
    api.waits_on = None
    api.go_on.set()
    assert subprocess.run([*command, "before the record"], check=False).returncode == -9
    assert sandbox.lake.rows("SELECT count(*) FROM raw.orders") == [(6,)]  # in the lake, and not on record
    assert len(versions(sandbox.state, "orders")) == 1
    assert sandbox.ingest(orders()).rows == 3
    assert [row[0] for row in sandbox.lake.rows(ROWS)] == [1, 2, 3, 4, 5, 6]
    sandbox.check_nothing_lost(orders(), sandbox.run(orders()))


def test_what_was_read_stays_while_columns_come_and_go_and_rows_without_the_cursor_are_named(
    sandbox: IngestionSandbox, api: PagedApi
) -> None:
    put(api, (1, 1.5, 1))
    sandbox.ingest(orders())
    api.orders.append({"id": "two", "price": 2, "updated_at": "2024-01-02", "shop": {"name": "north"}})
    assert sandbox.ingest(orders()).rows == 1
    columns = sandbox.lake.columns("raw", "orders")
    assert columns["id"] == "BIGINT" and columns["id::VARCHAR"] == "VARCHAR" and "shop" in columns
    api.orders.append({"id": 3, "price": 2.5})
    (waiting,) = sandbox.ingest(orders()).waiting
    assert "cursor" in waiting.error and "updated_at" in waiting.error


def test_two_types_of_one_column_in_one_read_are_refused_by_name_and_mended(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[Any] = [pl.DataFrame({"n": [n], "id": [id], "price": [price]}).to_arrow() for n, id, price in MIXED]
    monkeypatch.setattr(sys.modules[__name__], "NUMBERS", pages)
    (refused,) = sandbox.ingest(orders(numbers)).refused
    assert "'id' is String in frame 2 and Int64 before" in refused.error
    pages[1] = pl.DataFrame({"n": [2], "id": [2], "price": [1.5]}).to_arrow()
    assert sandbox.ingest(orders(numbers)).rows == 2
    assert sandbox.lake.rows(ROWS) == [(1, 1.0), (2, 1.5)]  # whole numbers became floats with a later frame


def test_pages_may_be_tables_of_arrow_and_frames(sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*ids: int) -> pl.DataFrame:
        return pl.DataFrame({"n": ids, "id": ids, "price": [id + 0.5 for id in ids]})

    pages: list[Any] = [page(1, 2).to_arrow(), page(3).to_arrow()]
    monkeypatch.setattr(sys.modules[__name__], "NUMBERS", pages)
    assert sandbox.ingest(orders(numbers)).rows == 3
    pages[:] = [page(3, 4).to_arrow()]
    assert sandbox.ingest(orders(numbers)).rows == 1
    assert sandbox.lake.rows(ROWS) == [(1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5)]


def test_another_version_number_reads_from_the_beginning_and_names_the_old_reads(
    sandbox: IngestionSandbox, api: PagedApi
) -> None:
    put(api, (1, 1.5, 1), (2, 2.5, 2))
    sandbox.ingest(orders())
    assert sandbox.ingest(orders(version=2)).rows == 2
    look = pending(sandbox.state, orders(version=2))
    assert len(look.gone) == 1 and "while its rows stand" in look.departed
    assert sandbox.ingest(orders(version=2)).rows == 0
    assert sandbox.ingest(orders(version=1)).rows == 0


def test_a_sensor_has_it_asked_only_every_so_often(sandbox: IngestionSandbox, api: PagedApi) -> None:
    settings = sandbox.stores.settings
    assert source_marks(settings, [orders(every="1000d")]) == source_marks(settings, [orders(every="1000d")])
    assert not api.requests


def test_a_source_of_several_resources_needs_a_name(sandbox: IngestionSandbox, api: PagedApi) -> None:
    put(api, (1, 1.5, 1))
    (waiting,) = sandbox.ingest(orders(name="customers")).waiting
    assert "there are these resources: orders" in waiting.error
    assert sandbox.ingest(orders(name="orders")).rows == 1


def test_files_of_dlt_are_not_asked_for_secrets(
    sandbox: IngestionSandbox, api: PagedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(api, (1, 1.5, 1))
    monkeypatch.delenv("SHOP_TOKEN")
    with dlt.secrets.values({"shop_token": TOKEN}):
        (waiting,) = sandbox.ingest(orders(prices)).waiting
        assert dlt.secrets["shop_token"] == TOKEN  # what else runs in this process has it
    assert "Set the environment variable" in waiting.error


def test_the_canonical_form_is_that_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    before = canonical(Dlt(numbers))
    assert "yield from NUMBERS" in str(before) and before == canonical(Dlt(numbers))
    monkeypatch.setattr(sys.modules[__name__], "NUMBERS", [1])  # what it uses counts, too
    assert canonical(Dlt(numbers)) != before


def test_what_has_no_name_to_be_on_record_is_refused() -> None:
    with pytest.raises(DeclarationError, match="no function of a module"):
        Dlt(dlt.resource([{"id": 1}], name="orders"))
    with pytest.raises(DeclarationError, match="no name of an environment variable"):
        Dlt(shop, secrets=["a secret"])
