"""`ml-platform reports`: a real server on loopback, and the list for programs."""

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform import shipped
from ml_platform.cli.report_server import ReportServer
from ml_platform.errors import PlatformError
from ml_platform.escaping import NO_SCRIPT, page_policy, with_policy
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.transaction import Author
from ml_platform.settings import Settings
from ml_platform.state.database import State
from ml_platform.state.ledger import record
from ml_platform.state.results import ReportResult
from ml_platform_tests.cli.terminal import invoke, invoke_json, start_command


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReportServer]:
    """A folder with one report and a secret beside it; page is made for `/` only."""
    folder = tmp_path / "reports"
    (folder / "trips" / "2024-02").mkdir(parents=True)
    (folder / "trips" / "2024-02" / "report.html").write_text("<p>drift</p>")
    (folder / "trips" / "2024-02" / "report.json").write_text('{"psi": 1}')
    (folder / "trips" / ".half").write_text("half")
    (tmp_path / "secret").write_text("secret")
    (folder / "trips" / "link").symlink_to(tmp_path / "secret")
    with ReportServer(folder, lambda path: "<p>all</p>" if path == "/" else None, 0, ["reports.town"]) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _ask(server: ReportServer, method: str, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    found = response.status, response.getheader("Content-Type"), response.read()
    connection.close()
    return found


def test_files_and_pages_come_with_their_types(server: ReportServer) -> None:
    assert _ask(server, "GET", "/trips/2024-02/report.html") == (200, "text/html; charset=utf-8", b"<p>drift</p>")
    assert _ask(server, "GET", "/trips/2024-02/report.json?x=1") == (200, "application/json", b'{"psi": 1}')
    assert _ask(server, "GET", "/") == (200, "text/html; charset=utf-8", b"<p>all</p>")
    assert _ask(server, "HEAD", "/") == (200, "text/html; charset=utf-8", b"")
    assert _ask(server, "HEAD", "/trips/2024-02/report.html")[0::2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/trips/../../secret",
        "/%2e%2e/secret",
        "/trips/..%2f..%2fsecret",
        "//etc/passwd",
        "/trips/link",
        "/trips/.half",
        "/trips/2024-02",
        "/trips/",
        "/nothing.html",
        "/%00",
    ],
)
def test_nothing_leads_out_of_the_folder_and_no_folder_is_listed(server: ReportServer, path: str) -> None:
    status, _, body = _ask(server, "GET", path)
    assert status == 404
    assert b"secret" not in body and b"root:" not in body


