"""Mouths of heads as a lip reader sees them, with gradients: motion and pose in, grey pictures of 88 px out.

Only what is near the mouth is drawn, which is quick. The head is seen as the stored crop's pinhole sees it (nearer is
larger), in one even coat and light: a reader must not care, and what the motion changes is all that is learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.flame_torch import FlameTorch
from models.head.flame import HeadModel, open_head
from models.head.landmarks import LIPS, open_head_landmarks
from models.perceptual.visual_speech import MOUTH_PX
from training.render.differentiable import Renderer, Surface, head_texture
from training.render.differentiable.light import BANDS, CONSTANTS
from training.render.differentiable.surface import NOTHING
from training.render.skin import draw_complexion, paint_coat
from training.render.wear import hair_colour

# Of luminance (ITU-R BT.601), as OpenCV turns pictures grey.
GREY = (0.299, 0.587, 0.114)
# The light: even, more from the front and from above.
_EVEN, _FRONT, _ABOVE = 0.62, 0.36, 0.16
_BACKGROUND = 0.5
_TEXTURE_PX = 256
_REACH_M = 0.085  # from the mouth's middle, of what is drawn


@dataclass(frozen=True, eq=False)
class Seen:
    """How heads are seen, in terms of `training.data.face_store`, and where to look; the first axis is of pictures.

    shape [N, 100], eyelids [N, 2], gaze [N, 4], rotation [N, 3, 3], place [N, 3], focal [N]
    box    [N, 3]: middle and side of the square that is drawn, in stored-crop coordinates
    """

    shape: Tensor
    eyelids: Tensor
    gaze: Tensor
    rotation: Tensor
    place: Tensor
    focal: Tensor
    box: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Seen:
        return Seen(*(getattr(self, item.name)[rows] for item in fields(self)))

    def looked_at(self, box: Tensor) -> Seen:
        """The same heads through another square [N, 3]."""
        return replace(self, box=box)


class MouthPictures(nn.Module):
    """Expression [N, 50], jaw [N, 3], `Seen` -> grey mouths float32 [N, 88, 88], 0..1.

    whole    draw all of the head: for squares of whole faces
    """

    texture: Tensor
    light: Tensor
    grey: Tensor

    def __init__(self, head: HeadModel | None = None, size_px: int = MOUTH_PX, *, whole: bool = False) -> None:
        super().__init__()
        head = head or open_head()
        self.flame = FlameTorch(head)
        surface = Surface.of(head)
        self.renderer = Renderer(surface if whole else _near_mouth(surface, head), size_px)
        self.register_buffer("texture", head_texture(head, _TEXTURE_PX), persistent=False)
        light = torch.zeros(1, BANDS, 3)
        light[:, 0], light[:, 2:4] = _EVEN / CONSTANTS[0], torch.tensor([[_ABOVE], [_FRONT]]) / CONSTANTS[1]
        self.register_buffer("light", light, persistent=False)
        self.register_buffer("grey", torch.tensor(GREY).reshape(1, 3, 1, 1), persistent=False)

    def coloured(
        self, expression: Tensor, jaw: Tensor, seen: Seen, texture: Tensor | None = None, light: Tensor | None = None
    ) -> Tensor:
        """The same pictures in colour: [N, 3, S, S]."""
        vertices = self.flame(expression, jaw, seen.eyelids, seen.gaze, seen.shape)
        count = len(vertices)
        one = vertices.new_tensor([[1.0, 0.0, 0.0]]).expand(count, -1)
        texture = (self.texture if texture is None else texture).expand(count, -1, -1, -1)
        light = (self.light if light is None else light).expand(count, -1, -1)
        drawn = self.renderer(in_square(vertices, seen), one, texture, light)
        return (drawn.picture + (1.0 - drawn.cover) * _BACKGROUND).clamp(0.0, 1.0)

    def forward(
        self, expression: Tensor, jaw: Tensor, seen: Seen, texture: Tensor | None = None, light: Tensor | None = None
    ) -> Tensor:
        """See the class. texture [1 or N, 3, T, T] is the head's own, light [1 or N, 9, 3] even, where left out."""
        return (self.coloured(expression, jaw, seen, texture, light) * self.grey).sum(dim=1)


def in_square(vertices: Tensor, seen: Seen) -> Tensor:
    """Vertices [N, V, 3] of the head's frame where a pinhole puts them in the square: x right and y up, -1..1 within.

    Depth is in the same units. See `training.losses.face_surface.projected`.
    """
    turned = torch.einsum("nij,nvj->nvi", seen.rotation, vertices)
    origin, scale = seen.place[:, None, :2], seen.place[:, None, 2:]
    depth = seen.focal[:, None, None] / scale
    nearer = depth / (depth - turned[:, :, 2:]).clamp(min=0.02)
    flip = turned.new_tensor([1.0, -1.0])
    flat = 0.5 + nearer * (origin - 0.5 + scale * turned[:, :, :2] * flip)
    middle, half = seen.box[:, None, :2], 0.5 * seen.box[:, None, 2:]
    return torch.cat([(flat - middle) / half * flip, scale / half * turned[:, :, 2:]], dim=2)


def _near_mouth(surface: Surface, head: HeadModel) -> Surface:
    """The triangles within reach of the mouth's middle, at rest."""
    embedding = open_head_landmarks()
    lips = head.v_template[head.f[embedding.triangles[np.array(LIPS)]]].mean(axis=(0, 1))
    near = np.linalg.norm(head.v_template - lips, axis=1) < _REACH_M
    kept = torch.from_numpy(near[head.f].all(axis=1))
    # Where each triangle is now; those left out, and the last row for NOTHING (-1), are nothing.
    row = torch.full((len(kept) + 1,), NOTHING)
    row[:-1][kept] = torch.arange(int(kept.sum()))
    beside = row[surface.beside].sort(dim=1, descending=True).values
    has_one = beside[:, 0] != NOTHING
    return replace(
        surface,
        triangles=surface.triangles[kept],
        uv=surface.uv[kept],
        is_skin=surface.is_skin[kept],
        edges=surface.edges[has_one],
        beside=beside[has_one],
    )


def draw_coat(rng: np.random.Generator) -> Tensor:
    """A random skin as a texture [1, 3, T, T]."""
    shown = tuple((np.array(hair_colour(rng)) ** (1.0 / 2.2)).tolist())
    coat = paint_coat(rng, draw_complexion(rng, shown, float(rng.uniform()), 0), [])
    return torch.tensor(coat[::2, ::2], dtype=torch.float32).permute(2, 0, 1)[None] / 255.0


def draw_light(rng: np.random.Generator) -> Tensor:
    """A random light [1, 9, 3]: even, and more from somewhere in front."""
    light = torch.zeros(1, BANDS, 3)
    light[:, 0] = float(rng.uniform(0.35, 0.9)) / CONSTANTS[0]
    aside, above, front = rng.uniform(-0.3, 0.3), rng.uniform(-0.15, 0.35), rng.uniform(0.1, 0.5)
    light[:, 1:4] = torch.tensor([aside, above, front], dtype=torch.float32)[None, :, None] / CONSTANTS[1]
    return light
