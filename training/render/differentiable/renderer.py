"""A head's picture, with gradients: see the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import HeadModel
from training.render.differentiable.camera import in_picture, in_pixels
from training.render.differentiable.light import shading
from training.render.differentiable.outline import covered, distance, find_outline, nearest_on
from training.render.differentiable.surface import NOTHING, Surface, vertex_normals
from training.render.differentiable.visibility import Visibility, visible_by_depth

_SURFACE_ARRAYS = ("triangles", "uv", "is_skin", "face", "outward", "edges", "beside")
_LEAST_AREA_PX = 1e-9


@dataclass(frozen=True, eq=False)
class Drawn:
    """float32 pictures [B, C, S, S] of C channels; what is not the head is 0 in all but `picture`.

    picture  [B, 3, S, S] over the background         cover    [B, 1, S, S]: 0..1, soft at the outline
    skin     [B, 1, S, S]: 1 where outer skin is seen, as far as it covers         face    likewise, the face alone
    albedo   [B, 3, S, S]: the texture, unlit         normals  [B, 3, S, S]: unit, camera axes
    shade    [B, 3, S, S]: the light that falls on it
    uv       [B, S, S, 2]: places in the texture, v up         triangle  int64 [B, S, S]: rows, NOTHING (-1) elsewhere
    """

    picture: Tensor
    cover: Tensor
    skin: Tensor
    face: Tensor
    albedo: Tensor
    normals: Tensor
    shade: Tensor
    uv: Tensor
    triangle: Tensor


class Renderer(nn.Module):
    """Draws the head of one surface, `size_px` pixels along each side; see the package for units and axes.

    edge_px     how far the outline reaches to both sides; wider ones feel a wrong edge from farther off
    visibility  finds the triangles
    """

    def __init__(
        self,
        surface: Surface,
        size_px: int = 224,
        *,
        edge_px: float = 1.5,
        visibility: Visibility = visible_by_depth,
    ) -> None:
        super().__init__()
        self.size_px, self.edge_px, self.visibility = size_px, edge_px, visibility
        for name in _SURFACE_ARRAYS:
            self.register_buffer(name, getattr(surface, name), persistent=False)

    @property
    def surface(self) -> Surface:
        return Surface(*(getattr(self, name) for name in _SURFACE_ARRAYS))

    def forward(
        self,
        vertices: Tensor,
        camera: Tensor,
        texture: Tensor,
        light: Tensor,
        background: Tensor | None = None,
        normal_map: Tensor | None = None,
    ) -> Drawn:
        """`background` [B, 3, S, S] is seen where the head is not. `normal_map` [B, 3, T, T] has a unit normal for each
        texel, in camera axes; without it the surface is as smooth as its mesh. Both may be left out.
        """
        surface, size = self.surface, self.size_px
        batch, per_head = vertices.shape[:2]
        seen = in_picture(vertices, camera)
        place = in_pixels(seen, size)
        shown = self.visibility(seen, surface.triangles, size).reshape(-1)
        rim, edge, front = find_outline(place.detach(), shown.reshape(batch, size, size), surface, self.edge_px)
        is_inside = shown != NOTHING
        triangle = shown.clone()
        triangle[rim] = torch.where(is_inside[rim], shown[rim], front)
        pixel = (triangle != NOTHING).nonzero()[:, 0]

        # Everything at the corners of the triangles that are seen, and each pixel's shares in them.
        at_vertices = torch.cat(
            [place, vertex_normals(vertices, surface.triangles), surface.face[None, :, None].expand(batch, -1, -1)],
            dim=2,
        ).reshape(batch * per_head, -1)
        begin, end = place.reshape(-1, 2)[surface.edges[edge] + (rim // size**2)[:, None] * per_head].unbind(dim=1)
        middles = _middles(rim, size)
        on_outline = nearest_on(middles, begin, end)
        off = distance(middles, on_outline)
        cover = is_inside.to(vertices.dtype).index_put(
            (rim,), covered(torch.where(is_inside[rim], off, -off), self.edge_px)
        )
        # A pixel outside shows what is at the nearest place of the outline.
        is_outside = ~is_inside[rim]
        points = _middles(torch.arange(batch * size**2, device=vertices.device), size).to(vertices.dtype)
        points = points.index_put((rim[is_outside],), on_outline[is_outside])[pixel]

        head, picked = pixel // size**2, triangle[pixel]
        corners = at_vertices[surface.triangles[picked] + head[:, None] * per_head]
        shares = _shares(points, corners[:, :, :2])[:, :, None]
        normals = functional.normalize((shares * corners[:, :, 2:5]).sum(dim=1), dim=1, eps=1e-9)
        uv = _dense(pixel, (shares * surface.uv[picked]).sum(dim=1), batch, size)
        face = (shares[:, :, 0] * corners[:, :, 5]).sum(dim=1)

        cover_map = cover.reshape(batch, 1, size, size)
        within = _dense(pixel, normals.new_ones(len(pixel), 1), batch, size).permute(0, 3, 1, 2)
        albedo = within * _sampled(texture, uv)
        if normal_map is None:
            normals_map = _dense(pixel, normals, batch, size).permute(0, 3, 1, 2)
        else:
            normals_map = within * functional.normalize(_sampled(normal_map, uv), dim=1, eps=1e-9)
        shade = shading(normals_map.flatten(2).mT, light).mT.reshape(batch, 3, size, size)
        lit = cover_map * albedo * shade
        masks = torch.stack([surface.is_skin[picked].to(face.dtype), face * surface.is_skin[picked]], dim=1)
        skin, face_map = (cover_map * _dense(pixel, masks, batch, size).permute(0, 3, 1, 2)).split(1, dim=1)
        return Drawn(
            picture=lit if background is None else lit + (1.0 - cover_map) * background,
            cover=cover_map,
            skin=skin,
            face=face_map,
            albedo=albedo,
            normals=normals_map,
            shade=within * shade,
            uv=uv,
            triangle=shown.reshape(batch, size, size),
        )


def head_texture(head: HeadModel, size_px: int = 256) -> Tensor:
    """The head's own texture, float32 [1, 3, T, T] in 0..1; mid grey where it has none."""
    if head.texture is None:
        return torch.full((1, 3, size_px, size_px), 0.5)
    whole = torch.from_numpy(np.array(head.texture)).permute(2, 0, 1)[None].float() / 255.0
    return functional.interpolate(whole, size=(size_px, size_px), mode="area")


