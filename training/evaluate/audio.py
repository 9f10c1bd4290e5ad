"""One table of how well voices drive the face:  python -m training.evaluate audio --data-dir DATA

Subjects: models/weights/voice.onnx (where it is there) at each look-ahead, the envelope baseline, headaudio from npm,
and the target itself, whose figures say what is possible. Printed, and written to docs/audio/evaluation.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.evaluate.audio_columns import COLUMNS, Column, Judged
from training.evaluate.audio_material import (
    FACES,
    LAUGHTER,
    SYNTHETIC,
    TALKERS,
    TUNING_FACES,
    Material,
    listened,
    load,
)
from training.evaluate.audio_subjects import HeadAudio, Heard, Subject, Unavailable, VoiceModel
from training.evaluate.table import NOT_KNOWN, deliver, line, number, table

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "models" / "weights"
PAGE = ROOT / "docs" / "audio" / "evaluation.md"
LOOKAHEADS_MS = (0, 40, 80, 160, 240)
TITLES = [column.title for column in COLUMNS]


def subjects(voice: Path, lookaheads_ms: Sequence[int], cache: Path) -> tuple[list[Subject], list[str]]:
    """Who can be judged here, and a sentence for each who cannot."""
    found: list[Subject] = []
    absent: list[str] = []
    if voice.exists():
        found += [VoiceModel(voice, milliseconds / 1e3) for milliseconds in lookaheads_ms]
    else:
        absent.append(f"{voice.name} was not judged: there is no such file; train and export it first")
    found.append(VoiceModel(WEIGHTS / "envelope.onnx"))
    try:
        found.append(HeadAudio(cache))
    except Unavailable as error:
        absent.append(str(error))
    return found, absent


def judge(subject: Subject, material: Material, data: Path) -> Judged:
    """Ask the subject about every part of the material and time it."""
    heard = {part: listened(subject, part, clips, data) for part, clips in material.clips.items()}
    return Judged(
        subject.name, material, heard, subject.hears_laughter, subject.step_ms(), subject.size_mb, subject.latency_s
    )


def target(material: Material) -> Judged:
    """The truth in the subjects' place: what the measures say of a perfect answer. Laughter is its label."""
    heard = {
        part: [Heard(clip.motion, clip.laughter, clip.speech) for clip in material.clips[part]]
        for part in (SYNTHETIC, FACES, TALKERS, TUNING_FACES, LAUGHTER)
        if part in material.clips
    }
    return Judged("target", material, heard, hears_laughter=False)


def cell(column: Column, judged: Judged) -> str:
    """The measure as text; n/a where the subject has no such output or the material is missing."""
    if column.part and not judged.heard.get(column.part):
        return NOT_KNOWN
    return number(column.value(judged), column.digits)


def page(rows: Sequence[Judged], cells: Sequence[Sequence[str]], notes: Sequence[str], material: Material) -> str:
    """The documentation's page: the table (measures down, subjects across), what was missing, clips, definitions."""
    lines = [
        "# How well a voice drives the face",
        "",
        "Written by `python -m training.evaluate audio`. No voice below was learnt from but that of the tuning faces, "
        "whose other clips were; they choose each subject's lag and nothing else.",
        "",
        *table([judged.name for judged in rows], TITLES, cells),
        "",
        *(f"- {note}" for note in notes),
        "",
        "## Material",
        "",
        *(
            f"- {part}: {len(clips)} clips, {sum(clip.hops for clip in clips) * 0.02:.0f} s, "
            f"{len({clip.info.voice for clip in clips})} voices"
            for part, clips in material.clips.items()
        ),
        "",
    ]
    if material.clips.get(FACES):
        lines += ["## Aperture r of each held-out clip, at the fixed lag", "", *_by_clip(rows, material), ""]
    lines += ["## Definitions", ""]
    lines += [f"- **{column.title}**: {column.definition}." for column in COLUMNS]
    return "\n".join(lines) + "\n"


def _by_clip(rows: Sequence[Judged], material: Material) -> list[str]:
    found = [judged.aperture_r(FACES, judged.lag) | judged.aperture_r(TALKERS, judged.lag) for judged in rows]
    return [
        line(["clip", "person", "s", *(judged.name for judged in rows)]),
        line(["---", "---", "---:", *["---:"] * len(rows)]),
        *(
            line(
                [clip.info.name, clip.info.voice, f"{clip.hops * 0.02:.1f}"]
                + [f"{by_clip[clip.info.name]:.2f}" for by_clip in found]
            )
            for clip in [*material.clips[FACES], *material.clips.get(TALKERS, [])]
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate audio", description="How well voices drive the face."
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the stores; results are kept there too")
    parser.add_argument("--voice", type=Path, default=WEIGHTS / "voice.onnx", help="the model that is judged")
    parser.add_argument("--lookahead", type=int, nargs="+", default=LOOKAHEADS_MS, metavar="MS", help="of the voice")
    parser.add_argument("--peer-cache", type=Path, default=None, help="where npm installs (default: DATA/peer)")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page that is written")
    given = parser.parse_args(arguments)
    material = load(given.data_dir)
    found, notes = subjects(given.voice, given.lookahead, given.peer_cache or given.data_dir / "peer")
    notes += [f"{part}: {reason}" for part, reason in material.missing.items()]
    rows: list[Judged] = []
    for subject in found:
        try:
            rows.append(judge(subject, material, given.data_dir))
        except Unavailable as error:
            notes.append(str(error))
    rows.append(target(material))
    cells = [[cell(column, judged) for judged in rows] for column in COLUMNS]
    names = [judged.name for judged in rows]
    deliver(names, TITLES, cells, notes, page(rows, cells, notes, material), given.out)


if __name__ == "__main__":
    main()
