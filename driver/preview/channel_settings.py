"""Gain, offset, dead zone and curve of each of the 52 channels, and what to write down to keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Protocol

from driver.channels import Channel, default_channels
from protocol.frame import ARKIT_SHAPES

if TYPE_CHECKING:
    import viser

_RANGES = {"gain": (0.0, 4.0), "offset": (-1.0, 1.0), "dead_zone": (0.0, 0.9), "curve": (0.25, 4.0)}
_STEP = 0.01


class HasChannels(Protocol):
    """See `driver.framing.FrameBuilder`."""

    @property
    def channels(self) -> Mapping[str, Channel]: ...
    def set_channels(self, channels: Mapping[str, Channel]) -> None: ...


class ChannelSettings:
    """In the page's present folder: a channel to choose, its four sliders, and the lines for the configuration file."""

    def __init__(self, server: viser.ViserServer, builder: HasChannels) -> None:
        self._builder = builder
        gui = server.gui
        with gui.add_folder("channels"):
            self.choice = gui.add_dropdown("channel", ARKIT_SHAPES, initial_value="jawOpen")
            chosen = self._chosen
            self.sliders = {
                name: gui.add_slider(name.replace("_", " "), low, high, _STEP, float(getattr(chosen, name)))
                for name, (low, high) in _RANGES.items()
            }
            self.reset = gui.add_button("reset this channel")
            self.lines = gui.add_markdown("")
        self._tell()
        self.choice.on_update(lambda event: self._put_sliders())
        self.reset.on_click(lambda event: self._reset())
        for name in self.sliders:
            self._connect(name)

    @property
    def _chosen(self) -> Channel:
        return self._builder.channels[self.choice.value]

    def _connect(self, name: str) -> None:
        slider = self.sliders[name]

        def turn(event: object) -> None:
            if getattr(self._chosen, name) != slider.value:
                self._set(replace(self._chosen, **{name: slider.value}))

        slider.on_update(turn)

    def _put_sliders(self) -> None:
        chosen = self._chosen
        for name, slider in self.sliders.items():
            slider.value = float(getattr(chosen, name))

    def _reset(self) -> None:
        self._set(default_channels()[self.choice.value])
        self._put_sliders()

    def _set(self, channel: Channel) -> None:
        self._builder.set_channels({**self._builder.channels, self.choice.value: channel})
        self._tell()

    def _tell(self) -> None:
        lines = toml_lines(self._builder.channels)
        self.lines.content = f"to keep this, for `--config`:\n```toml\n{lines}```" if lines else ""


def toml_lines(channels: Mapping[str, Channel]) -> str:
    """The tables of a configuration file that say how `channels` differ from the default; "" when they do not."""
    lines: list[str] = []
    for name, default in default_channels().items():
        channel = channels.get(name, default)
        changed = [one.name for one in fields(Channel) if getattr(channel, one.name) != getattr(default, one.name)]
        if changed:
            lines.append(f"[channels.{name}]")
            lines += [f"{one} = {getattr(channel, one):.4g}" for one in changed]
    return "".join(f"{line}\n" for line in lines)
