"""`Dlt`: the rows of a resource of dlt come once, from a real HTTP server, whatever happens on the way."""

import os
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


@dlt.resource
def numbers(at: Any = dlt.sources.incremental("n")) -> Iterator[Any]:
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
