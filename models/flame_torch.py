"""The head's forward pass in torch: batched, differentiable, equal to `models.head.flame.FaceRig` to 1e-5 m."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.head.flame import EYELID_COUNT, JAW, JOINT_COUNT, LEFT_EYE, RIGHT_EYE, HeadModel

# Added to the squared angle so that the square root has a finite gradient at rest (an angle of 1e-8 rad).
_SQUARED_ANGLE_FLOOR = 1e-16


class FlameTorch(nn.Module):
    """One head, any number of identities. Arguments are float32 with a leading batch dimension B, units as `FaceRig`.

    The arrays of the head are buffers: they move with `.to(device)`, are not trained and not stored in checkpoints.
    """

    template: Tensor
    shape_dirs: Tensor
    expression_dirs: Tensor
    eyelid_dirs: Tensor
    pose_dirs: Tensor
    joint_regressor: Tensor
    skin_weights: Tensor

    def __init__(self, head: HeadModel) -> None:
        super().__init__()
        eyelid_dirs = (
            torch.zeros(head.vertex_count, 3, EYELID_COUNT)
            if head.eyeliddirs is None
            else torch.tensor(head.eyeliddirs)
        )
        for name, array in (
            ("template", torch.tensor(head.v_template)),
            ("shape_dirs", torch.tensor(head.shapedirs[:, :, : head.shape_count])),
            ("expression_dirs", torch.tensor(head.shapedirs[:, :, head.shape_count :])),
            ("eyelid_dirs", eyelid_dirs),
            ("pose_dirs", torch.tensor(head.posedirs)),
            ("joint_regressor", torch.tensor(head.J_regressor)),
            ("skin_weights", torch.tensor(head.weights)),
        ):
            self.register_buffer(name, array, persistent=False)

    def forward(
        self,
        expression: Tensor,
        jaw: Tensor,
        eyelids: Tensor,
        gaze: Tensor,
        shape: Tensor | None = None,
        head_rotation: Tensor | None = None,
        head_translation: Tensor | None = None,
    ) -> Tensor:
        """Vertices [B, V, 3] in metres of expression [B, E], jaw [B, 3], eyelids [B, 2], gaze [B, 4], shape [B, <= S].

        head_rotation [B, 3] and head_translation [B, 3] carry the head into the camera frame.
        """
        batch = expression.shape[0]
        shaped = self.template + torch.einsum("vce,be->bvc", self.expression_dirs, expression)
        if shape is not None:
            shaped = shaped + torch.einsum("vcs,bs->bvc", self.shape_dirs[:, :, : shape.shape[1]], shape)
        joints = torch.einsum("jv,bvc->bjc", self.joint_regressor, shaped)
        still = torch.eye(3, dtype=expression.dtype, device=expression.device)
        turns = {
            JAW: matrix_from_axis_angle(jaw) - still,
            LEFT_EYE: matrix_from_gaze(gaze[:, :2]) - still,
            RIGHT_EYE: matrix_from_gaze(gaze[:, 2:]) - still,
        }
        rest = torch.zeros_like(turns[JAW])
        feature = torch.stack([turns.get(joint, rest) for joint in range(1, JOINT_COUNT)], dim=1).reshape(batch, -1)
        posed = shaped + torch.einsum("vcp,bp->bvc", self.pose_dirs, feature)
        posed = posed + torch.einsum("vcl,bl->bvc", self.eyelid_dirs, eyelids)
        moved = posed
        for joint, turn in turns.items():
            from_joint = posed - joints[:, joint, None]
            moved = moved + self.skin_weights[:, joint, None] * torch.einsum("bij,bvj->bvi", turn, from_joint)
        if head_rotation is not None:
            moved = torch.einsum("bij,bvj->bvi", matrix_from_axis_angle(head_rotation), moved)
        if head_translation is not None:
            moved = moved + head_translation[:, None]
        return moved


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rotation matrices [B, 3, 3] of axis-angle vectors [B, 3] in rad; differentiable at rest too."""
    angle = torch.sqrt(torch.sum(axis_angle**2, dim=1) + _SQUARED_ANGLE_FLOOR)[:, None, None]
    x, y, z = axis_angle.unbind(dim=1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    # 1 - cos(a) as 2 sin(a/2)^2, which keeps its digits for small angles.
    versine_over = 0.5 * (torch.sin(0.5 * angle) / (0.5 * angle)) ** 2
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + torch.sin(angle) / angle * cross + versine_over * (cross @ cross)


def matrix_from_gaze(gaze: Tensor) -> Tensor:
    """Rotation matrices [B, 3, 3] of pitch and yaw [B, 2] in rad: pitch first, then yaw."""
    (sine_pitch, sine_yaw), (cosine_pitch, cosine_yaw) = torch.sin(gaze).unbind(1), torch.cos(gaze).unbind(1)
    zero = torch.zeros_like(sine_pitch)
    rows = [
        torch.stack([cosine_yaw, sine_yaw * sine_pitch, sine_yaw * cosine_pitch], dim=1),
        torch.stack([zero, cosine_pitch, -sine_pitch], dim=1),
        torch.stack([-sine_yaw, cosine_yaw * sine_pitch, cosine_yaw * cosine_pitch], dim=1),
    ]
    return torch.stack(rows, dim=1)
