"""Pictures of a head that tell how to move it: a renderer whose pictures have gradients. Pure torch, no compiler.

    surface = Surface.of(open_head())                    # what does not move: triangles, texture places, masks
    renderer = Renderer(surface, size_px=224)            # an nn.Module without parameters; .to(device)
    drawn = renderer(vertices, camera, texture, light)   # Drawn: picture, cover, skin, face, albedo, normals, uv, ...
    ((drawn.picture - photo).abs() * drawn.skin).mean().backward()

vertices  float32 [B, V, 3] m, the head turned as it is seen (`FlameTorch(..., head_rotation=...)`): +X to the subject's
          left, which is right in the picture, +Y up, +Z towards the viewer
camera    float32 [B, 3]: (s, tx, ty) of the weak perspective  u = s (x + tx), v = -s (y + ty); the picture is -1..1
          both ways, and pixel = size / 2 * (u + 1) from its corner: see `camera`
texture   float32 [B, 3, T, T], 0..1, first row at v = 1 (as `HeadModel.texture`)
light     float32 [B, 9, 3]: spherical harmonics, see `light`; `light.even_light(B)` shows the texture as it is
picture   float32 [B, 3, S, S], over `background` (black where none is given)

Gradients reach vertices, camera, texture, light and normal map. Which triangle a pixel shows is found without gradients
(`visibility`); its place in that triangle is computed anew with them. The outline is soft over `edge_px` to both sides
(`outline`), so it learns where it should be too. No gradient knows that a part could come out from behind another.

`unwrap` takes values at vertices to texels and back to pixels; `visibility_pytorch3d` finds the triangles with
PyTorch3D, where that is installed: Renderer(surface, visibility=visible_by_pytorch3d).
"""

from training.render.differentiable.camera import in_picture, in_pixels
from training.render.differentiable.light import even_light, shading
from training.render.differentiable.renderer import Drawn, Renderer, head_texture
from training.render.differentiable.surface import Surface, vertex_normals
from training.render.differentiable.unwrap import Unwrap
from training.render.differentiable.visibility import Visibility, visible_by_depth
from training.render.differentiable.visibility_pytorch3d import visible_by_pytorch3d

__all__ = [
    "Drawn",
    "Renderer",
    "Surface",
    "Unwrap",
    "Visibility",
    "even_light",
    "head_texture",
    "in_picture",
    "in_pixels",
    "shading",
    "vertex_normals",
    "visible_by_depth",
    "visible_by_pytorch3d",
]
