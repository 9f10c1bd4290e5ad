"""What the voice model makes of held-out voices, to be looked at:

    python -m training.evaluate.voice_sheet --data-dir DATA

Three laughs and a sentence that it never heard in training: nine instants of the face that it gives, and beneath them
the sound, the laughter that it hears, the jaw and the smile. Written to docs/audio/voice.webp.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.clips import Clip, ClipStore, Floats
from training.data.laugh_sheet import strip
from training.evaluate.audio import WEIGHTS
from training.evaluate.audio_subjects import VoiceModel

_LAUGHS = 3
_LONGEST_HOPS = 400


def heard_clips(data: Path, model: VoiceModel) -> Iterator[tuple[Clip, Floats]]:
    """Held-out laughs of different voices, then a held-out sentence, with the model's motion; the laughter it hears."""
    laughs, speech = ClipStore(data / "laughter"), ClipStore(data / "synthetic")
    # Recordings before what was synthesised, one clip a person.
    held_out = sorted(
        (info.use != "weights", info.voice, number)
        for number, info in enumerate(laughs.infos)
        if info.split == "test" and info.kind == "laughter"
    )
    voices: dict[str, int] = {}
    for _, voice, number in held_out:
        voices.setdefault(voice, number)
    sentence = next(n for n, info in enumerate(speech.infos) if info.split == "val" and "flite" in info.voice)
    chosen = [laughs[number] for number in list(voices.values())[:_LAUGHS]] + [speech[sentence]]
    for clip in chosen:
        sound = clip.audio[: _LONGEST_HOPS * 320]
        heard = model.hear([sound])[0]
        is_speech = clip.info.kind == "speech"
        info = replace(clip.info, style="speech" if is_speech else "laugh")
        # The strip shows the stretch that is labelled; of a sentence all of it is.
        label = clip.speech if is_speech else clip.laughter
        yield Clip(info, sound, motion=heard.motion, laughter=label[: len(heard.laughter)]), heard.laughter


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of the voice model on voices that it never heard.")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--voice", type=Path, default=WEIGHTS / "voice.onnx")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs" / "audio" / "voice.webp")
    given = parser.parse_args()
    sheet = np.vstack([strip(clip, heard) for clip, heard in heard_clips(given.data_dir, VoiceModel(given.voice))])
    Image.fromarray(sheet).save(given.out, quality=82, method=6)
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
