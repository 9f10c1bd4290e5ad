"""SPECTRE's perceptual encoder: what several pictures in a row add to the expression and jaw of one.

    picture -> feature;  five features in a row -> Conv1d -> BatchNorm -> ReLU -> Linear -> residual on 50 + 3 numbers

(Filntisis et al. 2022, "Visual Speech-Aware Perceptual 3D Facial Expression Reconstruction from Videos"; seed-systems
3.2.) The last layer begins at a thousandth, so training begins at the base; the jaw's opening can only grow. SPECTRE
looks two pictures ahead; `lookahead` may be less, down to none.

`models.video.temporal` is the same idea as it is shipped: taps by time instead of by picture, the look-ahead a knob.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.perceptual.visual_speech import ReaderShape, VisualSpeech
from models.streaming import Outputs, State, StateTensor, StreamingModule
from models.video.backbone import Backbone, ConvNorm, Stage, normalised

EXPRESSION_SIZE, JAW_SIZE = 50, 3
MOTION_SIZE = EXPRESSION_SIZE + JAW_SIZE
OPENING = EXPRESSION_SIZE  # the jaw's first axis, +x opens
TAPS = 5
MOST_LOOKAHEAD = TAPS // 2
RATE_HZ = 25.0
_HIDDEN = 256
_FIRST_SCALE = 0.001
# MobileNetV2 (Sandler et al. 2018, table 2).
_MOBILE_STEM, _MOBILE_LAST = 32, 1280
_MOBILE_STAGES = (
    Stage(16, 1, 1, 1),
    Stage(24, 2, 2, 6),
    Stage(32, 3, 2, 6),
    Stage(64, 4, 2, 6),
    Stage(96, 3, 1, 6),
    Stage(160, 3, 2, 6),
    Stage(320, 1, 1, 6),
)


class FaceFeatures(nn.Module):
    """Crops of faces uint8 [B, H, W, 3] -> [B, 1280]: MobileNetV2's layout, SPECTRE's own choice."""

    feature_size = _MOBILE_LAST

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_MOBILE_STEM, _MOBILE_STAGES)
        self.last = ConvNorm(_MOBILE_STAGES[-1].channels, _MOBILE_LAST)

    def forward(self, crops: Tensor) -> Tensor:
        return self.last(self.backbone(normalised(crops))[-1]).mean(dim=(2, 3))


class MouthFeatures(nn.Module):
    """Grey mouths in a row float32 [B, T, 88, 88] -> [B, T, feature]: the picture part of a lip reader, to begin at."""

    def __init__(self, shape: ReaderShape | None = None) -> None:
        super().__init__()
        self.reader = VisualSpeech(shape)
        # Only its pictures' part is used, and learnt.
        del self.reader.context, self.reader.visemes
        self.feature_size = self.reader.feature_size
        self.is_taught = False

    def begin_at(self, reader: VisualSpeech) -> None:
        """Take over the weights of a trained reader of the same shape."""
        own = self.reader.state_dict()
        self.reader.load_state_dict({name: tensor for name, tensor in reader.state_dict().items() if name in own})
        self.is_taught = True

    def forward(self, mouths: Tensor) -> Tensor:
        return self.reader.features(mouths)


class PerceptualResidual(StreamingModule):
    """Signal [B, T, feature_size + 53]: a picture's feature, and the base's expression and jaw.

    Outputs `expression` [B, T, 50] (sd) and `jaw` [B, T, 3] (rad) of the picture `lookahead` (0..2) pictures ago. A
    stream begins as if its first picture had always been there: its first `lookahead` outputs are of before it began.
    """

    hop_size = 1
    hop_s = 1.0 / RATE_HZ
    state_schema: Mapping[str, StateTensor]

    def __init__(self, feature_size: int, lookahead: int = MOST_LOOKAHEAD) -> None:
        super().__init__()
        if not 0 <= lookahead <= MOST_LOOKAHEAD:
            raise ValueError(f"lookahead is {lookahead}; five taps allow 0..{MOST_LOOKAHEAD} pictures")
        self.feature_size, self.lookahead = feature_size, lookahead
        self.lookahead_s = lookahead * self.hop_s
        self.conv = nn.Conv1d(feature_size, _HIDDEN, TAPS)
        self.norm = nn.BatchNorm1d(_HIDDEN)
        self.last = nn.Linear(_HIDDEN, MOTION_SIZE)
        with torch.no_grad():
            self.last.weight.mul_(_FIRST_SCALE)
            self.last.bias.mul_(_FIRST_SCALE)
        self.state_schema = {
            "ring": StateTensor((TAPS - 1, feature_size + MOTION_SIZE), "the last four rows, oldest first"),
            "begun": StateTensor((), "1 once there was a picture"),
        }

    @torch.no_grad()
    def settle(self, features: Tensor) -> None:
        """Take the normalisation's statistics from features [B, T, F] of many clips, T at least 5."""
        told = self.conv(features.mT)
        self.norm.running_mean = told.mean(dim=(0, 2))
        self.norm.running_var = told.var(dim=(0, 2))

    def residual(self, features: Tensor) -> Tensor:
        """[B, T - 4, 53] of features [B, T, F], T at least 5: row t is of the taps t .. t + 4."""
        hidden = torch.relu(self.norm(self.conv(features.mT))).mT
        told = self.last(hidden)
        opening = torch.relu(told[:, :, OPENING : OPENING + 1])
        return torch.cat([told[:, :, :OPENING], opening, told[:, :, OPENING + 1 :]], dim=2)

    def refined(self, rows: Tensor) -> Tensor:
        """Motion [B, T - 4, 53] of the pictures 4 - lookahead .. T - 1 - lookahead of rows [B, T, F + 53]."""
        features, base = rows.split([self.feature_size, MOTION_SIZE], dim=2)
        first = TAPS - 1 - self.lookahead
        return base[:, first : first + rows.shape[1] - TAPS + 1] + self.residual(features)

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """See the class."""
        has_begun = state["begun"][:, None, None] > 0.5
        ring = torch.where(has_begun, state["ring"], signal[:, :1].expand(-1, TAPS - 1, -1))
        long = torch.cat([ring, signal], dim=1)
        motion = self.refined(long)
        after = {"ring": long[:, -(TAPS - 1) :], "begun": torch.ones_like(state["begun"])}
        return {"expression": motion[:, :, :EXPRESSION_SIZE], "jaw": motion[:, :, EXPRESSION_SIZE:]}, after