def _middles(pixel: Tensor, size: int) -> Tensor:
    """Where the middles of pixels [N] of a batch are, [N, 2]."""
    within = pixel % size**2
    return torch.stack([within % size, torch.div(within, size, rounding_mode="floor")], dim=1) + 0.5


def _shares(points: Tensor, corners: Tensor) -> Tensor:
    """Of points [N, 2] within triangles [N, 3, 2], [N, 3]: 0..1, sum 1."""
    one, two, three = corners.unbind(dim=1)
    first, second, to_point = two - one, three - one, points - one
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    area = torch.where(area.abs() < _LEAST_AREA_PX, -_LEAST_AREA_PX, area)
    share_two = (to_point[:, 0] * second[:, 1] - to_point[:, 1] * second[:, 0]) / area
    share_three = (first[:, 0] * to_point[:, 1] - first[:, 1] * to_point[:, 0]) / area
    shares = torch.stack([1.0 - share_two - share_three, share_two, share_three], dim=1).clamp(min=0.0)
    return shares / shares.sum(dim=1, keepdim=True)


def _dense(pixel: Tensor, values: Tensor, batch: int, size: int) -> Tensor:
    """Values [N, C] at pixels [N] as [B, S, S, C], 0 elsewhere."""
    whole = values.new_zeros(batch * size**2, values.shape[1]).index_put((pixel,), values)
    return whole.reshape(batch, size, size, -1)


def _sampled(texture: Tensor, uv: Tensor) -> Tensor:
    """A texture [B, C, T, T] at places [B, S, S, 2]: [B, C, S, S]. It goes on sideways at its seam."""
    wide = functional.pad(texture, (1, 1, 0, 0), mode="circular")
    columns = texture.shape[3]
    u = (uv[..., 0] % 1.0) * columns + 1.0
    grid = torch.stack([2.0 * u / (columns + 2) - 1.0, 1.0 - 2.0 * uv[..., 1]], dim=3)
    return functional.grid_sample(wide, grid, mode="bilinear", padding_mode="border", align_corners=False)