def _answer(server: ReportServer, path: str, *hosts: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of a request with these Host headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    with closing(connection):
        connection.putrequest("GET", path, skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@pytest.mark.parametrize("path", ["/", "/trips/2024-02/report.html", "/trips/2024-02/report.json", "/nothing"])
def test_a_request_under_a_name_of_another_site_is_refused(server: ReportServer, path: str) -> None:
    there = _answer(server, path, "127.0.0.1")[0]
    assert there == (404 if path == "/nothing" else 200)
    for host in ("localhost", f"LOCALHOST:{server.server_port}", "localhost:9000", "[::1]:3001", "reports.town"):
        assert _answer(server, path, host)[0] == there
    for foreign in ("a.invalid", "127.0.0.1.a.invalid", "a.invalid:3001", "localhost.", "", "[::1", "0.0.0.0"):
        status, headers, body = _answer(server, path, foreign)
        assert status == 421 and b"drift" not in body and b"<p>all" not in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert _answer(server, path)[0] == _answer(server, path, "127.0.0.1", "a.invalid")[0] == 421


def test_every_answer_says_what_it_may_run(server: ReportServer) -> None:
    own = with_policy('<!DOCTYPE html><html lang="en"><head></head></html>', page_policy(["draw()"]))
    (server.folder / "trips" / "2024-02" / "own.html").write_text(own)
    policies = {}
    for path in ("/", "/trips/2024-02/report.html", "/trips/2024-02/report.json", "/trips/2024-02/own.html", "/no"):
        headers = _answer(server, path, "127.0.0.1")[1]
        policies[path] = headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert len(headers.get_all("Content-Security-Policy") or []) == 1
    assert policies.pop("/trips/2024-02/own.html") == f"{page_policy(['draw()'])}; frame-ancestors 'none'"
    assert set(policies.values()) == {f"{NO_SCRIPT}; frame-ancestors 'none'"}  # a page of before has no policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_is_served(server: ReportServer, method: str) -> None:
    assert _ask(server, method, "/trips/2024-02/report.html")[0] == 501


def test_it_listens_on_loopback_and_a_taken_port_is_a_sentence(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(PlatformError, match=rf"Port {server.server_port} of 127.0.0.1 cannot be used.*--port 0"):
        ReportServer(server.folder, lambda path: None, server.server_port)


@pytest.fixture
def reported(platform: Path) -> Path:
    """The town with a report of January on record and in its place; the file."""
    settings = Settings()
    html = settings.reports / "trip_delay" / "2024-01" / "report.html"
    html.parent.mkdir(parents=True)
    html.write_text("<p>drift</p>")
    html.with_suffix(".json").write_text("{}")
    files = {str(path.relative_to(settings.data)): file_hash(path) for path in (html, html.with_suffix(".json"))}
    figures = ReportResult(champion=1, rows=400, weighted_drift=0.31, metric="roc_auc", url="http://127.0.0.1:1/x")
    author = Author("trip_delay/report", "2024-01", "k")
    with closing(State(settings)) as state:
        record(state, author, rows=1, result=figures, files=files)
    return html


def test_the_list_has_the_documented_keys(reported: Path) -> None:
    (row,) = invoke_json("reports", "trip_delay")
    assert " ".join(row) == (
        "pipeline partition alarms judged champion rows weighted_drift score_psi metric realised html json url made_at"
    )
    assert (row["partition"], row["weighted_drift"], row["score_psi"]) == ("2024-01", 0.31, None)
    assert Path(row["html"]) == reported.resolve()
    reported.unlink()
    assert invoke_json("reports") == []


def test_it_serves_until_ctrl_c_and_ends_cleanly(reported: Path) -> None:
    serving = start_command("reports", "trip_delay", "--port", "0")
    assert serving.process.stdout is not None
    url = serving.process.stdout.readline().strip().removeprefix("Reports: ")
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    assert url == f"http://127.0.0.1:{port}/trip_delay/"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/trip_delay/")
    page = connection.getresponse().read().decode()
    assert 'href="2024-01/report.html"' in page and "0.310" in page
    connection.request("GET", "/trip_delay/2024-01/report.html")
    assert connection.getresponse().read() == b"<p>drift</p>"
    connection.close()
    os.kill(serving.process.pid, signal.SIGINT)
    code, _, err = serving.end()
    assert (code, "Traceback" in err) == (0, False)


def test_a_pipeline_that_is_added_while_it_serves_has_a_page(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_PLATFORM_PIPELINES")
    serving = start_command("reports", "--port", "0")
    assert serving.process.stdout is not None
    port = int(serving.process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1].split("/")[0])
    statuses = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for before in (lambda: None, lambda: shipped.add(Settings(), "bike_rentals")):
            before()
            connection.request("GET", "/bike_rentals/")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.request("GET", "/")
        assert "bike_rentals" in connection.getresponse().read().decode()
    os.kill(serving.process.pid, signal.SIGINT)
    assert (statuses, serving.end()[0]) == ([404, 200], 0)


def test_an_unknown_pipeline_and_a_missing_lake_are_sentences(data_folder: Path) -> None:
    assert invoke("reports", "nothing").exit_code == 2
    assert invoke("reports", "trip_delay", "--json").exit_code == 1
