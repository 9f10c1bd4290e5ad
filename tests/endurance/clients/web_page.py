"""Our page in a real browser."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from endurance.clients.client import Client, Heard, Values
from support.browser import NODE_MODULES, PROGRAMS, Browser
from support.stream import free_port

from protocol.frame import FaceFrame


class Page(Client):
    """Our page with three.js in Chromium. Frames are noted as its client hands them out, before they are drawn.

    Without a graphics card it would draw with all the processor that it gets, and so it stands back.
    """

    name = "Chromium's page (WebSocket)"
    is_prompt = False

    _NOTE = """(() => { globalThis.seen = [];
      avatarDriver.stream.options = { ...avatarDriver.stream.options, onFace: (face) => seen.push(
        [Date.now(), face.seq, ...face.arkit, ...face.headRotation, ...face.headTranslation, ...face.gaze]) }; })()"""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[float]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @staticmethod
    def missing() -> str | None:
        if not any(map(shutil.which, PROGRAMS)):
            return f"needs one of {', '.join(PROGRAMS)}"
        return None if NODE_MODULES.is_dir() else "needs `npm install` in tests/browser"

    def start(self, folder: Path) -> None:
        self._folder = folder
        self.urls = [f"ws://127.0.0.1:{free_port()}?modules={NODE_MODULES}"]
        self._browser = Browser(self._folder, (320, 320), niceness=19)

    def join(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        browser = self._browser
        browser.open(self.urls[0].partition("?")[0].replace("ws://", "http://") + "/?bare=1")
        browser.wait_for("globalThis.avatarDriver?.stream")
        browser.evaluate(self._NOTE)
        began_s, drawn = time.monotonic(), 0
        while not self._ended.wait(1.0):
            rows, drawn = browser.evaluate("[seen.splice(0), avatarDriver.stage.drawn]")
            self._rows += rows
        self._rows += browser.evaluate("seen.splice(0)")
        self.note = f"draws {drawn / (time.monotonic() - began_s):.0f} pictures/s"

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._browser.close()

    def expected(self, frame: FaceFrame) -> Values:
        return np.concatenate([frame.arkit, frame.head_rotation, frame.head_translation, frame.gaze])

    def heard(self) -> Iterator[Heard]:
        for at_ms, seq, *values in self._rows:
            yield Heard(at_ms / 1e3, np.array(values), int(seq))
