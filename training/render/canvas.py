"""Draws lit meshes with OpenGL, without a window, and tells how far away what is seen is, and whose it is.

    canvas = Canvas(384)
    head = canvas.solid(mesh, texture, Finish(...))
    picture = canvas.draw([head], window, light)

Solids stay on the device: what does not change is uploaded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from models.head.picture import drawing_context
from training.render.meshes import Floats, Mesh, normals

NEAR_M, FAR_M = 0.03, 30.0
# What a pixel shows. `OTHER` hides the face; `HEAD` is the head itself, and what grows on it without hiding it.
NOTHING, HEAD, OTHER = 0, 1, 2
_OWNER_STEP_M = 64.0  # the alpha channel carries depth + owner * step; depths stay below the step
_KEYS = 2

_VERTEX_SHADER = """
#version 330
in vec3 position; in vec3 normal; in vec2 uv; in float part_gloss;
uniform mat4 window; uniform mat4 model;
out vec3 place; out vec3 direction; out vec2 texel; out float shine;
void main() {
    vec4 seen = model * vec4(position, 1.0);
    place = seen.xyz; direction = mat3(model) * normal; texel = uv; shine = part_gloss;
    gl_Position = window * seen;
}
"""
_SHADOW_VERTEX_SHADER = """
#version 330
in vec3 position; in vec2 uv; uniform mat4 window; uniform mat4 model; out vec2 texel;
void main() { texel = uv; gl_Position = window * model * vec4(position, 1.0); }
"""
_SHADOW_FRAGMENT_SHADER = """
#version 330
in vec2 texel; uniform sampler2D coat;
void main() { if (texture(coat, texel).a < 0.5) discard; }
"""
# Irradiance in second-order spherical harmonics (Ramamoorthi and Hanrahan 2001, equation 13, with the constants folded
# in), key lights with a softened terminator where the surface scatters, one of them with a shadow, a grazing sheen.
_FRAGMENT_SHADER = """
#version 330
in vec3 place; in vec3 direction; in vec2 texel; in float shine;
uniform sampler2D coat; uniform sampler2D shadow; uniform mat4 to_shadow; uniform vec3 tint; uniform vec4 finish;
uniform vec3 irradiance[9]; uniform vec3 key_direction[2]; uniform vec3 key_colour[2]; uniform float shadow_strength;
out vec4 colour;
float lit() {
    vec3 at = (to_shadow * vec4(place, 1.0)).xyz * 0.5 + 0.5;
    if (any(lessThan(at, vec3(0.0))) || any(greaterThan(at, vec3(1.0)))) return 1.0;
    float sum = 0.0;
    for (int k = 0; k < 4; k++) {
        vec2 jog = vec2(k % 2, k / 2) * 2.0 - 1.0;
        sum += step(at.z - 0.012, texture(shadow, at.xy + jog * 0.0035).r);
    }
    return 1.0 - shadow_strength * (1.0 - 0.25 * sum);
}
void main() {
    vec4 painted = texture(coat, texel);
    if (finish.z > 0.99 && painted.a < 0.5) discard;
    vec3 albedo = pow(painted.rgb, vec3(2.2)) * tint;
    vec3 viewer = normalize(-place), n = normalize(direction);
    if (dot(n, viewer) < 0.0 && !gl_FrontFacing) n = -n;
    float gloss = max(finish.x, shine);
    vec3 wrap = finish.y * vec3(0.32, 0.14, 0.10);
    vec3 light = irradiance[0] + irradiance[1] * n.y + irradiance[2] * n.z + irradiance[3] * n.x
        + irradiance[4] * n.x * n.y + irradiance[5] * n.y * n.z + irradiance[6] * (3.0 * n.z * n.z - 1.0)
        + irradiance[7] * n.x * n.z + irradiance[8] * (n.x * n.x - n.y * n.y);
    light = max(light, 0.0);
    vec3 mirror = 0.05 * pow(1.0 - max(dot(n, viewer), 0.0), 4.0) * light;
    for (int k = 0; k < 2; k++) {
        vec3 towards = key_direction[k];
        float shade = k == 0 ? lit() : 1.0;
        light += shade * key_colour[k] * max((dot(n, towards) + wrap) / (1.0 + wrap), 0.0);
        float power = mix(14.0, 180.0, gloss), strength = mix(0.04, 1.2, gloss * gloss);
        mirror += shade * strength * key_colour[k] * pow(max(dot(n, normalize(towards + viewer)), 0.0), power);
    }
    float owned = -place.z + finish.w * %OWNER_STEP;
    colour = finish.z > 0.99 ? vec4(albedo * light + mirror, owned) : vec4(albedo * light + mirror, finish.z);
}
""".replace("%OWNER_STEP", f"{_OWNER_STEP_M:.1f}")


@dataclass(frozen=True)
class Finish:
    """gloss 0..1; scatter 0..1: skin lets light through; opacity below 1 for glass; owner: NOTHING, HEAD or OTHER."""

    gloss: float = 0.0
    scatter: float = 0.0
    opacity: float = 1.0
    owner: int = OTHER
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Lighting:
    """irradiance float32 [9, 3] (see the shader's order), key_directions [2, 3] unit, towards the light, key_colours
    [2, 3]; all in the camera frame and linear. The first key throws a shadow of `shadow` 0..1."""

    irradiance: Floats
    key_directions: Floats
    key_colours: Floats
    shadow: float = 0.0


class Solid:
    """A mesh on the device. `model` float32 [4, 4] carries it into the camera frame."""

    def __init__(
        self, canvas: Canvas, mesh: Mesh, texture: NDArray[np.uint8] | None, finish: Finish, gloss: Floats | None
    ) -> None:
        context = canvas.context
        self.finish, self.model = finish, np.eye(4, dtype=np.float32)
        self._triangles = mesh.triangles
        picture = np.full((1, 1, 4), 255, np.uint8) if texture is None else texture
        height, width, bands = picture.shape
        flipped = np.ascontiguousarray(picture[::-1])
        self.texture = context.texture((width, height), bands, flipped.tobytes(), alignment=1)
        self.texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        extra = np.zeros(len(mesh.vertices), np.float32) if gloss is None else gloss
        fixed = np.concatenate([mesh.uv, extra[:, None]], axis=1).astype(np.float32)
        self._moving = context.buffer(reserve=len(mesh.vertices) * 24, dynamic=True)
        self.move(mesh.vertices)
        still, index = context.buffer(fixed.tobytes()), context.buffer(mesh.triangles.astype(np.int32).tobytes())
        self.lit = context.vertex_array(
            canvas.program,
            [(self._moving, "3f 3f", "position", "normal"), (still, "2f 1f", "uv", "part_gloss")],
            index,
        )
        self.dark = context.vertex_array(
            canvas.shadow_program, [(self._moving, "3f 12x", "position"), (still, "2f 4x", "uv")], index
        )

    def move(self, vertices: Floats, directions: Floats | None = None) -> None:
        """New vertices [N, 3], and their normals where they are known already."""
        directions = normals(vertices, self._triangles) if directions is None else directions
        self._moving.write(np.concatenate([vertices, directions], axis=1).astype(np.float32).tobytes())


class Canvas:
    """A square of `size_px` that solids are drawn on."""

    def __init__(self, size_px: int, shadow_px: int = 256) -> None:
        self.context = drawing_context()
        self.program = self.context.program(vertex_shader=_VERTEX_SHADER, fragment_shader=_FRAGMENT_SHADER)
        self.shadow_program = self.context.program(
            vertex_shader=_SHADOW_VERTEX_SHADER, fragment_shader=_SHADOW_FRAGMENT_SHADER
        )
        self.size_px = size_px
        size = (size_px, size_px)
        self._target = self.context.framebuffer(
            [self.context.texture(size, 4, dtype="f4")], self.context.depth_renderbuffer(size)
        )
        self._shadow = self.context.depth_texture((shadow_px, shadow_px))
        self._shadow.compare_func = ""
        self._shadow.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._shadow_target = self.context.framebuffer(depth_attachment=self._shadow)

    def solid(
        self,
        mesh: Mesh,
        texture: NDArray[np.uint8] | None = None,
        finish: Finish = Finish(),
        gloss: Floats | None = None,
    ) -> Solid:
        """Upload a mesh with a texture uint8 [H, W, 3 or 4] (alpha below half is a hole) and its parts' gloss [N]."""
        return Solid(self, mesh, texture, finish, gloss)

    def draw(self, solids: list[Solid], window: NDArray[np.float64], light: Lighting) -> Floats:
        """float32 [S, S, 4], first row on top: linear colour, and depth and owner for `seen` in the last."""
        context = self.context
        to_shadow = _shadow_window(
            light.key_directions[0], solids[0].model[:3, 3] if solids else np.zeros(3, np.float32)
        )
        context.enable_only(moderngl.DEPTH_TEST)
        opaque = [solid for solid in solids if solid.finish.opacity > 0.99]
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        if light.shadow > 0.0:
            self._set(self.shadow_program, "window", to_shadow.T)
            for solid in opaque:
                solid.texture.use(0)
                self._set(self.shadow_program, "model", solid.model.T)
                solid.dark.render()
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 0.0)
        self._set(self.program, "window", window.T)
        self._set(self.program, "to_shadow", to_shadow.T)
        self._set(self.program, "irradiance", light.irradiance)
        self._set(self.program, "key_direction", light.key_directions)
        self._set(self.program, "key_colour", light.key_colours)
        self._set(self.program, "shadow_strength", np.array([light.shadow]))
        self._shadow.use(1)
        self._set_unit("coat", 0)
        self._set_unit("shadow", 1)
        for solid in opaque:
            self._render(solid)
        glass = [solid for solid in solids if solid.finish.opacity <= 0.99]
        if glass:
            context.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
            source, rest = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
            blending: Any = (source, rest, moderngl.ZERO, moderngl.ONE)  # depth and owner stay; declared too narrowly
            context.blend_func = blending
            for solid in glass:
                self._render(solid)
            context.enable_only(moderngl.DEPTH_TEST)
        data = self._target.read(components=4, dtype="f4")
        return np.frombuffer(data, np.float32).reshape(self.size_px, self.size_px, 4)[::-1]

    def _render(self, solid: Solid) -> None:
        finish = solid.finish
        solid.texture.use(0)
        self._set(self.program, "model", solid.model.T)
        self._set(self.program, "tint", np.array(finish.tint))
        self._set(self.program, "finish", np.array([finish.gloss, finish.scatter, finish.opacity, finish.owner]))
        solid.lit.render()

    def _set(self, program: Any, name: str, values: NDArray[Any]) -> None:
        program[name].write(np.ascontiguousarray(values, np.float32).tobytes())

    def _set_unit(self, name: str, unit: int) -> None:
        sampler: Any = self.program[name]
        sampler.value = unit