class PerceptualEncoder(nn.Module):
    """Pictures in a row and the base's motion [B, T, 53] -> the refined motion [B, T, 53] of all of them.

    sees   "mouth": grey mouths float32 [B, T, 88, 88]; "face": crops uint8 [B, T, H, W, 3]. ValueError for another.
    shape  of the part that looks at mouths
    """

    def __init__(self, sees: str = "mouth", lookahead: int = MOST_LOOKAHEAD, shape: ReaderShape | None = None) -> None:
        super().__init__()
        if sees not in ("mouth", "face"):
            raise ValueError(f"the encoder sees {sees!r}; it may see mouth or face")
        self.sees = sees
        self.features: MouthFeatures | FaceFeatures = MouthFeatures(shape) if sees == "mouth" else FaceFeatures()
        self.residual = PerceptualResidual(self.features.feature_size, lookahead)

    def train(self, mode: bool = True) -> PerceptualEncoder:
        """An encoder that began at a reader keeps all statistics of its normalisation: the reader's, and `settle`'s.

        A batch is of a few mouths. By its own statistics their pictures differ otherwise than by everybody's, and what
        is learnt by the one is not what is told by the other.
        """
        super().train(mode)
        if isinstance(self.features, MouthFeatures) and self.features.is_taught:
            for part in self.modules():
                if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                    part.eval()
        return self

    def rows(self, pictures: Tensor, base: Tensor) -> Tensor:
        """The residual's signal [B, T, F + 53]."""
        if isinstance(self.features, MouthFeatures):
            told = self.features(pictures)
        else:
            told = self.features(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
        return torch.cat([told, base], dim=2)

    def forward(self, pictures: Tensor, base: Tensor) -> Tensor:
        return of_whole_clip(self.residual, self.rows(pictures, base))


def of_whole_clip(module: PerceptualResidual, rows: Tensor) -> Tensor:
    """Motion [B, T, 53] of all pictures of rows [B, T, F + 53]; before and after them all is as it is at the ends."""
    return module.refined(_held_at_ends(module, rows))


def in_chunks(module: PerceptualResidual, rows: Tensor, length: int = 50) -> Tensor:
    """The same as `of_whole_clip`, by chunks of `length` rows of which four overlap: for clips of any length.

    What each chunk's ends cannot know, two pictures to each side, its neighbours tell (seed-systems 3.6). ValueError
    for chunks of fewer than five rows.
    """
    if length < TAPS:
        raise ValueError(f"chunks of {length} rows are shorter than the {TAPS} taps; take {TAPS} or more")
    long = _held_at_ends(module, rows)
    stride = length - (TAPS - 1)
    begins = range(0, long.shape[1] - (TAPS - 1), stride)
    return torch.cat([module.refined(long[:, begin : begin + length]) for begin in begins], dim=1)


def _held_at_ends(module: PerceptualResidual, rows: Tensor) -> Tensor:
    before, after = TAPS - 1 - module.lookahead, module.lookahead
    first, last = rows[:, :1].expand(-1, before, -1), rows[:, -1:].expand(-1, after, -1)
    return torch.cat([first, rows, last], dim=1)
