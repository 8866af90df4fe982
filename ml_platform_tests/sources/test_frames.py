"""`Frames`: versions and rows that functions of the user's own give, whatever they do."""

import asyncio
import importlib
import json
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform import Frames, Table
from ml_platform.errors import DeclarationError
from ml_platform.runtime.run_state import source_marks
from ml_platform.sources import frames
from ml_platform.sources.scan import pending
from ml_platform.sources.withdrawing import withdraw
from ml_platform.state.files import versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox


class Visit(dy.Schema):
    id = dy.Int64(primary_key=True)
    pages = dy.Int64(nullable=True)


class Api:
    """What stands behind the two functions: its versions, and what each of them gives."""

    def __init__(self) -> None:
        self.marks: Any = {}
        self.rows: dict[str, Callable[[], Iterable[Any]]] = {}
        self.asked = 0

    def put(self, day: str, mark: str, *parts: Any) -> None:
        self.marks[day] = mark
        self.rows[day] = lambda: parts


API = Api()


def days() -> Mapping[str, str]:
    API.asked += 1
    if isinstance(API.marks, Exception):
        raise API.marks
    return API.marks  # type: ignore[no-any-return]


def visits_of(day: str) -> Iterable[pl.DataFrame]:
    return API.rows[day]()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setitem(globals(), "API", Api())
    frames._asked.clear()
    return API


def visits(**options: Any) -> Table:
    return Table("visits", Frames(days, visits_of, **options), contract=Visit)


def frame(*ids: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": ids, "pages": [number * 10 for number in ids]}, schema={"id": pl.Int64, "pages": pl.Int64}
    )


ROWS = "SELECT id, pages FROM raw.visits ORDER BY ALL"
ROWS_NOW = "SELECT id, pages FROM validated.visits WHERE _superseded_at IS NULL ORDER BY ALL"


def test_each_version_is_read_once_and_read_again_when_its_text_changes(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("2024-05-01", "final", frame(1, 2), frame(3))
    api.put("2024-05-02", "at 10:00", frame(4))
    report = sandbox.ingest(visits())
    assert report.ingested == ["2024-05-01", "2024-05-02"] and report.rows == 4
    assert pending(sandbox.state, visits()).nothing and sandbox.ingest(visits()).ingested == []
    api.put("2024-05-02", "at 11:00", frame(4, 5))
    assert sandbox.ingest(visits()).replaced == ["2024-05-02"]
    sandbox.check_nothing_lost(visits(), sandbox.run(visits()))
    assert sandbox.lake.rows(ROWS_NOW) == [(number, number * 10) for number in range(1, 6)]


def test_a_version_has_one_fingerprint_however_its_rows_are_divided(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1, 2, 3))
    api.put("b", "1", frame(1), frame(2, 3))
    sandbox.ingest(visits())
    first, second = versions(sandbox.state, "visits")
    assert first.sha256 == second.sha256


def test_a_function_that_fails_in_the_middle_leaves_nothing_and_the_others_go_on(
    sandbox: IngestionSandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISITS_TOKEN", "sesame-of-the-api")

    def broken() -> Iterator[pl.DataFrame]:
        yield frame(1)
        raise ConnectionError("GET /visits?token=sesame-of-the-api: 502")

    api.put("a", "1")
    api.rows["a"] = broken
    api.put("b", "1", frame(2))
    report = sandbox.ingest(visits(secrets=["VISITS_TOKEN"]))
    assert report.ingested == ["b"] and sandbox.lake.rows(ROWS) == [(2, 20)]
    (waiting,) = report.waiting
    assert waiting.path == "a" and "ConnectionError: GET /visits?token=***: 502" in waiting.error
    api.put("a", "1", frame(1))
    assert sandbox.ingest(visits()).ingested == ["a"]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        (TimeoutError("no answer"), "TimeoutError: no answer"),
        (["a"], "no mapping of texts"),
        ({"a": 1}, "no mapping of texts"),
        ({"": "1"}, "no mapping of texts"),
    ],
)
def test_versions_that_cannot_be_told_make_the_source_unavailable(
    sandbox: IngestionSandbox, api: Api, marks: Any, words: str
) -> None:
    api.marks = marks
    refusal = sandbox.ingest(visits()).unavailable
    assert refusal is not None and words in refusal.error


