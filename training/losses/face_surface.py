"""The face's points as a function of everything that moves them, in torch: lips, lids, irises, brows, nose, outline.

The wider sister of `training.losses.mouth`: FACE_POINTS on the open head, exact as the head itself. A point lies in a
triangle whose three corners are moved by the full forward pass.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.flame_torch import matrix_from_axis_angle, matrix_from_gaze
from models.head.flame import EYELID_COUNT, JAW, LEFT_EYE, RIGHT_EYE, HeadModel
from models.head.landmarks import FACE_POINTS, INNER_LIPS, open_head_landmarks

EXPRESSION_SIZE, JAW_SIZE = 50, 3
_MM = 1000.0
_JOINTS = (JAW, LEFT_EYE, RIGHT_EYE)


class FaceSurface(nn.Module):
    """Motion -> FACE_POINTS [..., 140, 3] in mm, in the head's frame, on the open head."""

    template: Tensor
    dirs: Tensor
    pose_dirs: Tensor
    weights: Tensor
    joints: Tensor
    joint_dirs: Tensor
    shares: Tensor

    def __init__(self, head: HeadModel) -> None:
        super().__init__()
        embedding = open_head_landmarks()
        ids = np.array(FACE_POINTS)
        rows = head.f[embedding.triangles[ids]].reshape(-1)
        lids = np.zeros((head.vertex_count, 3, EYELID_COUNT)) if head.eyeliddirs is None else head.eyeliddirs
        joints = list(_JOINTS)
        features = np.concatenate([np.arange(9 * (joint - 1), 9 * joint) for joint in joints])
        # Identity and expression move the joints, lids do not: see FlameTorch.
        expression, shape = head.shapedirs[:, :, head.shape_count :], head.shapedirs[:, :, : head.shape_count]
        moved_by = np.concatenate([expression, np.zeros_like(lids), shape], axis=2)
        dirs = np.concatenate([expression, lids, shape], axis=2)[rows]
        for name, array in (
            ("template", head.v_template[rows]),
            ("dirs", dirs.reshape(len(rows) * 3, -1).T),
            ("pose_dirs", head.posedirs[rows][:, :, features].reshape(len(rows) * 3, -1).T),
            ("weights", head.weights[rows][:, joints].T),
            ("joints", head.J_regressor[joints] @ head.v_template),
            ("joint_dirs", np.einsum("jv,vce->ejc", head.J_regressor[joints], moved_by).reshape(dirs.shape[2], -1)),
            ("shares", embedding.barycentric[ids]),
        ):
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(array), dtype=torch.float32), persistent=False)
        row_of = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
        middle = len(INNER_LIPS[0]) // 2
        self.upper, self.lower = row_of[INNER_LIPS[0][middle]], row_of[INNER_LIPS[1][middle]]
        self.shape_count = head.shape_count
        with torch.no_grad():
            self.rest_gap_mm = float(self._gap(self.forward(torch.zeros(1, EXPRESSION_SIZE + JAW_SIZE))))

    def forward(
        self,
        motion: Tensor,
        eyelids: Tensor | None = None,
        gaze: Tensor | None = None,
        shape: Tensor | None = None,
    ) -> Tensor:
        """Points in mm of motion [..., 53] (sd, rad), eyelids [..., 2], gaze [..., 4] rad, shape [..., 100] sd.

        What is left out is at rest.
        """
        flat = motion.reshape(-1, motion.shape[-1])
        count = len(flat)

        def given(values: Tensor | None, size: int) -> Tensor:
            return flat.new_zeros(count, size) if values is None else values.reshape(count, size)

        expression, jaw = flat[:, :EXPRESSION_SIZE], flat[:, EXPRESSION_SIZE:]
        eyes = given(gaze, 4)
        linear = torch.cat([expression, given(eyelids, EYELID_COUNT), given(shape, self.shape_count)], dim=1)
        rest = torch.eye(3, dtype=flat.dtype, device=flat.device)
        turns = (
            torch.stack(
                [matrix_from_axis_angle(jaw), matrix_from_gaze(eyes[:, :2]), matrix_from_gaze(eyes[:, 2:])], dim=1
            )
            - rest
        )
        corners = (linear @ self.dirs + turns.reshape(count, -1) @ self.pose_dirs).reshape(count, -1, 3) + self.template
        joints = self.joints + (linear @ self.joint_dirs).reshape(count, len(_JOINTS), 3)
        moves = torch.stack(
            [
                self.weights[number, :, None] * ((corners - joints[:, number, None]) @ turns[:, number].mT)
                for number in range(len(_JOINTS))
            ]
        )
        corners = corners + moves.sum(dim=0)
        points = (corners.reshape(count, -1, 3, 3) * self.shares[:, :, None]).sum(dim=2)
        return _MM * points.reshape(*motion.shape[:-1], -1, 3)

    def gap_mm(self, points: Tensor) -> Tensor:
        """How much wider than at rest the lips part in their middle [...], mm; negative when they press."""
        return self._gap(points) - self.rest_gap_mm

    def _gap(self, points: Tensor) -> Tensor:
        return points[..., self.upper, 1] - points[..., self.lower, 1]


def projected(points_mm: Tensor, rotation: Tensor, place: Tensor, focal: Tensor) -> Tensor:
    """Points [B, P, 3] of heads as a crop shows them: [B, P, 2] in crop coordinates (0..1, y down).

    rotation [B, 3, 3] and place [B, 3] as in `models.head.crop.HeadInCrop`, focal [B] in crop sides. The pinhole looks
    at the crop's middle: the origin's offset in the crop, and each point's from it, grow with the point's nearness.
    """
    turned = torch.einsum("bij,bpj->bpi", rotation, points_mm / _MM)
    # At the head's origin `scale` crop sides are a metre; nearer points are larger.
    origin, scale = place[:, None, :2], place[:, None, 2]
    depth = focal[:, None] / scale
    nearer = depth / (depth - turned[:, :, 2]).clamp(min=0.02)
    flip = turned.new_tensor([1.0, -1.0])
    middle = turned.new_tensor([0.5, 0.5])
    return middle + nearer[:, :, None] * (origin - middle + scale[:, :, None] * turned[:, :, :2] * flip)
