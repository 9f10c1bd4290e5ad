"""The code of a face, DECA's 236 numbers in DECA's order (Feng et al. 2021; seed-systems 1.1), and their parts.

    shape 100 | tex 50 | exp 50 | pose 6 | cam 3 | light 27

The open head closes its eyes by shapes of its own, which FLAME has among its expressions. Two numbers more, `lids`, say
how far, after the 236; a code without them has its eyes open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

SIZES = {"shape": 100, "tex": 50, "exp": 50, "pose": 6, "cam": 3, "light": 27}
CODE_SIZE = sum(SIZES.values())
LIDS_SIZE = 2
WHOLE_SIZE = CODE_SIZE + LIDS_SIZE
COLUMNS = {
    name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), accumulate(SIZES.values()), strict=True)
}


@dataclass(frozen=True, eq=False)
class FaceCode:
    """float32, B faces.

    shape [B, 100] sd · tex [B, 50] sd of the texture model · exp [B, 50] sd · pose [B, 6] rad: the head's axis-angle,
    then the jaw's · cam [B, 3]: s, tx, ty of the weak perspective · light [B, 9, 3]: spherical harmonics x RGB ·
    lids [B, 2]: 0 open .. 1 closed, left and right
    """

    shape: Tensor
    tex: Tensor
    exp: Tensor
    pose: Tensor
    cam: Tensor
    light: Tensor
    lids: Tensor

    @property
    def head_rotation(self) -> Tensor:
        return self.pose[:, :3]

    @property
    def jaw(self) -> Tensor:
        return self.pose[:, 3:]

    def __getitem__(self, rows: slice | Tensor) -> FaceCode:
        return FaceCode(**{name: values[rows] for name, values in vars(self).items()})


def decompose(code: Tensor) -> FaceCode:
    """The parts of codes [B, 236] or [B, 238]; ValueError for another size."""
    if code.shape[1] not in (CODE_SIZE, WHOLE_SIZE):
        raise ValueError(f"a code has {code.shape[1]} numbers; it must have {CODE_SIZE}, or {WHOLE_SIZE} with lids")
    parts = {name: code[:, columns] for name, columns in COLUMNS.items()}
    parts["light"] = parts["light"].reshape(-1, 9, 3)
    lids = code[:, CODE_SIZE:] if code.shape[1] == WHOLE_SIZE else code.new_zeros(len(code), LIDS_SIZE)
    return FaceCode(**parts, lids=lids)


def compose(face: FaceCode, has_lids: bool = True) -> Tensor:
    """Codes [B, 238], or [B, 236] without lids. The inverse of `decompose`."""
    parts = [getattr(face, name).flatten(1) for name in SIZES]
    return torch.cat([*parts, *([face.lids] if has_lids else [])], dim=1)


def swapped(face: FaceCode, part: str, order: Tensor) -> FaceCode:
    """The same faces, each with another's `part`: that of row `order` [B] int64."""
    return replace(face, **{part: getattr(face, part)[order]})


def joined(one: FaceCode, other: FaceCode) -> FaceCode:
    """Both batches, one after the other."""
    return FaceCode(**{name: torch.cat([values, getattr(other, name)]) for name, values in vars(one).items()})


def order_within(groups: int, each: int, generator: torch.Generator | None = None) -> Tensor:
    """int64 [groups * each]: a random order of each group's rows among themselves; groups lie one after the other."""
    orders = [each * group + torch.randperm(each, generator=generator) for group in range(groups)]
    return torch.cat(orders)
