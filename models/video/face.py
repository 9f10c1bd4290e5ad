"""The whole path of a picture: crop and state in; motion, points, head and the next state out.

State tensors, besides those of `models.video.temporal`:

    step_s   seconds since the picture before, 0 for 1/30 s: who runs the graph sets it for each picture

Everything but expression and jaw is told of the newest picture; these two are those of the picture `knob_lookahead`
pictures before.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.streaming import Outputs, State, StateTensor, StreamingModule
from models.video.face_encoder import FaceEncoder
from models.video.temporal import TAP_S, TemporalResidual


class Face(StreamingModule):
    """Crops uint8 [B, T, 128, 128, 3] -> the outputs of `FaceEncoder`, [B, T, ...], without the feature."""

    hop_size = 1
    hop_s = TAP_S
    is_stepwise = True
    state_schema: Mapping[str, StateTensor]

    def __init__(self, encoder: FaceEncoder | None = None, residual: TemporalResidual | None = None) -> None:
        super().__init__()
        self.encoder = encoder or FaceEncoder()
        self.residual = residual or TemporalResidual()
        self.state_schema = {
            **self.residual.state_schema,
            "step_s": StateTensor((), "seconds since the picture before; 0 means 1/30"),
        }

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """See the class. `step_s` holds for all pictures of a chunk."""
        batch, steps = signal.shape[:2]
        flat = self.encoder(signal.flatten(0, 1))
        told = {name: values.unflatten(0, (batch, steps)) for name, values in flat.items()}
        step_s = state["step_s"][:, None, None].expand(-1, steps, -1)
        row = torch.cat([told.pop("feature"), told["expression"], told["jaw"], step_s], dim=2)
        moved, after = self.residual(row, state)
        return told | moved, {**after, "step_s": state["step_s"].clone()}


class PictureOfFace(nn.Module):
    """`Face` as it is exported, for one picture a call: crop uint8 [B, 128, 128, 3] -> outputs [B, ...]."""

    def __init__(self, face: Face) -> None:
        super().__init__()
        self.face = face

    def forward(self, crop: Tensor, state: State) -> tuple[Outputs, State]:
        outputs, state = self.face(crop[:, None], state)
        return {name: values[:, 0] for name, values in outputs.items()}, state
