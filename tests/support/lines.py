"""The smallest task there is: learning that y = 3 x."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from training.processes import Place
from training.recipe import Optim

HERE = Place(torch.device("cpu"))
OPTIM = Optim(steps=20, batch=8, peak_rate=0.05, warm_up=3, workers=0, validate_every=10, checkpoint_every=7, ema=0.5)


class Lines(Dataset[dict[str, Tensor]]):
    """Batches of y = 3 x, the same for the same number; `parts` of them make one of 8 rows."""

    def __init__(self, parts: int = 1) -> None:
        self.parts = parts

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        whole, part = divmod(index, self.parts)
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(whole)).chunk(self.parts)[part]
        return {"x": x, "y": 3.0 * x}


class Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line = nn.Linear(1, 1)

    def forward(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        return {"total": (self.line(batch["x"]) - batch["y"]).square().mean()}


class LineTask:
    def __init__(self, parts: int = 1) -> None:
        self.student, self.batches = Student(), Lines(parts)

    def validate(self, student: nn.Module) -> dict[str, float]:
        assert isinstance(student, Student)
        return {"score": abs(float(student.line.weight.detach()) - 3.0)}