def test_columns_without_values_take_the_type_of_the_others(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", pl.DataFrame({"id": [1], "pages": [None]}), frame(2), pl.DataFrame({"id": [3]}))
    assert sandbox.ingest(visits()).rows == 3
    assert sandbox.lake.rows("SELECT id, pages FROM raw.visits ORDER BY id") == [(1, None), (2, 20), (3, None)]


def test_a_column_of_two_types_and_what_is_no_frame_are_named(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1), pl.DataFrame({"id": ["x"]}))
    api.put("b", "1", {"id": 1})
    api.put("c", "1")
    report = sandbox.ingest(visits())
    (refused,) = report.refused
    assert "'id' is String in frame 2 and Int64 before" in refused.error
    assert [("gives a dict" in one.error, "gives no frame" in one.error) for one in report.waiting] == [
        (True, False),
        (False, True),
    ]
    api.put("a", "2", frame(1))
    assert sandbox.ingest(visits()).ingested == ["a"]


def _leaves() -> Iterator[pl.DataFrame]:
    yield frame(1)
    sys.exit(3)


def _is_cancelled() -> Iterator[pl.DataFrame]:
    yield frame(1)
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (lambda: [frame(1), None, frame(2)], "gives a NoneType"),  # the rows behind it are not left out
        (lambda: [frame(1).lazy()], "gives a LazyFrame"),
        (lambda: frame(1), "returns a DataFrame"),
        (lambda: frame(1).lazy(), "returns a LazyFrame"),
        (_leaves, "SystemExit: 3"),
        (_is_cancelled, "CancelledError"),
    ],
)
def test_functions_that_do_otherwise_are_named_and_leave_nothing(
    sandbox: IngestionSandbox, api: Api, rows: Callable[[], Any], words: str
) -> None:
    api.put("a", "1")
    api.rows["a"] = rows
    api.put("b", "1", frame(2))
    report = sandbox.ingest(visits())
    assert report.ingested == ["b"] and sandbox.lake.rows(ROWS) == [(2, 20)]
    (waiting,) = report.waiting
    assert waiting.path == "a" and words in waiting.error


def test_ctrl_c_within_a_function_is_ctrl_c(sandbox: IngestionSandbox, api: Api) -> None:
    def interrupted() -> Iterator[pl.DataFrame]:
        yield frame(1)
        raise KeyboardInterrupt

    api.put("a", "1")
    api.rows["a"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        sandbox.ingest(visits())


class _Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no text")


def test_values_without_a_form_are_refused_and_the_others_go_on(sandbox: IngestionSandbox, api: Api) -> None:
    odd = frame(1).with_columns(pl.Series("odd", [_Unspeakable()], dtype=pl.Object))
    api.put("a", "1", odd)
    api.put("b", "1", frame(2))
    report = sandbox.ingest(visits())
    assert report.ingested == ["b"] and "ValueError while its rows were written" in report.refused[0].error


def test_a_frame_without_columns_adds_no_row(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", pl.DataFrame(), frame(1))
    assert sandbox.ingest(visits()).rows == 1
    assert sandbox.lake.rows(ROWS) == [(1, 10)]


@pytest.mark.parametrize("name", ["*", "^i.*$", "^.*$"])
def test_a_columns_name_is_no_pattern(sandbox: IngestionSandbox, api: Api, name: str) -> None:
    api.put("a", "1", frame(1).with_columns(pl.Series(name, [7])), frame(2))
    sandbox.ingest(visits())
    assert sandbox.lake.rows(f'SELECT id, pages, "{name}" FROM raw.visits ORDER BY id') == [(1, 10, 7), (2, 20, None)]


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "\ud800", "\x1b[31m", "x" * 1025])
def test_a_name_that_cannot_be_on_record_is_named(sandbox: IngestionSandbox, api: Api, name: str) -> None:
    api.put(name, "1", frame(1))
    refusal = sandbox.ingest(visits()).unavailable
    assert refusal is not None and "cannot be the name of a version" in refusal.error
    assert refusal.error.isprintable() and len(refusal.error) < 400


def test_names_and_texts_may_hold_what_paths_may_not(sandbox: IngestionSandbox, api: Api) -> None:
    for name in ("a", "A", "../b", "c/d", " ", "e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}"):
        api.put(name, "\ud800", frame(len(api.marks)))
    assert sandbox.ingest(visits()).ingested == sorted(api.marks)
    assert pending(sandbox.state, visits()).nothing


class _Lazy(dict[str, str]):
    def items(self) -> Any:
        raise TimeoutError("no answer")


