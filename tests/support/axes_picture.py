"""The asymmetric face in everything that draws, side by side, and what C# reads of it, as one picture.

By hand: `python tests/support/axes_picture.py docs/clients/axes.webp`. Needs Chromium, `npm install` in tests/browser,
godot3, Xvfb, Mono and viser.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.asymmetric import asymmetric_face
from support.browser import Browser, require_node_modules
from support.csharp import compile_program
from support.godot import WITH_PICTURES, Godot
from support.stream import free_port, sink_context, wait_until

from driver.framing import FrameBuilder, FrameSettings
from driver.preview.page import Preview, Shown
from driver.publish import open_sink
from driver.sinks.sink import Sink
from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.picture import Camera, render_through
from protocol.msgpack_codec import encode

Picture = NDArray[np.uint8]

SIDE = 400
_BROWSER_PATIENCE_S = 90.0
# Where the panel begins in a window 1000 px wide; how bright a face is that light falls on, of 255.
_PANEL_PX, _LIT = 612, 60
_INK, _PAPER = (40, 40, 40), 248
_LINE = 22


@contextlib.contextmanager
def sending(sink: Sink) -> Iterator[None]:
    """The asymmetric face to `sink`, sixty times a second; closes it in the end."""
    ended = threading.Event()

    def run() -> None:
        seq = 0
        while not ended.wait(1 / 60):
            now_ns = time.perf_counter_ns()
            frame = dataclasses.replace(asymmetric_face(seq), capture_ns=now_ns, publish_ns=now_ns)
            sink.send(frame, encode(frame))
            seq += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sink.close()


def ours() -> Picture:
    """Our own renderer, through the page's camera: the head's middle 1 m away in a long lens."""
    half_angle = math.radians(10)
    face, distance_m = asymmetric_face(), 0.18 / math.tan(half_angle)
    vertices = FaceRig(open_head()).vertices(
        *ArkitMap(open_head()).to_motion(face.arkit),
        head_rotation=face.head_rotation,
        head_translation=[0, 0.015, -distance_m],
    )
    camera = Camera(SIDE / 2 / math.tan(half_angle), (SIDE / 2, SIDE / 2), (SIDE, SIDE))
    return render_through(camera, vertices, open_head())


def three_js(folder: Path) -> Picture:
    """The page in Chromium."""
    sink = open_sink(f"ws://127.0.0.1:0?modules={require_node_modules()}", sink_context())
    with sending(sink), Browser(folder, (SIDE, SIDE)) as browser:
        browser.open(sink.name.replace("ws://", "http://") + "/?bare=1")
        browser.wait_for(
            "globalThis.avatarDriver?.worn && avatarDriver.stream.buffer.presence === 1", _BROWSER_PATIENCE_S
        )
        drawn = browser.evaluate("avatarDriver.stage.drawn")
        browser.wait_for(f"avatarDriver.stage.drawn > {drawn + 2}", _BROWSER_PATIENCE_S)
        return browser.screenshot()


def godot(folder: Path) -> Picture:
    """examples/godot, before a screen that only memory has."""
    reader, writer = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"], pass_fds=[writer], stderr=subprocess.DEVNULL
    ) as screen:
        os.close(writer)
        with os.fdopen(reader) as display:
            number = display.readline().strip()
        path, port = folder / "godot.png", free_port()
        engine = Godot(folder, port, WITH_PICTURES, DISPLAY=f":{number}", PROBE_PICTURE=str(path))
        try:
            with sending(open_sink(f"osc://127.0.0.1:{port}", sink_context())):
                while "picture" not in engine.next(_BROWSER_PATIENCE_S):
                    pass
        finally:
            engine.stop()
            screen.terminate()
    return middle(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))


def preview(folder: Path) -> Picture:
    """viser's page in Chromium, without its panel."""
    arkit = ArkitMap(open_head())
    shown = Shown(FrameBuilder(FrameSettings(), "open-head/1", arkit), arkit, "mediapipe", is_mirrored=False)
    sink = Preview(0, sink_context(), shown)
    with sending(sink), Browser(folder, (1000, 600)) as browser:
        browser.open(sink.address)
        wait_until(lambda: sink.clients() == 1, _BROWSER_PATIENCE_S)
        # Nothing on the page says when it has drawn, and its light comes last.
        deadline_s = time.monotonic() + _BROWSER_PATIENCE_S
        while (picture := scene(browser))[SIDE // 3 : -SIDE // 3, SIDE // 3 : -SIDE // 3].mean() < _LIT:
            assert time.monotonic() < deadline_s, "the preview stays dark"
            time.sleep(1.0)
        return picture


def scene(browser: Browser) -> Picture:
    """What viser's page shows left of its panel; a notice on software rendering is closed."""
    browser.evaluate("document.querySelectorAll('.mantine-Notification-closeButton').forEach((one) => one.click())")
    return middle(browser.screenshot()[:, :_PANEL_PX])


def middle(picture: Picture) -> Picture:
    """The square in the middle, SIDE x SIDE."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.asarray(
        cv2.resize(picture[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8
    )


def csharp(folder: Path) -> list[str]:
    """Where things point to in Unity's axes, as the package's C# reads them under Mono."""
    packet = folder / "packet"
    packet.write_bytes(encode(asymmetric_face()))
    done = subprocess.run(
        ["mono", str(compile_program(folder)), "axes", str(packet)], capture_output=True, text=True, check=True
    )
    lines = []
    for line in done.stdout.splitlines():
        name, *numbers = line.split()
        values = [f"{float(number):+.3f}" for number in numbers]
        if name == "lids":
            lines.append(f"eyelids: left {values[0]}, right {values[1]}")
        else:
            lines.append(f"{name.replace('_', ' ')}: x {values[0]}  y {values[1]}  z {values[2]}")
    return lines


def sheet(pictures: dict[str, Picture], lines: list[str]) -> Picture:
    """The pictures in a row under their names; below them the lines, in two columns."""
    rows = (len(lines) + 1) // 2
    height = _LINE + SIDE + (rows + 2) * _LINE
    page = np.full((height, SIDE * len(pictures), 3), _PAPER, np.uint8)
    for column, (name, picture) in enumerate(pictures.items()):
        page[_LINE + 6 : _LINE + 6 + SIDE, column * SIDE : (column + 1) * SIDE] = picture
        write(page, name, column * SIDE + 8, _LINE - 4)
    top = _LINE + SIDE + 6 + _LINE
    write(
        page,
        "Unity's package (C# under Mono), Unity's axes: +x to the subject's RIGHT, +y up, +z out of the face",
        8,
        top,
    )
    for index, line in enumerate(lines):
        column, row = divmod(index, rows)
        write(page, line, 8 + column * SIDE * len(pictures) // 2, top + (row + 1) * _LINE)
    return page


def write(page: Picture, text: str, x: int, y: int) -> None:
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / name for name in ("page", "godot", "preview", "csharp")]
        for folder in folders:
            folder.mkdir()
        pictures = {
            "our own renderer": ours(),
            "three.js page (Chromium)": three_js(folders[0]),
            "Godot 3": godot(folders[1]),
            "preview (viser, Chromium)": preview(folders[2]),
        }
        page = sheet(pictures, csharp(folders[3]))
    cv2.imwrite(str(target), page[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 85])


if __name__ == "__main__":
    main()
