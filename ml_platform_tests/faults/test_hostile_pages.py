"""The hostile town in a real browser and on a real terminal: nothing of the data runs."""

import os
import pty
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import ml_platform
from ml_platform import Drift
from ml_platform.cli.report_server import ReportServer
from ml_platform.monitoring.report_worker import worker
from ml_platform.views.model_card.assembled import model_card
from ml_platform.views.model_card.page import page as card_page
from ml_platform.views.report_index import index_page, reports
from ml_platform.views.version_card import card_of
from ml_platform_tests.declarations import hostile_trips
from ml_platform_tests.faults.hostile_town import FEBRUARY, NAME, a_hostile_trip, build
from ml_platform_tests.hostile_text import RAN, assert_printed, markdown_page
from ml_platform_tests.orchestration import browser
from ml_platform_tests.world import World, world

pytestmark = pytest.mark.slow
# What rich and readline do to a terminal: colours, the cursor's visibility, erasing and leaving a line.
_OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|[0-2]?K|[0-9]*A)|\x1b\[\?2004[hl]|\r")

_PROBE = f"""(() => {{
    const probe = document.createElement('img');
    probe.id = 'probe';
    probe.setAttribute('onerror', "{RAN}");
    probe.src = 'x';
    document.body.append(probe);
    return 1;
}})()"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The town with a report of February, drawn from 200 rows."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    build(folder)
    with closing(world(folder, hostile_trips.described(drift=Drift(report_rows=200)), pictures=True)) as one:
        for step in ("performance", "drift", "report"):
            one.step(f"{NAME}/{step}", FEBRUARY)
        yield one
    worker().close()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[browser.Page]:
    with browser.page(tmp_path) as opened:
        yield opened


def _opened(page: browser.Page, url: str, drawn: str) -> None:
    """Open a page, wait for what is drawn on it, and see that nothing of the data ran."""
    page.open(url)
    page.wait(f"location.href === {url!r} && {drawn}")
    assert page.value("document.title") != "ran"
    assert "onerror" in page.text()
    assert page.value("document.querySelectorAll('img:not([src^=\"data:\"]), a[href*=invalid], iframe').length") == 0
    # The policy holds also where a script would get in: a handler that is added now does not run.
    page.value(_PROBE)
    page.wait("document.getElementById('probe').complete")
    assert page.value("document.title") != "ran"


def test_a_report_in_a_browser_has_its_charts_and_runs_nothing_of_the_data(reported: World, page: browser.Page) -> None:
    pipeline, folder = reported.pipeline, reported.settings.reports
    index = index_page(pipeline, reports(reported.ws, pipeline))
    with ReportServer(folder, lambda path: index if path == f"/{NAME}/" else None, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            _opened(page, f"{server.url}/{NAME}/", "document.querySelectorAll('table').length > 0")
            report, charts = f"{NAME}/{FEBRUARY}/report.html", "document.querySelectorAll('.js-plotly-plot').length > 6"
            _opened(page, f"{server.url}/{report}", charts)
            _opened(page, (folder / report).resolve().as_uri(), charts)
        finally:
            server.shutdown()
            thread.join()


def test_a_notebook_and_a_card_in_a_browser_run_nothing_of_the_data(
    reported: World, page: browser.Page, tmp_path: Path
) -> None:
    data = reported.settings.data
    markdown_page(card_of(reported.ws, reported.pipeline, 1))
    with ml_platform.open(data) as platform:
        shown = platform[NAME].why(a_hostile_trip(data))._repr_html_() + platform._repr_html_()
    file = tmp_path / "notebook.html"
    file.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>notebook</title>{shown}")
    page.open(file.as_uri())
    page.wait("document.querySelector('img[src^=\"data:\"]')?.naturalWidth")
    assert page.value("document.title") == "notebook"
    assert "onerror" in page.text()


def test_a_model_card_in_a_browser_runs_nothing_of_the_data_and_fits_a_phone(
    reported: World, page: browser.Page, tmp_path: Path
) -> None:
    file = tmp_path / "card.html"
    file.write_text(card_page(model_card(reported.ws, reported.pipeline, 1)))
    page.resize(390, 844)
    _opened(page, file.as_uri(), "document.querySelectorAll('img[src^=\"data:\"]').length > 1")
    assert page.value("document.documentElement.scrollWidth") <= 390
    assert page.value("[...document.images].every(one => one.id === 'probe' || one.naturalWidth > 0)")


def test_a_terminal_shows_it_and_keeps_its_title(reported: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(reported.settings.data, data)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "ML_PLATFORM_DATA": str(data),
        "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.hostile_trips"]',
        "DAGSTER_HOME": str(home),
        "TERM": "xterm-256color",
    }
    for words in (
        ["quarantine", NAME, "--rows", "5"],
        ["alerts"],
        ["doctor"],
        ["why", NAME, a_hostile_trip(data)],
        ["sql", f"SELECT zone::INTEGER FROM {NAME}.features WHERE zone LIKE '%error%'"],
        ["run", NAME],
        ["status"],
    ):
        output = _on_a_terminal(words, environment)
        assert "\x1b[" in output  # it is a terminal: colours are there
        assert_printed(_OURS.sub("", output))


def _on_a_terminal(words: list[str], environment: dict[str, str]) -> str:
    """What a terminal gets from the command, as it gets it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "ml_platform.cli.main", *words], environment)
    written = b""
    while True:
        try:
            some = os.read(terminal, 65_536)
        except OSError:  # it was closed, as Linux says it
            break
        if not some:
            break
        written += some
    os.close(terminal)
    os.waitpid(pid, 0)
    return written.decode()