def test_a_mapping_that_asks_only_when_it_is_looked_at(sandbox: IngestionSandbox, api: Api) -> None:
    api.marks = _Lazy(a="1")
    refusal = sandbox.ingest(visits()).unavailable
    assert refusal is not None and "TimeoutError: no answer" in refusal.error


def test_a_text_that_changes_while_the_rows_do_not_stores_nothing(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "asked at 10:00", frame(1, 2))
    sandbox.ingest(visits())
    before = versions(sandbox.state, "visits")
    api.put("a", "asked at 10:01", frame(1, 2))
    report = sandbox.ingest(visits())
    assert (report.ingested, report.rows) == ([], 0) and pending(sandbox.state, visits()).nothing
    assert [(v.file_id, v.arrival) for v in versions(sandbox.state, "visits")] == [
        (v.file_id, v.arrival) for v in before
    ]
    assert sandbox.lake.rows(ROWS) == [(1, 10), (2, 20)]


def test_rows_of_another_type_are_other_rows_also_where_they_read_alike(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1).with_columns(day=pl.lit("2024-05-01")))
    sandbox.ingest(visits())
    api.put("a", "2", frame(1).with_columns(day=pl.date(2024, 5, 1)))
    assert sandbox.ingest(visits()).replaced == ["a"]


def test_a_withdrawn_version_comes_back_with_another_text(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1))
    api.put("b", "1", frame(2), pl.DataFrame({"id": ["x"]}))  # it is refused
    sandbox.ingest(visits())
    for day in "ab":
        settings = sandbox.stores.settings
        withdraw(sandbox.state, settings, "visits", day, why="it was wrong", actor="ann", declared=[visits()])
    assert pending(sandbox.state, visits()).withdrawn == ["a", "b"]
    assert sandbox.ingest(visits()).ingested == []
    api.put("a", "2", frame(3))
    assert sandbox.ingest(visits()).replaced == ["a"]
    sandbox.run(visits())
    assert sandbox.lake.rows(ROWS_NOW) == [(3, 30)]


def test_a_version_that_is_named_no_more_is_told_while_its_rows_stand(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1))
    sandbox.ingest(visits())
    api.marks = {}
    assert "a left what" in pending(sandbox.state, visits()).departed
    assert sandbox.lake.rows(ROWS) == [(1, 10)]


def test_a_sensor_asks_only_every_so_often(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1))
    for _ in range(3):
        assert [mark[:2] for mark in source_marks(sandbox.stores.settings, [visits(every="1h")])] == [["visits", "a"]]
    assert api.asked == 1


def test_another_version_number_reads_everything_anew(sandbox: IngestionSandbox, api: Api) -> None:
    api.put("a", "1", frame(1))
    sandbox.ingest(visits())
    assert pending(sandbox.state, visits(version=2)).paths == ["a"]


def test_what_has_no_name_to_be_on_record_is_refused() -> None:
    with pytest.raises(DeclarationError, match="no function of a module"):
        Frames(lambda: {"a": "1"}, visits_of)
    with pytest.raises(DeclarationError, match="no name of an environment variable"):
        Frames(days, visits_of, secrets=["s3same!"])
    with pytest.raises(DeclarationError, match="not a span of time"):
        Frames(days, visits_of, every="often")


class _Pages(BaseHTTPRequestHandler):
    """The API of the document: two days, the second in two pages."""

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer sesame"
        at = "2024-05-01T10:00:00Z"
        answers = {
            "/days": {"days": [{"day": "2024-05-01", "changed": "1"}, {"day": "2024-05-02", "changed": "1"}]},
            "/visits?day=2024-05-01": {"visits": [{"id": 1, "at": at, "pages": 3}]},
            "/visits?day=2024-05-02": {"visits": [{"id": 2, "at": at, "pages": None}], "next": "p2"},
            "/visits?day=2024-05-02&cursor=p2": {"visits": [{"id": 3, "at": at, "pages": 1}]},
        }
        content = json.dumps(answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_documents_api_is_read(sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = Path(__file__).parents[2] / "docs" / "sources.md"
    examples = re.findall(r"^```python\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)
    (example,) = (one for one in examples if "Frames(" in one)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        (tmp_path / "visits_api.py").write_text(example.replace("https://visits.example.org", address))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("VISITS_TOKEN", "sesame")
        declared = importlib.import_module("visits_api").visits
        report = sandbox.ingest(Table("visits", declared, contract=Visit))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert report.ingested == ["2024-05-01", "2024-05-02"] and report.waiting == []
    assert sandbox.lake.rows(ROWS) == [(1, 3), (2, None), (3, 1)]
