"""A face.onnx as a judge of encoders asks it: crops of a film in a row -> the motion of each picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from driver.runtime import OnnxModel
from training.data.mouths import RATE_HZ


class FaceInARow:
    """Crops uint8 [1, T, 128, 128, 3] at 25 Hz, base [1, T, 53] -> motion [1, T, 53], the residual in time included.

    lookahead    pictures that it waits for, 0..2: row t is of picture t all the same, and of the last ones it is told
                 as the driver would if the last picture stayed
    ModelError when the file is no model.
    """

    sees = "face"

    def __init__(self, path: Path, lookahead: int = 0) -> None:
        self._model, self._lookahead = OnnxModel(path, "cpu"), lookahead

    def __call__(self, crops: Tensor, base: Tensor) -> Tensor:
        """See the class; the base is not looked at."""
        state = self._model.initial_state()
        state["knob_lookahead"] = np.full_like(state["knob_lookahead"], self._lookahead)
        state["step_s"] = np.full_like(state["step_s"], 1.0 / RATE_HZ)
        rows: list[NDArray[np.float32]] = []
        pictures = list(crops[0].numpy())
        for picture in [*pictures, *pictures[-1:] * self._lookahead]:
            told, state = self._model.step(picture[None], state)
            rows.append(np.concatenate([told["expression"], told["jaw"]], axis=1)[0])
        return torch.from_numpy(np.stack(rows[self._lookahead :]))[None].to(base.dtype)
