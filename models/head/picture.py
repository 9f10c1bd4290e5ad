"""Pictures of a head, without a window: OpenGL through EGL, smooth shading and a skin that a face detector accepts.

    picture = render(vertices, head, yaw_rad=0.5)                    a portrait of a head in its own frame
    picture = render_through(camera, vertices, head)                 what a pinhole camera sees of a head in its frame

The camera frame is the motion space's: +X to the subject's left, which is right in the (unmirrored) picture, +Y up, +Z
towards the viewer; the head is at negative z.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from models.head.flame import Floats, HeadModel
from models.head.rotation import matrix_from_axis_angle

Picture = NDArray[np.uint8]

BACKGROUND = (0.92, 0.92, 0.94)
_NEAR_M, _FAR_M = 0.02, 20.0
_SAMPLES = 4  # what software OpenGL offers too
_MOST_PAINTERS = 4
# Linux draws without a screen by EGL; the other systems always can. moderngl declares its options too narrowly.
_CONTEXT_OPTIONS: Any = {"backend": "egl"} if sys.platform == "linux" else {}

_VERTEX_SHADER = """
#version 330
in vec3 position; in vec3 normal; in vec2 uv; in float gloss;
uniform mat4 projection;
out vec3 place; out vec3 direction; out vec2 texel; out float shine;
void main() {
    place = position; direction = normal; texel = uv; shine = gloss;
    gl_Position = projection * vec4(position, 1.0);
}
"""
# Light from the upper left, a fill from the right, a sky; red light reaches farther into the shade (skin scatters it).
_FRAGMENT_SHADER = """
#version 330
in vec3 place; in vec3 direction; in vec2 texel; in float shine;
uniform sampler2D coat; uniform vec3 key_direction; uniform float exposure;
out vec4 colour;
vec3 wrapped(float cosine, vec3 wrap) { return max((cosine + wrap) / (1.0 + wrap), 0.0); }
void main() {
    vec3 albedo = pow(texture(coat, texel).rgb, vec3(2.2));
    vec3 viewer = normalize(-place);
    vec3 n = normalize(direction);
    if (!gl_FrontFacing) n = -n;
    vec3 scatter = mix(vec3(0.35, 0.15, 0.10), vec3(0.05), shine);
    vec3 key = normalize(key_direction), fill = normalize(vec3(0.85, 0.05, 0.55));
    vec3 light = vec3(1.0, 0.97, 0.93) * 1.05 * wrapped(dot(n, key), scatter)
               + vec3(0.85, 0.92, 1.0) * 0.28 * wrapped(dot(n, fill), scatter)
               + mix(vec3(0.20, 0.17, 0.15), vec3(0.34, 0.35, 0.38), 0.5 + 0.5 * n.y);
    float power = mix(18.0, 160.0, shine), strength = mix(0.05, 0.9, shine);
    float rim = pow(1.0 - max(dot(n, viewer), 0.0), 4.0);
    float mirror = pow(max(dot(n, normalize(key + viewer)), 0.0), power);
    vec3 linear = exposure * (albedo * light + strength * mirror + 0.05 * rim);
    colour = vec4(pow(clamp(linear, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""


@dataclass(frozen=True)
class Camera:
    """A pinhole. Lengths in pixels; `centre_px` from the picture's top left corner, y down; `size` (width, height)."""

    focal_px: float
    centre_px: tuple[float, float]
    size: tuple[int, int]

    def pixels(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Where points [N, 3] of the camera frame appear: float64 [N, 2], x right and y down."""
        depth = -points[:, 2]
        x = self.centre_px[0] + self.focal_px * points[:, 0] / depth
        y = self.centre_px[1] - self.focal_px * points[:, 1] / depth
        return np.stack([x, y], axis=1)


@dataclass(frozen=True)
class Light:
    """Where the key light comes from, in the camera frame, and how bright the whole is."""

    direction: tuple[float, float, float] = (-0.45, 0.55, 0.75)
    exposure: float = 1.0


def render(
    vertices: Floats,
    head: HeadModel,
    *,
    yaw_rad: float = 0.0,
    pitch_rad: float = 0.0,
    size: tuple[int, int] = (480, 560),
    height_m: float = 0.33,
    centre_m: tuple[float, float, float] = (0.0, -0.012, -0.03),
) -> Picture:
    """A portrait uint8 [H, W, 3] of `vertices` [V, 3] in the head's frame, as a long lens sees it from 1.5 m.

    `yaw_rad` turns the head to its left and `pitch_rad` down, about `centre_m`, which is in the middle of the picture;
    the picture is `height_m` tall there.
    """
    distance_m = 1.5
    turn = matrix_from_axis_angle([0.0, yaw_rad, 0.0]) @ matrix_from_axis_angle([pitch_rad, 0.0, 0.0])
    placed = (vertices - np.asarray(centre_m)) @ turn.T - [0.0, 0.0, distance_m]
    width, height = size
    camera = Camera(focal_px=height * distance_m / height_m, centre_px=(width / 2, height / 2), size=size)
    return render_through(camera, placed.astype(np.float32), head)


def render_through(
    camera: Camera,
    vertices: Floats,
    head: HeadModel,
    *,
    background: tuple[float, float, float] | Picture = BACKGROUND,
    light: Light = Light(),
) -> Picture:
    """What `camera` sees of `vertices` [V, 3], given in the camera frame: uint8 [H, W, 3], RGB.

    `background` is a colour of three numbers in 0..1 or a picture of the camera's size.
    """
    return _painter(head).draw(camera, vertices, background, light)


def drawing_context() -> moderngl.Context:
    """The calling thread's OpenGL context: of several in a thread, only the newest would draw, and what one thread made
    another cannot use. It is left with depth test alone on. moderngl's own exceptions where there is no OpenGL.
    """
    if _of_thread.context is None:
        context = moderngl.create_context(standalone=True, **_CONTEXT_OPTIONS)
        context.gc_mode = "auto"  # what nobody holds any more is freed
        context.enable_only(moderngl.DEPTH_TEST)
        _of_thread.context = context
    return _of_thread.context


class _OfThread(threading.local):
    """What a thread has of OpenGL: its context, and the painters of the heads that it drew last."""

    def __init__(self) -> None:
        self.context: moderngl.Context | None = None
        self.painters: dict[int, _Painter] = {}


_of_thread = _OfThread()


def _painter(head: HeadModel) -> _Painter:
    painters = _of_thread.painters
    if id(head) not in painters:
        if len(painters) >= _MOST_PAINTERS:
            del painters[next(iter(painters))]
        painters[id(head)] = _Painter(head)
    return painters[id(head)]


class _Painter:
    """The OpenGL side of one head: what does not change from picture to picture is uploaded once."""

    def __init__(self, head: HeadModel) -> None:
        self._head = head  # held, so that no other head gets its id
        self._triangles = head.f
        self._context = drawing_context()
        self._program = self._context.program(vertex_shader=_VERTEX_SHADER, fragment_shader=_FRAGMENT_SHADER)
        if head.texture is None or head.uv is None or head.f_uv is None:
            texture, uv = np.full((1, 1, 3), (214, 170, 148), np.uint8), np.zeros((head.f.size, 2), np.float32)
        else:
            texture, uv = head.texture, head.uv[head.f_uv].reshape(-1, 2)
        height, width, _ = texture.shape
        self._texture = self._context.texture(
            (width, height), 3, np.ascontiguousarray(texture[::-1]).tobytes(), alignment=1
        )
        self._texture.build_mipmaps()
        self._texture.anisotropy = 8.0
        groups = np.zeros(len(head.f)) if head.groups is None else head.groups
        gloss = np.repeat(np.array([0.0, 1.0, 0.5, 0.35, 0.0], np.float32)[groups.astype(int)], 3)
        fixed = np.concatenate([uv, gloss[:, None]], axis=1).astype(np.float32)
        self._moving = self._context.buffer(reserve=head.f.size * 6 * 4)
        self._array = self._context.vertex_array(
            self._program,
            [
                (self._moving, "3f 3f", "position", "normal"),
                (self._context.buffer(fixed.tobytes()), "2f 1f", "uv", "gloss"),
            ],
        )
        self._targets: dict[tuple[int, int], tuple[Any, Any]] = {}

    def draw(
        self, camera: Camera, vertices: Floats, background: tuple[float, float, float] | Picture, light: Light
    ) -> Picture:
        width, height = camera.size
        smooth, plain = self._target(camera.size)
        corners = np.concatenate(
            [vertices[self._triangles], vertex_normals(vertices, self._triangles)[self._triangles]], axis=2
        )
        self._moving.write(corners.astype(np.float32).tobytes())
        self._set("projection", _projection(camera).T.astype(np.float32).tobytes())
        self._set("key_direction", np.array(light.direction, np.float32).tobytes())
        self._set("exposure", np.array([light.exposure], np.float32).tobytes())
        self._texture.use(0)
        smooth.use()
        is_picture = isinstance(background, np.ndarray)
        smooth.clear(*((0.0, 0.0, 0.0) if is_picture else background), 0.0)
        self._array.render()
        self._context.copy_framebuffer(plain, smooth)
        pixels = np.frombuffer(plain.read(components=4), np.uint8).reshape(height, width, 4)[::-1]
        if not is_picture:
            return pixels[:, :, :3].copy()
        # Multisampling leaves colours already multiplied by their coverage.
        uncovered = 1.0 - pixels[:, :, 3:] / 255.0
        return np.clip(pixels[:, :, :3] + uncovered * background + 0.5, 0, 255).astype(np.uint8)

    def _target(self, size: tuple[int, int]) -> tuple[Any, Any]:
        if size not in self._targets:
            context = self._context
            smooth = context.framebuffer(
                [context.renderbuffer(size, 4, samples=_SAMPLES)], context.depth_renderbuffer(size, samples=_SAMPLES)
            )
            self._targets[size] = (smooth, context.framebuffer([context.renderbuffer(size, 4)]))
        return self._targets[size]

    def _set(self, name: str, data: bytes) -> None:
        uniform: Any = self._program[name]
        uniform.write(data)


def vertex_normals(vertices: Floats, triangles: NDArray[np.int32]) -> Floats:
    """Unit normals float32 [V, 3], the mean of the adjoining triangles' weighted by area."""
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for axis in range(3):
        for corner in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], faces[:, axis], minlength=len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _projection(camera: Camera) -> NDArray[np.float64]:
    """The camera as OpenGL's clip matrix [4, 4]."""
    (width, height), (x, y), focal = camera.size, camera.centre_px, camera.focal_px
    depth = _NEAR_M - _FAR_M
    return np.array(
        [
            [2.0 * focal / width, 0.0, 1.0 - 2.0 * x / width, 0.0],
            [0.0, 2.0 * focal / height, 2.0 * y / height - 1.0, 0.0],
            [0.0, 0.0, (_FAR_M + _NEAR_M) / depth, 2.0 * _FAR_M * _NEAR_M / depth],
            [0.0, 0.0, -1.0, 0.0],
        ]
    )
