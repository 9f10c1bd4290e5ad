"""What the curation asks of a clip: one frozen table, every default once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from training.curation.item import on_grid
from training.data.clips import HOP_S
from training.recipe import RecipeError, build, read_table, recipe_path

RECIPE = "laughtalk_data"


@dataclass(frozen=True)
class CurationSettings:
    """clip_s                 length of a clip, and the least of a piece that is kept (LaughTalk: 3.5 s)

    Sound
    silence_dbfs           a piece whose loudest tenth is below is silent
    speech_minimum         probability from which a hop is speech; `laughter_minimum` likewise for laughter
    speech_share           of a talking clip that must be speech
    laughter_s             a laughing clip holds so much laughter in one bout (LaughTalk: 3.5 s)
    laughter_gap_s         a shorter pause between bursts, for breath, is part of the bout
    laughter_detector      "voice": the shipped voice.onnx; "yamnet": the network at `yamnet`
    voice, yamnet          files of the two; "" is the shipped voice

    Pictures
    cut_detector           "adaptive" or "content": PySceneDetect's AdaptiveDetector or ContentDetector; "none": no cuts
    cut_threshold          of that detector; 0: its own default
    longest_s              a longer shot is taken in pieces, so that memory stays flat and each has its own verdict
    rate_minimum_hz        fewer pictures a second do not show lips
    face, face_detector    the networks that see; "" are the shipped ones
    presence_minimum       the network's belief below which there is no face
    doubt_maximum          median spread that the network tells of its points, in crop sides; above it sees no face
                           (it believes in hands and knees, but does not know where their eyes are)
    face_px_minimum        side of the face's crop (24 cm of the world), pixels
    count_every_s          how often the whole picture is searched for further faces
    yaw_maximum_deg, pitch_maximum_deg   of the head to the camera
    turn_maximum_deg_s     speed at which a head may turn, over `turn_window_s`
    hidden_share           of a clip's pictures in which the mouth may be hidden
    visibility_minimum     the network's belief below which the mouth is hidden

    Lips and voice
    lag_maximum_s          lips and voice may be so far apart
    speaker_r              correlation of lips and voice from which a face is the speaker's
    laugh_r                likewise in laughter, whose rhythm lips follow less
    speaker_s              of pieces shorter than this more is asked, as chance agrees more: by the root of their length

    Lifting, see `training.curation.lifting`
    lift_steps             iterations of L-BFGS for each clip; 0: the network's own motion is kept as it is
    reprojection_maximum   rms distance of the lifted head's points from those seen, as a share of the crop's side
    lips_r                 correlation of the lifted lips' opening with the one that is seen
    """

    clip_s: float = 3.5

    silence_dbfs: float = -50.0
    speech_minimum: float = 0.5
    laughter_minimum: float = 0.5
    speech_share: float = 0.4
    laughter_s: float = 3.5
    laughter_gap_s: float = 0.5
    laughter_detector: str = "voice"
    voice: str = ""
    yamnet: str = ""

    cut_detector: str = "adaptive"
    cut_threshold: float = 0.0
    longest_s: float = 20.0
    rate_minimum_hz: float = 20.0
    face: str = ""
    face_detector: str = ""
    presence_minimum: float = 0.5
    doubt_maximum: float = 0.03
    face_px_minimum: float = 90.0
    count_every_s: float = 0.5
    yaw_maximum_deg: float = 30.0
    pitch_maximum_deg: float = 25.0
    turn_maximum_deg_s: float = 120.0
    turn_window_s: float = 0.12
    hidden_share: float = 0.1
    visibility_minimum: float = 0.5

    lag_maximum_s: float = 0.2
    speaker_r: float = 0.3
    laugh_r: float = 0.15
    speaker_s: float = 7.0

    lift_steps: int = 40
    reprojection_maximum: float = 0.03
    lips_r: float = 0.7

    def __post_init__(self) -> None:
        _one_of("laughter_detector", self.laughter_detector, ("voice", "yamnet"))
        _one_of("cut_detector", self.cut_detector, ("adaptive", "content", "none"))
        if self.laughter_detector == "yamnet" and not self.yamnet:
            raise RecipeError('laughter_detector is "yamnet" and yamnet is ""; give the path of yamnet.tflite')
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith(("_s", "_hz", "_px_minimum", "_deg")) and not value > 0:
                raise RecipeError(f"{each.name} is {value}; it must be more than 0")

        if abs(on_grid(self.clip_s) - self.clip_s) > 1e-6:
            raise RecipeError(f"clip_s is {self.clip_s}; it must be a multiple of {HOP_S:g} s, the hop of the voice")

    @property
    def digest(self) -> str:
        """Changes with any setting: what was curated with others does not mix."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class CurationRecipe:
    """The recipe as a file: its name, its task, and the settings that differ from the defaults."""

    name: str = RECIPE
    task: str = "curation"
    curation: CurationSettings = field(default_factory=CurationSettings)


def read_settings(recipe: str = RECIPE, overrides: list[str] | None = None) -> CurationSettings:
    """The settings of a recipe, a name of training/recipes or a path, with overrides "curation.KEY=VALUE".

    RecipeError for unknown keys and values that cannot be.
    """
    table: dict[str, Any] = read_table(recipe_path(recipe), overrides or [])
    return build(CurationRecipe, table).curation


def path_or_none(text: str) -> Path | None:
    """The path that a setting names; None for "", the shipped file."""
    return Path(text) if text else None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RecipeError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
