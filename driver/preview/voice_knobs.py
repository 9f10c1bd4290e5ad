"""Sliders for the voice's knobs (`driver.knobs`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from driver.control import Turnable
from driver.errors import AvatarDriverError
from driver.knobs import HIGHEST_STRENGTH, LONGEST_LOOKAHEAD_MS, LONGEST_SMOOTHING_MS

if TYPE_CHECKING:
    import viser


class VoiceKnobs:
    """In the page's present folder. A knob that the model lacks goes back to where it stood, and `say` is told why."""

    def __init__(self, server: viser.ViserServer, voice: Turnable, say: Callable[[str], None]) -> None:
        self._voice, self._say = voice, say
        gui, knobs = server.gui, voice.knobs
        self._shown = knobs
        with gui.add_folder("voice"):
            self.sliders: dict[str, viser.GuiSliderHandle[Any]] = {
                "lookahead_ms": gui.add_slider("look-ahead, ms", 0, LONGEST_LOOKAHEAD_MS, 20, knobs.lookahead_ms),
                "articulation": gui.add_slider("articulation", 0.0, HIGHEST_STRENGTH, 0.05, float(knobs.articulation)),
                "laughter": gui.add_slider("laughter", 0.0, HIGHEST_STRENGTH, 0.05, float(knobs.laughter)),
                "smoothing_ms": gui.add_slider("smoothing, ms", 0.0, LONGEST_SMOOTHING_MS, 10.0, knobs.smoothing_ms),
            }
        for name in self.sliders:
            self._connect(name)

    def _connect(self, name: str) -> None:
        slider = self.sliders[name]

        def turn(event: object) -> None:
            now = self._voice.knobs
            if getattr(now, name) == slider.value:
                return
            wanted = replace(now, **{name: slider.value})
            try:
                self._voice.set_knobs(wanted)
                self._shown = wanted
            except AvatarDriverError as error:
                self._say(str(error))
                slider.value = getattr(now, name)

        slider.on_update(turn)

    def show(self) -> None:
        """Where the knobs stand now, should somebody else have turned them (`--control`)."""
        knobs = self._voice.knobs
        if knobs == self._shown:  # what a slider has beyond that was moved just now, and is heeded in a moment
            return
        self._shown = knobs
        for name, slider in self.sliders.items():
            value = getattr(knobs, name)
            if slider.value != value:
                slider.value = value
