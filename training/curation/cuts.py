"""Splits a video where the camera cuts (PySceneDetect), so that no clip shows two places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.curation.item import Item
from training.curation.media import Picture, pictures
from training.curation.settings import CurationSettings
from training.recipe import RecipeError

# A cut shows in small pictures as well as in large ones.
_LONG_SIDE_PX = 256
_SHORTEST_SHOT_S = 0.5


def cuts(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The shots of `item` that are long enough, those longer than `longest_s` in pieces; short ones are turned down."""
    if settings.cut_detector == "none":
        times_s = list[float]()
    else:
        shown = pictures(Path(item.source), item.begin_s, item.end_s, _LONG_SIDE_PX)
        times_s = cut_times_s(shown, item.figures["rate_hz"], settings)
    edges = [item.begin_s, *times_s, item.end_s]
    for begin_s, end_s in pairwise(edges):
        shot = item.part(begin_s, end_s)
        if shot.seconds < settings.clip_s - 1e-6:
            reason = f"{shot.seconds:.2f} s from cut to cut; a clip is {settings.clip_s:g} s"
            yield shot.reject("cuts", reason, seconds=shot.seconds)
        else:
            yield from pieces(shot, settings)


def pieces(shot: Item, settings: CurationSettings) -> Iterator[Item]:
    """`shot` in equal parts of at most `longest_s`, which keeps what an item carries small."""
    count = max(1, -int(-(shot.seconds - 1e-6) // settings.longest_s))
    each_s = shot.seconds / count
    for number in range(count):
        yield shot.part(shot.begin_s + number * each_s, shot.begin_s + (number + 1) * each_s)


def cut_times_s(shown: Iterable[tuple[float, Picture]], rate_hz: float, settings: CurationSettings) -> list[float]:
    """When a new shot begins, in seconds, of pictures with their times."""
    try:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector, ContentDetector
    except ImportError as error:
        raise RecipeError(
            "cuts are found by the package scenedetect, which is not installed; pip install 'avatar-driver[curation]', "
            'or, for videos without cuts, curation.cut_detector="none"'
        ) from error
    kind, threshold = (
        (AdaptiveDetector, "adaptive_threshold")
        if settings.cut_detector == "adaptive"
        else (ContentDetector, "threshold")
    )
    asked: dict[str, Any] = {threshold: settings.cut_threshold} if settings.cut_threshold else {}
    detector = kind(min_scene_len=_SHORTEST_SHOT_S, **asked)
    times_s, found = list[float](), list[int]()
    for number, (time_s, picture) in enumerate(shown):
        times_s.append(time_s)
        code = FrameTimecode(number, rate_hz)
        as_bgr = picture[:, :, ::-1]
        found += [cut.frame_num for cut in detector.process_frame(code, as_bgr)]
    if times_s:
        found += [cut.frame_num for cut in detector.post_process(FrameTimecode(len(times_s) - 1, rate_hz))]
    return [times_s[number] for number in sorted(set(found)) if 0 < number < len(times_s)]
