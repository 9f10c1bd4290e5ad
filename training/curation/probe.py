"""Opens a file: what cannot be opened, or is too short, silent or without pictures, is turned down in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from driver.capture.media import open_media, video_stream
from driver.errors import MediaError
from training.curation.item import Item, on_grid
from training.curation.settings import CurationSettings


def probe(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The whole file as one piece, if pictures and sound are in it and it is long enough."""
    try:
        with open_media(Path(item.source)) as container:
            stream, has_audio = video_stream(container), bool(container.streams.audio)
            duration_s = container.duration / 1e6 if container.duration else 0.0
            rate_hz = float(stream.average_rate or stream.guessed_rate or 0) if stream else 0.0
            if stream is None:
                yield item.reject("probe", "the file has no moving picture")
            elif stream.codec_context is None:  # PyAV's types do not know that it may be
                yield item.reject("probe", "the pictures are in a format that nobody here can decode")
            elif not has_audio:
                yield item.reject("probe", "the file has no sound")
            elif rate_hz < settings.rate_minimum_hz:
                least = settings.rate_minimum_hz
                yield item.reject("probe", f"{rate_hz:.3g} pictures a second; lips need {least:g}", rate_hz=rate_hz)
            elif duration_s < settings.clip_s:
                yield item.reject(
                    "probe", f"{duration_s:.2f} s long; a clip is {settings.clip_s:g} s", seconds=duration_s
                )
            else:
                piece = replace(item, end_s=on_grid(duration_s))
                yield piece.with_figures(rate_hz=rate_hz, width_px=stream.width, height_px=stream.height)
    except MediaError as error:
        yield item.reject("probe", str(error))
