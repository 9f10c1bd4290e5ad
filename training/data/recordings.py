"""Real voices of the shared data as a store of speech: aligned phones, and the face that they ask for.

What a recording may be used for is its manifest's `use`; only `free` ones are learnt from. With a transcript (LJSpeech,
GRID, Asterisk) phones come from forced alignment, from EmoDB's own marks, else from what the network hears. Aligned
recordings are kept if the network is sure and a second recogniser agrees (`second_opinion`, which knows English).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from rich.progress import Progress

from training.data.alignment import forced, free, phone_network, separately
from training.data.alphabets import of_emodb, timed
from training.data.boundaries import spans
from training.data.clips import SAMPLE_RATE_HZ, ClipInfo, Floats
from training.data.phones import Phone
from training.data.second_opinion import agreement
from training.data.speech_clips import SpeechWriter, draw_style_name
from training.data.utterance import Utterance, spoken
from training.data.voice_espeak import pronounced

REPORT = "alignment.tsv"

_COMMANDS = "Picovoice+speech-to-intent-benchmark"
_LJSPEECH, _EMODB, _ASTERISK = "coqui-ai+TTS", "sylaschacko+voice-emotion-analysis", "deb_asterisk-core-sounds"
_GRID_UNITS_HZ = 25_000.0

_LEAST_SCORE = -1.6  # mean log probability of the spikes
_LEAST_AGREEMENT = 0.4
_LEAST_PHONES = 4
_SPEECH_RATE = (3.0, 25.0)  # phones a second of speech: outside, something else was recorded


@dataclass(frozen=True)
class Recording:
    """A line of the manifest: a real voice."""

    path: Path
    source: str
    use: str
    split: str
    person: str

    @property
    def name(self) -> str:
        return f"{self.source}.{self.path.stem}"


def recordings(data: Path) -> list[Recording]:
    """The voices of DATA/MANIFEST.tsv. Research and share-alike ones are for testing only."""
    table = data / "MANIFEST.tsv"
    if not table.exists():
        raise FileNotFoundError(f"there is no {table}; --data must be the folder of the shared data")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = []
    for row in rows:
        parts = Path(row["path"]).parts
        is_voice = parts[0] == "speech" and not parts[1].startswith("noise_") and row["path"].endswith(".ogg")
        is_grid = parts[:2] == ("video", "grid_s1") and row["path"].endswith(".mp4")
        if is_voice or is_grid:
            split = row["split"] if row["use"] == "free" else "test"
            person = row["person"].replace("?", "") or parts[1]
            found.append(Recording(data / row["path"], parts[1], row["use"], split, person))
    return found


def transcripts(data: Path) -> dict[str, str]:
    """Stem of a file -> what is said in it, as far as it is written down."""
    texts = dict[str, str]()
    for table in (data / "speech" / _LJSPEECH).rglob("metadata.csv"):
        for line in table.read_text(encoding="utf-8").splitlines():
            stem, _, text = line.split("|")[:3]
            texts[stem] = text
    prompts = data / "speech" / _ASTERISK / "core-sounds-en.txt"
    for line in prompts.read_text(encoding="utf-8").splitlines() if prompts.exists() else []:
        stem, _, text = line.partition(":")
        if text and not line.startswith(";"):
            texts[stem.strip()] = text.strip()
    for marks in (data / "video" / "grid_s1").glob("*.align"):
        texts[marks.stem] = " ".join(word for _, _, word in grid_words(marks))
    return texts


def grid_words(marks: Path) -> list[tuple[float, float, str]]:
    """(start, end in s, word) of a GRID .align file, letters as capitals."""
    lines = (line.split() for line in marks.read_text().splitlines())
    words = [(int(a) / _GRID_UNITS_HZ, int(b) / _GRID_UNITS_HZ, word) for a, b, word in lines]
    # A capital A alone would be read as the article.
    return [
        (a, b, {"a": "eh"}.get(word, word.upper() if len(word) == 1 else word))
        for a, b, word in words
        if word not in ("sil", "sp")
    ]


def sound_of(path: Path) -> Floats:
    """The sound of a file, mono, 16 kHz float32. ValueError when it has none."""
    parts = list[Floats]()
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise ValueError(f"{path} has no sound")
        resampler = av.AudioResampler("fltp", rate=SAMPLE_RATE_HZ)  # its mono would be 3 dB louder than the mean
        for frame in [*container.decode(audio=0), None]:
            parts += [piece.to_ndarray().mean(axis=0) for piece in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def emodb_phones(marks: Path, seconds: float = np.inf) -> list[Phone]:
    """Phones of an EmoDB .lablaut file, cut at `seconds`.

    A mark's time is where its sound, or the remark on it, begins. Equal neighbours, such as the closure and the release
    of a stop, are one phone.
    """
    lines = marks.read_text(encoding="latin-1").splitlines()
    fields = [line.split("\t") for line in lines[lines.index("#") + 1 :]]
    words = [field[0].split() for field in fields]
    starts_s = [float(each[0]) for each in words if len(each) >= 2]
    labels = [each[2] if len(each) > 2 else "" for each in words if len(each) >= 2]
    stressed = [field[2:] and field[2].strip() in ("1", "2") for field in fields if len(field[0].split()) >= 2]
    phones = list[Phone]()
    for number, (start_s, end_s) in enumerate(pairwise(starts_s)):
        end_s = min(max(start_s, end_s), seconds)
        if start_s >= seconds:
            break
        sounds, stress = of_emodb(labels[number]), 2 if stressed[number] else 0
        is_rest = labels[number] == "."
        if phones and not is_rest and (not sounds or (phones[-1].symbol == sounds[0][0] and len(sounds) == 1)):
            last = phones[-1]
            phones[-1] = Phone(last.symbol, last.start_s, end_s, max(last.stress, stress))
        else:
            phones += timed(sounds, start_s, end_s, stress)
    return spoken(phones)


@dataclass(frozen=True)
class Aligned:
    """phones, how they were found (marks, transcript, heard), and the mean log probability of the spikes (0: marks)."""

    phones: list[Phone]
    how: str
    score: float


def align(recording: Recording, audio: Floats, text: str | None) -> Aligned:
    """The phones of a recording."""
    marks = recording.path.with_suffix(".lablaut")
    if marks.exists():
        return Aligned(emodb_phones(marks, len(audio) / SAMPLE_RATE_HZ), "marks", 0.0)
    network = phone_network()
    log_probs = network(audio)
    if text:
        words = [each for word in pronounced(text) for each in word]
        spikes = forced(log_probs, network.classes, *separately(words, network.classes))
    else:
        spikes = free(log_probs, network.classes)
    score = float(np.mean([spike.score for spike in spikes])) if spikes else -99.0
    return Aligned(spans(spikes, audio), "transcript" if text else "heard", score)


def is_trusted(aligned: Aligned, agreed: float) -> bool:
    """Whether to believe an alignment; `agreed` is NaN where there is no second opinion."""
    if len(aligned.phones) < _LEAST_PHONES or aligned.score < _LEAST_SCORE:
        return False
    spoken_s = sum(phone.end_s - phone.start_s for phone in aligned.phones)
    low, high = _SPEECH_RATE
    return low <= len(aligned.phones) / spoken_s <= high and not agreed < _LEAST_AGREEMENT


def build_recordings(data: Path, folder: Path, progress: Progress | None = None, seed: int = 0) -> None:
    """Append every trusted recording to the store `folder`; FOLDER/alignment.tsv has a line for each one."""
    texts, chosen = transcripts(data), _by_usefulness(recordings(data))
    task = progress.add_task("recordings", total=len(chosen)) if progress else None
    with SpeechWriter(folder) as writer, (folder / REPORT).open("a", encoding="utf-8") as report:
        if report.tell() == 0:
            report.write("name\tsplit\tuse\tseconds\thow\tphones\tscore\tagreement\tkept\n")
        for number, recording in enumerate(chosen):
            if progress and task is not None:
                progress.update(task, completed=number)
            if recording.name in writer.names:
                continue
            audio = sound_of(recording.path)
            aligned = align(recording, audio, texts.get(recording.path.stem))
            agreed = agreement(audio, aligned.phones) if aligned.how != "marks" else float("nan")
            is_kept = is_trusted(aligned, agreed)
            fields = (recording.name, recording.split, recording.use, f"{len(audio) / SAMPLE_RATE_HZ:.2f}", aligned.how)
            numbers = (str(len(aligned.phones)), f"{aligned.score:.3f}", f"{agreed:.3f}", str(int(is_kept)))
            report.write("\t".join([*fields, *numbers]) + "\n")
            report.flush()
            if is_kept:
                rng = np.random.default_rng([seed, number])
                info = ClipInfo(
                    recording.name,
                    recording.person,
                    recording.source,
                    "speech",
                    recording.use,
                    recording.split,
                    draw_style_name(rng),
                )
                writer.add(info, Utterance(audio, aligned.phones), int(rng.integers(2**31)))


def _by_usefulness(found: list[Recording]) -> list[Recording]:
    """What is learnt from first, many commands of few people last: a build that is cut short has the best."""
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(found, key=lambda one: (3 if one.source == _COMMANDS else order[one.split], one.name))
