"""From codes to pictures: the fixed part of DECA and of what builds on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import open_head
from models.head.landmarks import open_head_landmarks
from models.reconstruction.code import FaceCode
from models.reconstruction.decoder import HeadDecoder
from models.reconstruction.detail import detail_normals
from models.reconstruction.texture import TextureModel
from training.render.differentiable import (
    Drawn,
    Renderer,
    Surface,
    Unwrap,
    in_picture,
    shading,
    vertex_normals,
)

_SAME_PLACE_TEXELS = 3.0
# The cosine to the viewer from which on skin counts in full.
_FULLY_FACING = 0.4


class Reconstruction(nn.Module):
    """Codes -> pictures and landmarks of the open head. Nothing in it learns."""

    def __init__(self, texture: TextureModel, size_px: int) -> None:
        super().__init__()
        self.head = HeadDecoder(open_head(), open_head_landmarks())
        self.renderer = Renderer(Surface.of(open_head()), size_px)
        self.texture = texture

    def landmarks(self, face: FaceCode, vertices: Tensor) -> Tensor:
        """The 68 [B, 68, 2] in -1..1 over the picture."""
        return in_picture(self.head.landmarks(vertices), face.cam)[..., :2]

    def draw(
        self, face: FaceCode, vertices: Tensor, background: Tensor | None = None, normal_map: Tensor | None = None
    ) -> Drawn:
        return self.renderer(vertices, face.cam, self.texture(face.tex), face.light, background, normal_map)

    def texture_of(self, face: FaceCode, size_px: int) -> Tensor:
        """Textures [B, 3, T, T], unlit, at another size than the model's."""
        return functional.interpolate(self.texture(face.tex), (size_px, size_px), mode="bilinear")


@dataclass(frozen=True, eq=False)
class Texels:
    """A face at the texels of its skin; [B, C, T, T], first row at v = 1.

    place   [B, 3, T, T] m, camera axes         normals   [B, 3, T, T]: unit, of the smooth surface
    picture [B, 3, T, T]: what the picture shows there         seen   [B, 1, T, T]: 0..1, how far it shows it
    albedo  [B, 3, T, T]: the texture, unlit
    """

    place: Tensor
    normals: Tensor
    picture: Tensor
    seen: Tensor
    albedo: Tensor

    def twice(self) -> Texels:
        return Texels(**{name: torch.cat([values, values]) for name, values in vars(self).items()})


def face_texels(unwrap: Unwrap, surface: Surface) -> Tensor:
    """[1, 1, T, T]: 1 where the texture shows the face, 0 where it shows the rest of the head."""
    return unwrap(surface.face[None, :, None])


class DetailScene(nn.Module):
    """Pictures and texels of faces whose surface is displaced. `size_px`: side of the displacement maps, T."""

    face: Tensor
    texel_uv: Tensor

    def __init__(self, scene: Reconstruction, size_px: int) -> None:
        super().__init__()
        self.scene, self.size_px = scene, size_px
        surface = scene.renderer.surface
        self.unwrap = Unwrap(surface, size_px)
        self.register_buffer("face", face_texels(self.unwrap, surface), persistent=False)
        at = (torch.arange(size_px) + 0.5) / size_px
        row, column = torch.meshgrid(1.0 - at, at, indexing="ij")
        self.register_buffer("texel_uv", torch.stack([column, row])[None], persistent=False)

    @torch.no_grad()
    def texels(self, face: FaceCode, picture: Tensor, mask: Tensor) -> Texels:
        """What a picture [B, 3, S, S] with its mask [B, 1, S, S] tells of the skin of faces placed in it."""
        vertices = self.scene.head(face)
        drawn = self.scene.draw(face, vertices)
        normals = self.unwrap(vertex_normals(vertices, self.scene.renderer.surface.triangles))
        place = self.unwrap(vertices)
        grid = in_picture(place.flatten(2).mT, face.cam)[..., :2].unflatten(1, (self.size_px, self.size_px))
        shown = functional.grid_sample(torch.cat([picture, mask], dim=1), grid, align_corners=False)
        there = functional.grid_sample(drawn.uv.permute(0, 3, 1, 2), grid, mode="nearest", align_corners=False)
        # A texel is seen where the picture's own place in the texture, at its pixel, is about the texel's.
        is_there = ((there - self.texel_uv).abs() < _SAME_PLACE_TEXELS / self.size_px).all(dim=1, keepdim=True)
        facing = (normals[:, 2:] / _FULLY_FACING).clamp(0.0, 1.0)
        return Texels(
            place, normals, shown[:, :3], shown[:, 3:] * is_there * facing * self.face,
            self.scene.texture_of(face, self.size_px),
        )  # fmt: skip

    def shade(self, face: FaceCode, texels: Texels, displacement: Tensor) -> Tensor:
        """The light [B, 3, T, T] on the displaced skin."""
        normals = detail_normals(texels.place, texels.normals, displacement)
        return shading(normals.flatten(2).mT, face.light).mT.unflatten(2, (self.size_px, self.size_px))

    def displaced_normals(self, face: FaceCode, displacement: Tensor) -> Tensor:
        """Normal maps [B, 3, T, T] for the renderer, of the face displaced by [B, 1, T, T] m."""
        vertices = self.scene.head(face)
        normals = self.unwrap(vertex_normals(vertices, self.scene.renderer.surface.triangles))
        displaced = detail_normals(self.unwrap(vertices), normals, displacement * self.face)
        return _filled(displaced, self.unwrap.is_skin)

    def draw(self, face: FaceCode, displacement: Tensor, background: Tensor | None = None) -> Drawn:
        """Pictures of faces whose skin is displaced by [B, 1, T, T] m; their outline is the smooth one's."""
        normal_map = self.displaced_normals(face, displacement)
        return self.scene.draw(face, self.scene.head(face), background, normal_map)


def _filled(normals: Tensor, is_skin: Tensor) -> Tensor:
    """Where there is no skin the map has the viewer's direction: eyes and teeth are drawn flat."""
    return torch.where(is_skin, normals, normals.new_tensor([0.0, 0.0, 1.0])[:, None, None])
