"""Files and stages that stand for videos and their curation: quick, exact, and able to fail in every way.

A file is a line of JSON: {"clips": how many it holds, "at": name of a stage, "does": what happens to it there}, of
which `does` is one of "raise", "reject", "crash", "crash once", "hang".
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.curation.item import Item
from training.curation.settings import CurationSettings
from training.curation.stage import Stage

CLIP_HOPS = 5


def made_up_videos(folder: Path, count: int = 12) -> list[Path]:
    """`count` files with none to three clips each, of which every fourth has a fault: a broken one, one that is turned
    down, a copy. None of them crashes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"video{number:03d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        table = {"number": number, "clips": number % 4}
        if number % 4 == 1:
            table |= {"at": "look", "does": ("raise", "reject")[number // 4 % 2]}
        path.write_text(json.dumps(table), encoding="utf-8")
    paths[-1].write_text(paths[2].read_text(encoding="utf-8"), encoding="utf-8")
    return paths


def made_up_video(path: Path, clips: int = 2, at: str = "", does: str = "") -> Path:
    """One file, see above; `at` and `does` say what goes wrong with it."""
    table = {"name": path.stem, "clips": clips, "at": at, "does": does}
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def _open(item: Item, settings: CurationSettings) -> Iterator[Item]:
    table = _happen(item, "open")
    yield replace(item, end_s=0.1 * (1 + table["clips"])).with_figures(clips=table["clips"])


def _look(item: Item, settings: CurationSettings) -> Iterator[Item]:
    table = _happen(item, "look")
    if table.get("at") == "look" and table["does"] == "reject":
        yield item.reject("look", "nobody is there", faces=0)
        return
    for number in range(table["clips"]):
        rng = np.random.default_rng([number, *item.content.encode()])
        begin_s = 0.1 * number
        yield replace(item, begin_s=begin_s, end_s=begin_s + 0.1, subset="talk").with_arrays(
            {
                "audio": rng.normal(size=CLIP_HOPS * 320).astype(np.float32),
                "jaw": rng.normal(size=(CLIP_HOPS, 3)).astype(np.float32),
            }
        )


def _judge(item: Item, settings: CurationSettings) -> Iterator[Item]:
    _happen(item, "judge")
    if item.begin_s > 0.15:
        yield item.reject("judge", "the third clip is one too many", begin_s=item.begin_s)
    else:
        yield item.with_figures(loudness=float(np.abs(item.arrays["audio"]).mean()))


def _happen(item: Item, stage: str) -> dict[str, Any]:
    """What the file says, after what it does in this stage."""
    path = Path(item.source)
    table = json.loads(path.read_text(encoding="utf-8"))
    does = table.get("does", "") if table.get("at") == stage else ""
    if does == "raise":
        raise RuntimeError("this file was made to be broken")
    if does == "hang":
        time.sleep(3600)
    mark = path.with_suffix(".crashed")
    if does == "crash" or (does == "crash once" and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return table


MADE_UP_STAGES = (Stage("open", _open), Stage("look", _look), Stage("judge", _judge))
