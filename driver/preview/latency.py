"""How old the face was when it was published, over the last seconds, as a plot."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from protocol.frame import FaceFrame, Floats

if TYPE_CHECKING:
    import viser

_SPAN_S = 10.0
_LONGEST = 2000


class Ages:
    """The ages of the newest frames. `add` may be called from another thread than `plotted`."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, int]] = deque(maxlen=_LONGEST)

    def add(self, frame: FaceFrame) -> None:
        """Remember capture and publish time of `frame`."""
        self._frames.append((frame.publish_ns, frame.publish_ns - frame.capture_ns))

    def plotted(self) -> tuple[Floats, Floats]:
        """Seconds before the newest frame (-10..0) and ages in ms, of each frame in the last 10 s."""
        frames = np.array(self._frames.copy(), np.int64).reshape(-1, 2)
        if not len(frames):
            return np.zeros(1, np.float32), np.zeros(1, np.float32)
        seconds = (frames[:, 0] - frames[-1, 0]) / 1e9
        is_recent = seconds >= -_SPAN_S
        return seconds[is_recent].astype(np.float32), (frames[is_recent, 1] / 1e6).astype(np.float32)


class LatencyPlot:
    """The plot in the page's present folder, with its numbers as a line of text."""

    def __init__(self, server: viser.ViserServer, ages: Ages) -> None:
        from viser import uplot

        self._ages = ages
        x, y = ages.plotted()
        self._plot = server.gui.add_uplot(
            (x.astype(np.float64), y.astype(np.float64)),
            (uplot.Series(label="s"), uplot.Series(label="ms", stroke="#42a5f5", width=1)),
            scales={
                "x": uplot.Scale(time=False, auto=False, range=(-_SPAN_S, 0.0)),
                "y": uplot.Scale(auto=True),
            },
            legend=uplot.Legend(show=False),
            aspect=2.2,
        )
        self._text = server.gui.add_markdown("")

    def show(self) -> None:
        """Bring both up to date."""
        x, y = self._ages.plotted()
        if len(x) < 2:
            return
        self._plot.data = (x.astype(np.float64), y.astype(np.float64))
        p50, p95, worst = np.percentile(y, (50, 95, 100)).tolist()
        rate_hz = (len(x) - 1) / max(float(x[-1] - x[0]), 1e-9)
        self._text.content = (
            f"capture to publish, last 10 s: p50 {p50:.0f}, p95 {p95:.0f}, worst {worst:.0f} ms; {rate_hz:.0f} frames/s"
        )
