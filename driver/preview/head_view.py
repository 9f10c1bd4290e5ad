"""The head on the page, live: seen from where the camera is, in the frame's own axes and never mirrored here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driver.preview.coloured_parts import parts_of
from driver.worn_head import WornHead
from protocol.frame import FaceFrame, Floats

if TYPE_CHECKING:
    import viser

_FOV_RAD = 0.6
_USUAL_PLACE_M = (0.0, 0.0, -0.6)


class HeadView:
    """Owns the scene. `show` costs the driver about one matrix product and some copies."""

    def __init__(self, server: viser.ViserServer, worn: WornHead) -> None:
        self._server, self._worn = server, worn
        scene = server.scene
        scene.set_up_direction("+y")
        server.initial_camera.position = np.zeros(3)
        server.initial_camera.look_at = np.array(_USUAL_PLACE_M)
        server.initial_camera.fov = _FOV_RAD
        server.initial_camera.near = 0.02
        self._head = scene.add_frame("/head", show_axes=False, position=np.array(_USUAL_PLACE_M))
        rest = worn.head.v_template
        self._parts = [
            (
                part.ids,
                scene.add_mesh_simple(
                    f"/head/{part.name}",
                    rest[part.ids],
                    part.faces,
                    color=part.colour,
                    side="double",  # the mouth's inside is seen through the lips
                    cast_shadow=False,
                    receive_shadow=False,
                ),
            )
            for part in parts_of(worn.head)
        ]

    def show(self, frame: FaceFrame, shape: Floats | None) -> None:
        """Move head and face as `frame` says; every page gets all of it at once."""
        vertices = self._worn.vertices(frame, shape)
        with self._server.atomic():
            self._head.wxyz = quaternion(frame.head_rotation)
            self._head.position = frame.head_translation.astype(np.float64)
            for ids, mesh in self._parts:
                mesh.vertices = vertices[ids]


def quaternion(axis_angle: Floats) -> Floats:
    """(w, x, y, z) of a rotation given as axis times angle, rad."""
    angle = float(np.linalg.norm(axis_angle))
    half = 0.5 * angle
    scale = np.sin(half) / angle if angle > 0.0 else 0.5
    return np.array([np.cos(half), *(scale * np.asarray(axis_angle, np.float64))])
