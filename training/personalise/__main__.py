"""Your own face:  python -m training.personalise RECORDING [--name anna]

A recording is a video file with sound, about a minute of one person before the camera that they use: talk, smile,
frown, raise the brows, press and open the lips, blink, look about. What it teaches is kept in a profile, which
`avatar-driver --profile` wears: corrections of the shipped face network, the voice's style and articulation, rest and
centre. Each part is kept only if it is better on the third of the recording that it did not learn from.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from driver.capture.media import probe
from driver.errors import AvatarDriverError, MediaError
from driver.learnt import file_sha256
from driver.native_face import NativeFace
from driver.profiles import check_name, list_profiles, load_profile, save_profile
from driver.runtime import OnnxModel, OnnxNetwork
from driver.weights import find_audio_model, find_native_face
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from training.personalise.learning import TRACKER, VoiceFile, learn_face, learn_voice, profile_of
from training.personalise.recording import hear_file, watch_file

_DEVICE = "cpu"


def personalise(
    recording: Path,
    name: str,
    *,
    face_model: Path | None = None,
    voice_model: str = "",
    fov_deg: float = 60.0,
    folder: Path | None = None,
) -> None:
    """Learn from `recording` and keep the profile `name`, in `folder` or where the driver looks for it.

    Raises MediaError for a recording that cannot teach, ModelError for models that do not fit, and RunError when the
    profile cannot be written; then nothing has changed.
    """
    check_name(name)
    if recording.suffix == ".adrec":
        raise MediaError(f"{recording} holds what was sent, not pictures; give a video file of yourself")
    before = load_profile(name, folder) if name in list_profiles(folder) else None
    before = before if before is not None and before.tracker == TRACKER else None
    face_file, detector_file = find_native_face(face_model)
    voice_file = find_audio_model(voice_model)
    detector = OnnxNetwork(detector_file, _DEVICE)
    face = NativeFace(OnnxModel(face_file, _DEVICE), detector, horizontal_fov_deg=fov_deg)
    length_s = probe(recording).duration_s
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("watching", total=length_s)
        seen = watch_file(recording, face, detector, lambda at_s: progress.update(task, completed=at_s))
        progress.update(task, description="learning the face")
        adapter, said = learn_face(seen, file_sha256(face_file))
        progress.update(task, description="listening")
        voice = VoiceFile(OnnxModel(voice_file, _DEVICE), file_sha256(voice_file))
        way, said_of_voice = learn_voice(seen, hear_file(recording), voice)
    for sentence in (*said, *said_of_voice):
        print(sentence)
    made = profile_of(seen, adapter, way, ArkitMap(open_head()), datetime.now(UTC), before)
    place, replaced = save_profile(name, made, folder)
    print(f"saved {place} ({place.stat().st_size / 1e3:.0f} kB); use it with --profile {name}")
    if replaced is not None:
        print(f"the profile before is kept as {replaced}")
    print(f"to tell it your utmost too: avatar-driver calibrate --webcam --name {name} (keeps what was learnt)")


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit code is the driver's."""
    parser = argparse.ArgumentParser(prog="python -m training.personalise", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recording", type=Path, help="a video file with sound, about a minute of you")
    parser.add_argument("--name", default="default", help="of the profile (default)")
    parser.add_argument(
        "--face-model", type=Path, default=None, metavar="FILE", help="instead of the shipped face.onnx"
    )
    parser.add_argument("--voice-model", default="", metavar="FILE", help="instead of the shipped voice.onnx")
    parser.add_argument("--fov", type=float, default=60.0, metavar="DEG", help="the camera's field of view (60)")
    parser.add_argument("--profiles", type=Path, default=None, metavar="DIR", help="folder of the profiles")
    parser.add_argument("--gently", action="store_true", help="leave the processor to whoever else wants it")
    options = parser.parse_args(arguments)
    if options.gently and hasattr(os, "nice"):
        os.nice(10)
    try:
        personalise(
            options.recording,
            options.name,
            face_model=options.face_model,
            voice_model=options.voice_model,
            fov_deg=options.fov,
            folder=options.profiles,
        )
    except AvatarDriverError as error:
        print(f"personalise: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
