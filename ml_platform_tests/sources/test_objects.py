"""`Objects`: what lies in a bucket of a real S3 server is read as files are, whatever happens on the way."""

import gzip
import socket
from collections.abc import Iterator
from datetime import timedelta
from xml.sax.saxutils import escape

import dataframely as dy
import polars as pl
import pytest
from obstore.store import S3Store

from ml_platform import Objects, Table
from ml_platform.errors import DeclarationError, IngestionError
from ml_platform.runtime.run_state import source_marks
from ml_platform.sources import bucket as bucket_module
from ml_platform.sources.landing import land
from ml_platform.sources.scan import pending
from ml_platform.sources.withdrawing import withdraw
from ml_platform.state.files import versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.object_store import KEY, SECRET, Faults, bucket_of, faulty_connection, object_store


class Order(dy.Schema):
    id = dy.Int64(primary_key=True)
    price = dy.Float64(nullable=True)


ROWS = "SELECT id, price FROM raw.orders ORDER BY id"
ROWS_NOW = "SELECT id, price FROM validated.orders WHERE _superseded_at IS NULL ORDER BY id"


def orders(pattern: str = "orders/*.csv", **options: object) -> Table:
    return Table("orders", Objects(pattern, bucket="shop-data", environment="SHOP", **options), contract=Order)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with object_store() as address:
        yield address


