"""Dagster's pages in a real browser: what people see of an asset."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_platform_tests.orchestration import browser
from ml_platform_tests.orchestration.dagster_platform import Platform

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Dagster's web server over the platform that ran."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-m", "ml_platform.definitions"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=output, start_new_session=True, env={**os.environ}
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            browser.end(server)


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[browser.Page]:
    with browser.page(tmp_path) as opened:
        _wait_until_served(opened, address)
        yield opened


def _wait_until_served(page: browser.Page, address: str) -> None:
    """The server takes seconds to load the code; a page of another origin may ask until it answers."""
    page.wait(f"window.up || (fetch('{address}', {{mode: 'no-cors'}}).then(() => {{ window.up = true }}, () => 0), 0)")


def _skip_the_welcome(page: browser.Page) -> None:
    page.wait(
        "[...document.querySelectorAll('button, a')].find(each => each.innerText.trim() === 'Skip')?.click() ?? 1"
    )


def test_an_asset_page_explains_itself_and_shows_its_picture(page: browser.Page, address: str) -> None:
    page.open(f"{address}/assets/churn/verdicts?view=events")
    page.wait("document.body.innerText.includes('ROC curve')")
    _skip_the_welcome(page)
    page.wait(
        "window.asked ??= [...document.querySelectorAll('tr')].find(row => row.innerText.startsWith('ROC curve'))"
        "?.querySelector('td:nth-child(2) *:not(:has(*))')?.click() ?? true"
    )
    page.wait("document.querySelector('img[src^=\"data:image/svg+xml\"]')?.naturalWidth")


def test_the_overview_has_description_columns_and_checks(page: browser.Page, address: str) -> None:
    page.open(f"{address}/assets/trip_delay/features")
    page.wait("document.body.innerText.includes('A feature uses only what was known before that time')")
    page.wait("document.body.innerText.includes('mean of late over trips rows with the same driver')")
    page.open(f"{address}/assets/validated/trips?view=checks")
    # The first of the checks stands open; the others are in the list.
    page.wait("document.body.innerText.includes('No number column has its long tail on the other side than before')")
    page.wait("['keys', 'null_share', 'schema'].every(name => document.body.innerText.includes(name))")
