"""Stores of speech:  python -m training.data.build_speech --out DIR [--hours 6] [--data SHARED_DATA] [--seed 0]

Writes DIR/synthetic: clips of 6 to 20 s in which one synthetic voice says a few sentences with pauses between; train,
and a tenth as much val by voices that are never learnt from. Started again, it goes on where it stopped.
With --data also DIR/recordings: the real voices of DATA/MANIFEST.tsv, aligned. `--motion-only` makes the motion of both
again from the phones, after a correction of the articulatory table.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.clips import HOP_S, ClipInfo, Floats
from training.data.recordings import build_recordings
from training.data.speech_clips import SpeechWriter, draw_style_name, rewrite_motion
from training.data.synthesizers import Speakers, Voice, draw_delivery, draw_voice
from training.data.utterance import Utterance, joined

_VAL_SHARE = 0.09  # of the hours
_SECONDS = (6.0, 20.0)
_EDGE_S, _PAUSE_S = (0.1, 1.2), (0.2, 2.0)
_LEVEL_DB = (-31.0, -15.0)  # rms of what is spoken, re full scale
_PEAK = 0.98


def build_synthetic(folder: Path, hours: float, seed: int, progress: Progress | None = None) -> None:
    """Append clips to the store `folder` until it has `hours` (train) and a share of that (val)."""
    speakers = Speakers(seed)
    with SpeechWriter(folder) as writer:
        for split, seconds in (("val", 3600 * hours * _VAL_SHARE), ("train", 3600 * hours)):
            task = progress.add_task(f"synthetic {split}", total=seconds) if progress else None
            done_s, number = 0.0, 0
            while done_s < seconds:
                rng = np.random.default_rng([seed, number, split == "val"])
                voice = draw_voice(rng, split)
                name, style = f"{split}{number:05d}.{voice.name}", draw_style_name(rng)
                number += 1
                if name in writer.names:
                    done_s += float(np.mean(_SECONDS))
                    continue
                said = _clip(speakers, voice, rng)
                if said is None:
                    continue
                info = ClipInfo(name, voice.name, "synthetic", "speech", voice.use, split, style)
                clip = writer.add(info, said, seed=int(rng.integers(2**31)))
                done_s += clip.hops * HOP_S if clip else 0.0
                if progress and task is not None:
                    progress.update(task, completed=done_s)


def _clip(speakers: Speakers, voice: Voice, rng: np.random.Generator) -> Utterance | None:
    """Sentences of one voice with pauses, at a random level; None when the voice fails."""
    delivery, wanted_s = draw_delivery(voice, rng), rng.uniform(*_SECONDS)
    parts, pauses_s = list[Utterance](), [float(rng.uniform(*_EDGE_S))]
    for _ in range(30):
        said = speakers.utterance(voice, delivery, rng)
        if said is not None:
            parts.append(said)
            # Short pauses are more usual than long ones.
            pauses_s.append(float(np.exp(rng.uniform(*np.log(_PAUSE_S)))))
        if sum(part.seconds for part in parts) + sum(pauses_s) > wanted_s:
            break
    if not parts:
        return None
    pauses_s[-1] = float(rng.uniform(*_EDGE_S))
    said = joined(parts, pauses_s)
    return Utterance(_at_level(said.audio, float(rng.uniform(*_LEVEL_DB))), said.phones)


def _at_level(audio: Floats, level_db: float) -> Floats:
    loud = np.abs(audio) > 0.05 * np.max(np.abs(audio), initial=1e-6)
    rms = float(np.sqrt(np.mean(np.square(audio[loud])))) if loud.any() else 1.0
    gain = min(10 ** (level_db / 20) / rms, _PEAK / max(float(np.max(np.abs(audio))), 1e-6))
    return (audio * gain).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.data.build_speech", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--hours", type=float, default=6.0, help="of synthetic speech to learn from")
    parser.add_argument("--data", type=Path, default=os.environ.get("AVATAR_DRIVER_DATA"), help="real voices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--motion-only", action="store_true", help="make the motion of what is there again")
    arguments = parser.parse_args()
    out: Path = arguments.out
    began = time.perf_counter()
    if arguments.motion_only:
        for name in ("synthetic", "recordings"):
            if (out / name / "index.jsonl").exists():
                print(f"{name}: {rewrite_motion(out / name)} hops")
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        build_synthetic(out / "synthetic", arguments.hours, arguments.seed, progress)
        if arguments.data:
            build_recordings(Path(arguments.data), out / "recordings", progress)
    print(f"built in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