@pytest.fixture
def connection(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    with faulty_connection(server) as faults:
        monkeypatch.setenv("SHOP_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("SHOP_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("SHOP_ENDPOINT_URL", faults.address)
        yield faults


@pytest.fixture
def bucket(server: str, connection: Faults) -> Iterator[S3Store]:
    bucket = bucket_of(server, "shop-data")
    yield bucket
    for some in bucket.list():
        for each in some:
            bucket.delete(each["path"])


def test_objects_are_read_once_and_a_replaced_one_replaces_its_rows(sandbox: IngestionSandbox, bucket: S3Store) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    bucket.put("orders/b.csv", b"id,price\n2,2.5\n")
    bucket.put("orders/c.txt", b"not of the pattern")
    bucket.put("orders/deeper/d.csv", b"id,price\n9,9\n")
    assert sandbox.ingest(orders()).ingested == ["s3://shop-data/orders/a.csv", "s3://shop-data/orders/b.csv"]
    assert sandbox.lake.rows(ROWS) == [("1", "1.5"), ("2", "2.5")]
    assert pending(sandbox.state, orders()).nothing and sandbox.ingest(orders()).ingested == []
    bucket.put("orders/b.csv", b"id,price\n2,3.5\n")  # of the same size, in the same second
    assert sandbox.ingest(orders()).replaced == ["s3://shop-data/orders/b.csv"]
    sandbox.check_nothing_lost(orders(), sandbox.run(orders()))
    assert sandbox.lake.rows(ROWS_NOW) == [(1, 1.5), (2, 3.5)]


def test_an_object_written_again_with_the_same_content_changes_nothing(
    sandbox: IngestionSandbox, bucket: S3Store
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    sandbox.ingest(orders())
    before = versions(sandbox.state, "orders")
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n", attributes={"Content-Type": "text/csv"})
    assert pending(sandbox.state, orders()).nothing
    sandbox.ingest(orders())
    assert [(v.version, v.arrival, v.sha256) for v in versions(sandbox.state, "orders")] == [
        (v.version, v.arrival, v.sha256) for v in before
    ]


def test_every_format_packed_or_not_is_read(sandbox: IngestionSandbox, bucket: S3Store) -> None:
    bucket.put("orders/a.csv.gz", gzip.compress(b"id,price\n1,1.5\n"))
    assert len(sandbox.ingest(orders("orders/*.csv.gz")).ingested) == 1
    assert sandbox.lake.rows(ROWS) == [("1", "1.5")]
    frame = pl.DataFrame({"id": [1, 2], "price": [0.5, None]})
    file = sandbox.landing / "unrelated.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(file)
    bucket.put("typed/a.parquet", file)
    typed = Table("typed", Objects("typed/*.parquet", bucket="shop-data", environment="SHOP"), contract=Order)
    sandbox.ingest(typed)
    assert sandbox.lake.rows("SELECT id, price FROM raw.typed ORDER BY id") == [(1, 0.5), (2, None)]


@pytest.mark.parametrize("key", ["orders/ä ö.csv", "orders/100%.csv", "orders/a+b&c=d?e#f.csv", "orders/[x]{y}~.csv"])
def test_keys_may_hold_any_signs(sandbox: IngestionSandbox, bucket: S3Store, key: str) -> None:
    bucket.put(key, b"id,price\n1,1.5\n")
    report = sandbox.ingest(orders())
    assert report.ingested == [f"s3://shop-data/{key}"] and report.rows == 1


def test_a_refused_object_is_named_and_the_others_go_on(sandbox: IngestionSandbox, bucket: S3Store) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    bucket.put("orders/b.csv", b"id,price\n2\n")
    bucket.put("orders/c.csv", b"")
    report = sandbox.ingest(orders())
    assert report.ingested == ["s3://shop-data/orders/a.csv"]
    assert [refused.path for refused in report.refused] == [f"s3://shop-data/orders/{name}.csv" for name in "bc"]
    bucket.put("orders/b.csv", b"id,price\n2,2\n")
    assert sandbox.ingest(orders()).ingested == ["s3://shop-data/orders/b.csv"]


def test_an_object_beyond_the_limit_is_refused_and_not_copied(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    bucket.put("orders/a.csv", b"id,price\n" + b"1,1.5\n" * 2000)
    sandbox.stores.settings.max_file_bytes = 1000
    report = sandbox.ingest(orders())
    assert "holds more than 1,000 bytes" in report.refused[0].error
    assert not [path for path in connection.requests if "a.csv" in path]


def test_a_removed_object_is_named_while_its_rows_stand_and_can_be_withdrawn(
    sandbox: IngestionSandbox, bucket: S3Store
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    sandbox.ingest(orders())
    bucket.delete("orders/a.csv")
    look = pending(sandbox.state, orders())
    assert look.departed == "s3://shop-data/orders/a.csv left s3://shop-data/ while its rows stand."
    sandbox.ingest(orders())
    assert sandbox.lake.rows(ROWS) == [("1", "1.5")]
    withdraw(
        sandbox.state,
        sandbox.stores.settings,
        "orders",
        "s3://shop-data/orders/a.csv",
        why="it was wrong",
        actor="ann",
        declared=[orders()],
    )
    sandbox.run(orders())
    assert sandbox.validated(orders())["_superseded_at"].is_not_null().all()


def test_failures_that_pass_and_broken_connections_are_tried_again(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    content = b"id,price\n" + b"".join(b"%d,1.5\n" % number for number in range(200_000))
    bucket.put("orders/a.csv", content)
    connection.on, connection.answers = "a.csv", [503, 500]
    connection.cut_after, connection.cuts = 700_000, 2
    report = sandbox.ingest(orders())
    assert report.rows == 200_000 and not report.waiting
    assert versions(sandbox.state, "orders")[0].bytes == len(content)


def test_an_object_that_was_replaced_or_removed_meanwhile_is_left_for_the_next_run(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    bucket.put("orders/b.csv", b"id,price\n2,2.5\n")
    connection.on, connection.answers = "a.csv", [412]  # since the bucket was listed
    report = sandbox.ingest(orders())
    assert report.ingested == ["s3://shop-data/orders/b.csv"]
    assert "it was replaced since" in report.waiting[0].error
    connection.answers = [404]
    assert sandbox.ingest(orders()).ingested == []
    assert sandbox.ingest(orders()).ingested == ["s3://shop-data/orders/a.csv"]


def test_a_wrong_key_is_named_without_the_secret(
    sandbox: IngestionSandbox, bucket: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET_ACCESS_KEY", "another-secret-that-is-wrong")
    refusal = sandbox.ingest(orders()).unavailable
    assert refusal is not None
    assert "refuses access" in refusal.error and "Check SHOP_ACCESS_KEY_ID" in refusal.error
    assert "another-secret" not in refusal.error
    monkeypatch.delenv("SHOP_SECRET_ACCESS_KEY")
    refusal = sandbox.ingest(orders()).unavailable
    assert refusal is not None and "SHOP_SECRET_ACCESS_KEY is not set" in refusal.error


def test_a_store_that_does_not_answer_and_a_bucket_that_is_not_there_are_named(
    sandbox: IngestionSandbox, connection: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = sandbox.ingest(Table("no", Objects("*.csv", bucket="no-such-bucket", environment="SHOP"), contract=Order))
    assert refusal.unavailable is not None and "NoSuchBucket" in refusal.unavailable.error
    monkeypatch.setenv("SHOP_ENDPOINT_URL", "https://shop-reader:sesame@127.0.0.1")
    wrong = sandbox.ingest(orders()).unavailable
    assert wrong is not None and "SHOP_ENDPOINT_URL is no address" in wrong.error and "sesame" not in wrong.error


def test_a_tick_that_cannot_reach_the_store_finds_nothing(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    ((table, path, size, _),) = source_marks(sandbox.stores.settings, [orders()])
    assert (table, path, size) == ("orders", "s3://shop-data/orders/a.csv", 15)
    connection.answers = [503]
    assert source_marks(sandbox.stores.settings, [orders()]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bucket": "s3://shop"}, "no name of a bucket"),
        ({"environment": "sesame!"}, "no beginning of names"),
        ({"pattern": "../x.csv"}, "leaves s3://shop-data/"),
    ],
)
def test_what_is_no_bucket_or_variable_is_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(DeclarationError, match=words) as error:
        Objects(**{"pattern": "orders/*.csv", "bucket": "shop-data", **change})  # type: ignore[arg-type]
    assert "sesame" not in str(error.value)


def test_objects_are_not_landed(sandbox: IngestionSandbox) -> None:
    file = sandbox.put("outside.csv", "id,price\n1,1.5\n")
    with pytest.raises(IngestionError, match="do not come from files"):
        land(sandbox.stores.settings, orders(), [file])


def _listing(*objects: tuple[str, int, str]) -> bytes:
    """What a store answers that has objects of these keys, sizes and entity tags."""
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{escape(tag)}</ETag><Size>{size}</Size></Contents>"
        for key, size, tag in objects
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>".encode()


@pytest.mark.parametrize("key", ["orders//a.csv", "orders/../a.csv", "orders/./a.csv", "orders/a\tb.csv"])
def test_a_key_that_cannot_be_read_is_named(sandbox: IngestionSandbox, connection: Faults, key: str) -> None:
    connection.answers, connection.body = [200], _listing((key, 5, "x"))
    refusal = sandbox.ingest(orders()).unavailable
    assert refusal is not None and "holds an object whose key cannot be read" in refusal.error
    assert key.replace("\t", "\\t") in refusal.error


def test_an_empty_folder_of_an_objects_name_does_not_hide_the_object(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    content = b"id,price\n1,1.5\n"
    bucket.put("orders/a.csv", content)
    tag = bucket.head("orders/a.csv")["e_tag"] or ""
    connection.answers = [200]
    connection.body = _listing(("orders/a.csv", len(content), tag), ("orders/a.csv/", 0, "x"))
    assert sandbox.ingest(orders()).ingested == ["s3://shop-data/orders/a.csv"]


def test_an_object_whose_key_ends_with_a_slash_is_named(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    bucket.put("orders/b.csv", b"id,price\n1,1.5\n")
    connection.answers, connection.body = [200], _listing(("orders/a.csv/", 5, "x"))
    (waiting,) = sandbox.ingest(orders()).waiting
    assert "it is not there under this key" in waiting.error and "ends with a slash" in waiting.error


def test_a_name_that_is_longer_than_a_file_may_have_after_its_dot(sandbox: IngestionSandbox, bucket: S3Store) -> None:
    bucket.put(f"orders/a.{'x' * 250}", b"id,price\n1,1.5\n")
    assert sandbox.ingest(orders("orders/*", format="csv")).rows == 1


def test_the_variables_of_another_store_are_not_taken(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-another-store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://another.example.org")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://another.example.org")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    assert sandbox.ingest(orders()).rows == 1
    assert "token-of-another-store" not in str(connection.headers)
    assert all("SignedHeaders" in headers.get("authorization", "") for headers in connection.headers)
    monkeypatch.delenv("SHOP_ENDPOINT_URL")
    source = orders().source
    assert isinstance(source, Objects)
    store = bucket_module.Bucket(source, sandbox.stores.settings)._store(bucket_module._RETRIES)
    addresses = {value for name, value in store.config.items() if "endpoint" in name}
    assert addresses == {"https://s3.us-east-1.amazonaws.com"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ACCESS_KEY_ID", "shop-reader\n", "SHOP_ACCESS_KEY_ID holds a space, a line break"),
        ("SECRET_ACCESS_KEY", "open-sesame-of-the-shop\n", "SHOP_SECRET_ACCESS_KEY holds a space, a line break"),
        ("SESSION_TOKEN", "sesame-ä", "SHOP_SESSION_TOKEN holds a space, a line break"),
        ("REGION", "eu west", "SHOP_REGION holds a space, a line break"),
        ("ENDPOINT_URL", "http://sesame:99999", "SHOP_ENDPOINT_URL is no address"),
        ("ENDPOINT_URL", "http://[sesame", "SHOP_ENDPOINT_URL is no address"),
    ],
)
def test_a_variable_that_is_set_wrongly_is_named_and_not_what_it_holds(
    sandbox: IngestionSandbox, connection: Faults, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"SHOP_{name}", value)
    refusal = sandbox.ingest(orders()).unavailable
    assert refusal is not None and words in refusal.error and "sesame" not in refusal.error


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "ExpiredToken", "Get a new temporary key and its SHOP_SESSION_TOKEN."),
        (400, "AuthorizationHeaderMalformed", "Set SHOP_REGION to the region of the bucket."),
        (301, "PermanentRedirect", "Set SHOP_REGION to the region of the bucket."),
        (403, "RequestTimeTooSkewed", "Set the clock of this machine."),
        (403, "InvalidObjectState", "restore it there."),
    ],
)
def test_what_to_do_is_said_by_the_stores_code(
    sandbox: IngestionSandbox, connection: Faults, status: int, code: str, words: str
) -> None:
    connection.answers, connection.body = [status], f"<Error><Code>{code}</Code></Error>".encode()
    refusal = sandbox.ingest(orders()).unavailable
    assert refusal is not None and words in refusal.error


def test_an_object_that_cannot_be_compared_leaves_the_others_alone(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    for name in "abc":
        bucket.put(f"orders/{name}.csv", b"id,price\n%d,1.5\n" % ord(name))
    sandbox.ingest(orders())
    bucket.put("orders/a.csv", b"id,price\n1,2.5\n")
    bucket.put("orders/b.csv", b"id,price\n2,2.5\n")
    bucket.delete("orders/c.csv")
    bucket.put("orders/d.csv", b"id,price\n99,1.5\n")  # perhaps c under another name
    connection.on, connection.answers = "a.csv", [403, 403]
    report = sandbox.ingest(orders())
    assert report.unavailable is None and [one.path for one in report.waiting] == ["s3://shop-data/orders/a.csv"]
    assert report.replaced == ["s3://shop-data/orders/b.csv"]
    bucket.delete("orders/b.csv")
    bucket.put("orders/e.csv", b"id,price\n2,2.5\n")
    connection.on, connection.answers = "e.csv", [403, 403]
    report = sandbox.ingest(orders())
    assert report.unavailable is None and [one.path for one in report.waiting] == ["s3://shop-data/orders/e.csv"]
    sandbox.ingest(orders())
    sandbox.check_nothing_lost(orders(), sandbox.run(orders()))


def test_a_withdrawn_object_is_not_copied_at_every_look_and_a_refused_one_can_be_withdrawn(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults
) -> None:
    bucket.put("orders/a.csv", b"id,price\n1,1.5\n")
    bucket.put("orders/b.csv", b"id,price\n1\n")
    sandbox.ingest(orders())
    for name in "ab":
        withdraw(
            sandbox.state,
            sandbox.stores.settings,
            "orders",
            f"{name}.csv",
            why="it was wrong",
            actor="ann",
            declared=[orders()],
        )
    connection.requests.clear()
    look = pending(sandbox.state, orders())
    assert look.withdrawn == ["s3://shop-data/orders/a.csv", "s3://shop-data/orders/b.csv"] and not look.refused
    assert not [path for path in connection.requests if ".csv" in path]
    bucket.put("orders/a.csv", b"id,price\n1,2.5\n")
    assert sandbox.ingest(orders()).ingested == ["s3://shop-data/orders/a.csv"]


def test_a_store_that_stopped_answering_is_not_asked_for_every_object(
    sandbox: IngestionSandbox, bucket: S3Store, connection: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        bucket.put(f"orders/{number}.csv", b"id,price\n%d,1.5\n" % number)
    monkeypatch.setattr(bucket_module, "_RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    connection.on, connection.answers = ".csv", [503, 503, 400, 503, 503, 503]
    report = sandbox.ingest(orders())
    assert len(report.waiting) == 7 and len(connection.requests) == 1 + 6
    assert "did not answer 3 times in a row" in report.waiting[6].error
    assert len(sandbox.ingest(orders()).ingested) == 7


def test_a_tick_does_not_wait_for_a_store_that_never_answers(
    sandbox: IngestionSandbox, connection: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "_LITTLE_PATIENCE", timedelta(seconds=0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SHOP_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert source_marks(sandbox.stores.settings, [orders()]) == []
