"""A real headless Chromium, driven over its DevTools protocol: pages, their errors, their values and their pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
# WebGL without a graphics card, and no look-ups of its own.
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
NODE_MODULES = Path(__file__).parents[1] / "browser" / "node_modules"


def require_browser() -> str:
    """The program; skips the test where there is none."""
    for program in PROGRAMS:
        if shutil.which(program):
            return program
    pytest.skip(f"needs a headless browser ({' or '.join(PROGRAMS)}): apt-get install chromium-headless-shell")


def require_node_modules() -> Path:
    """The folder with three.js and what judges glTF files; skips the test where it was not installed."""
    if not NODE_MODULES.is_dir():
        pytest.skip(f"needs npm's packages: npm install --prefix {NODE_MODULES.parent.relative_to(Path.cwd())}")
    return NODE_MODULES


class Browser:
    """One page. A context manager; `console` holds what the page said, `errors` what went wrong in it.

    niceness   0..19, how far it stands back behind other programs
    """

    def __init__(self, folder: Path, size: tuple[int, int] = (480, 480), niceness: int = 0) -> None:
        self.console: list[str] = []
        self.errors: list[str] = []
        self._number = 0
        profile = folder / "chromium"
        window = f"--window-size={size[0]},{size[1]}"
        stand_back = ["nice", "-n", str(niceness)] if niceness else []
        self._process = subprocess.Popen(
            [*stand_back, require_browser(), *OPTIONS, f"--user-data-dir={profile}", window],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._browser = connect(self._address(), max_size=None, compression=None)
            target = self._call("Target.createTarget", url="about:blank", width=size[0], height=size[1])["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        except BaseException:
            self.close()
            raise
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "DevTools listening on " in line:
                return line.split()[-1]
        raise RuntimeError("the browser ended before it listened")

    def open(self, url: str) -> None:
        """Go to `url`."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited. An exception there is one here."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", answer))
        return answer["result"].get("value")

    def wait_for(self, script: str, within_s: float = 30.0) -> None:
        """Returns when the expression is true; fails the test, with what the page said, when it does not in time."""
        deadline_s = time.monotonic() + within_s
        while not self.evaluate(f"Boolean({script})"):
            said = "\n".join(self.errors + self.console)
            assert time.monotonic() < deadline_s, f"{script} did not come true; the page said:\n{said}"
            time.sleep(0.05)

    def choose_file(self, selector: str, file: Path) -> None:
        """As a person picks `file` in the file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def screenshot(self) -> NDArray[np.uint8]:
        """The page as RGB [height, width, 3]."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return np.ascontiguousarray(picture[:, :, ::-1])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command to the page."""
        return self._call(method, session=self._session, **parameters)

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._browser.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._browser.recv(timeout=60))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._hear(answer.get("method"), answer.get("params", {}))

    def _hear(self, event: str | None, details: dict[str, Any]) -> None:
        if event == "Runtime.consoleAPICalled":
            words = [str(one.get("value", one.get("description", ""))) for one in details["args"]]
            self.console.append(f"{details['type']}: {' '.join(words)}")
        elif event == "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            self.errors.append(thrown.get("exception", {}).get("description", thrown["text"]))
        elif event == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.errors.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")

    def close(self) -> None:
        if hasattr(self, "_browser"):
            with contextlib.suppress(WebSocketException, OSError):
                self._call("Browser.close")
            self._browser.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