def seen(picture: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    """(depth in m [S, S], owner [S, S]) of what `Canvas.draw` gave; depth is infinite where nothing is."""
    owner = np.floor(picture[:, :, 3] / _OWNER_STEP_M).astype(np.uint8)
    depth = np.where(owner == NOTHING, np.inf, picture[:, :, 3] - owner * _OWNER_STEP_M)
    return depth.astype(np.float32), owner


def window_matrix(focal: float, centre: tuple[float, float], to_crop: NDArray[np.float64]) -> NDArray[np.float64]:
    """OpenGL's clip matrix [4, 4] of a pinhole (`focal`, `centre` in pixels) seen through a crop of its picture.

    `to_crop` float64 [2, 3] carries pixels to crop coordinates (0..1, y down); the crop fills the canvas.
    """
    pixels = np.array([[focal, 0.0, -centre[0]], [0.0, -focal, -centre[1]], [0.0, 0.0, -1.0]])
    crop = np.concatenate([to_crop, [[0.0, 0.0, 1.0]]]) @ pixels
    span = NEAR_M - FAR_M
    return np.array(
        [
            [*(2.0 * crop[0] - crop[2]), 0.0],
            [*(crop[2] - 2.0 * crop[1]), 0.0],
            [0.0, 0.0, (FAR_M + NEAR_M) / span, 2.0 * FAR_M * NEAR_M / span],
            [*crop[2], 0.0],
        ]
    )


def _shadow_window(towards: Floats, middle: Floats, half_m: float = 0.26) -> NDArray[np.float64]:
    """A parallel view [4, 4] from a light onto the surroundings of `middle`."""
    z = np.asarray(towards, np.float64)
    x = np.cross([0.0, 1.0, 0.02], z)
    x /= np.linalg.norm(x)
    turn = np.stack([x, np.cross(z, x), -z]) / half_m
    return np.concatenate([np.c_[turn, -turn @ np.asarray(middle, np.float64)], [[0.0, 0.0, 0.0, 1.0]]])
