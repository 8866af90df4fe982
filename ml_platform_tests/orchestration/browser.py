"""A headless Chromium, spoken to over its own protocol: no driver is needed."""

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1440,1000",
]


class Page:
    """One page. JavaScript is given as an expression."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)

    def open(self, url: str) -> None:
        """Go there; what is drawn later is waited for by `wait`."""
        self._call("Page.navigate", url=url)

    def wait(self, condition: str, seconds: int = 60) -> Any:
        """The value of the expression once it is true. Raises AssertionError with the page's text when it never is."""
        script = f"""new Promise(done => {{
            const end = Date.now() + {seconds * 1000};
            const look = () => {{
                let found = null;
                try {{ found = {condition}; }} catch (error) {{ }}  // the page is still being drawn
                if (found) done(found); else if (Date.now() > end) done(null); else setTimeout(look, 50);
            }};
            look();
        }})"""
        while True:
            answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
            if "result" in answer:  # not so when a page gave way to the next meanwhile
                break
        found = answer["result"].get("value")
        assert found, f"{condition} never was true on: {self.text()}"
        return found

    def text(self) -> str:
        """What there is to read."""
        return str(self.value("document.body.innerText"))

    def value(self, expression: str) -> Any:
        """The value of an expression now."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        """Show the page as a screen of that size shows it, in CSS pixels; a narrow one as a phone."""
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def picture(self) -> bytes:
        """What the screen shows, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=120))
            if answer.get("id") == number:
                return dict(answer.get("result", {}))


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A page of a Chromium of its own, with its profile in `folder`; ended with all its children."""
    if CHROMIUM is None:
        pytest.fail("Chromium was not found: install it (apt-get install chromium).")
    profile = folder / "profile"
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:  # it says where it listens, and before that this and that
                log.write(line)
                if "DevTools listening on ws://" in line:
                    port = line.rpartition("ws://")[2].split("/")[0]
                    break
            with urlopen(f"http://{port}/json/list") as answer:
                (found,) = [target for target in json.load(answer) if target["type"] == "page"]
            with connect(found["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            end(process)
            if process.stderr is not None:
                process.stderr.close()


def end(process: subprocess.Popen[Any]) -> None:
    """End a process and every child it made."""
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.wait()
