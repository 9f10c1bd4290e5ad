"""Festival's voices: one process says many sentences, as starting it takes longer than speaking.

Debian's packages that are used (all in main): festvox-us-slt-hts (CMU/NITech, BSD-like), festvox-kallpc16k and
festvox-kdlpc16k (CMU/CSTR, MIT-like), festvox-ru (BSD-like) for training; festvox-ca-ona-hts (LGPL) and
festvox-italp16k, festvox-itapc16k (GPL) are kept for validation.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from training.data.alphabets import of_festival, timed
from training.data.clips import SAMPLE_RATE_HZ
from training.data.phones import Phone
from training.data.utterance import Utterance, at_16_khz, spoken

_PROGRAM = "festival"
_TIMEOUT_S = 600
# Prints, for every segment: its name, when it ends, the stress of its syllable.
_SCRIPT = """
(voice_{voice})
(Parameter.set 'Duration_Stretch {stretch:.3f})
(define (said number text)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt (format nil "{folder}/%d.wav" number) 'riff)
    (format t "UTTERANCE %d\\n" number)
    (mapcar (lambda (s) (format t "%s %f %s\\n" (item.name s) (item.feat s "end")
                                (item.feat s "R:SylStructure.parent.stress")))
            (utt.relation.items utt 'Segment))))
"""


@dataclass(frozen=True)
class FestivalVoice:
    """voice     as festival calls it, without `voice_`       alphabet  of `alphabets.of_festival`
    package   Debian's                                     encoding  of its text
    lag_s     how much later stops are heard to close than the voice says (measured)
    """

    voice: str
    language: str
    alphabet: str
    package: str
    use: str = "free"
    encoding: str = "ascii"
    lag_s: float = 0.010

    @property
    def name(self) -> str:
        return f"festival.{self.voice}"

    @property
    def is_installed(self) -> bool:
        return shutil.which(_PROGRAM) is not None and any(Path("/usr/share/festival/voices").glob(f"*/{self.voice}"))

    def say(self, text: str, tempo: float = 1.0, pitch: float = 1.0) -> Utterance:
        """One sentence; `say_all` is faster for many."""
        del pitch
        said = self.say_all([text], tempo)[0]
        if said is None:
            raise RuntimeError(f"festival says nothing for {text!r}")
        return said

    def say_all(self, texts: Sequence[str], tempo: float = 1.0) -> list[Utterance | None]:
        """The sentences spoken, None for one that festival could not say. RuntimeError when it cannot be started."""
        if not self.is_installed:
            raise RuntimeError(f"festival's voice {self.voice} is missing; install {self.package} (Debian)")
        with TemporaryDirectory(prefix="festival-") as folder:
            script = Path(folder) / "say.scm"
            lines = [_SCRIPT.format(voice=self.voice, stretch=1.0 / tempo, folder=folder)]
            for number, text in enumerate(texts):
                quoted = text.replace("\\", " ").replace('"', " ")
                lines.append(f'(unwind-protect (said {number} "{quoted}") nil)')
            script.write_bytes("\n".join(lines).encode(self.encoding, "ignore"))
            done = subprocess.run([_PROGRAM, "-b", script], capture_output=True, timeout=_TIMEOUT_S, check=False)
            segments = _read(done.stdout.decode("latin-1"))
            if not segments:
                raise RuntimeError(f"festival failed: {done.stderr.decode('latin-1')[-300:]}")
            return [self._heard(Path(folder) / f"{number}.wav", segments.get(number)) for number in range(len(texts))]

    def _heard(self, wave: Path, segments: list[tuple[str, float, int]] | None) -> Utterance | None:
        if segments is None or not wave.exists():
            return None
        samples, rate_hz = soundfile.read(wave, dtype="float32")
        audio, phones, start_s = at_16_khz(np.asarray(samples, np.float32), rate_hz), list[Phone](), self.lag_s
        seconds = len(audio) / SAMPLE_RATE_HZ
        for name, end_s, stress in segments:
            end_s = min(max(start_s, end_s + self.lag_s), seconds)
            phones += timed(of_festival(self.alphabet, name), start_s, end_s, 2 * min(stress, 1))
            start_s = end_s
        return Utterance(audio, spoken(phones))


def _read(text: str) -> dict[int, list[tuple[str, float, int]]]:
    """Number of the utterance -> its segments: name, end in s, stress."""
    found = dict[int, list[tuple[str, float, int]]]()
    current = list[tuple[str, float, int]]()
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "UTTERANCE":
            current = found.setdefault(int(words[1]), [])
        elif len(words) == 3:
            current.append((words[0], float(words[1]), int(words[2]) if words[2].isdigit() else 0))
    return found
