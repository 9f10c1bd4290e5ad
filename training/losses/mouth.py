"""The mouth's surface as a function of the motion, in torch: where lips, chin and cheeks are, and how far they part.

A motion is worth what it does to the face: the same error in two coefficients may move a lip by a millimetre or not at
all. So models are compared with their truth at points on the skin, in mm, and at the gap between the lips.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.flame_torch import matrix_from_axis_angle
from models.head.flame import JAW, HeadModel
from models.head.landmarks import INNER_LIPS, LIPS, open_head_landmarks

EXPRESSION_SIZE = 50
# MediaPipe's numbers of points on the chin, the jaw's line, the cheeks and beside the nose.
AROUND = (152, 148, 377, 175, 199, 200, 18, 172, 397, 205, 425, 50, 280, 187, 411, 216, 436, 164, 2)
_MM = 1000.0


class MouthSurface(nn.Module):
    """Motion [..., 53] (sd, rad) -> points [..., P, 3] in mm, on the open head without identity.

    Exact as the head itself: expression is linear, the jaw turns with its correctives and its skinning.
    """

    template: Tensor
    dirs: Tensor
    jaw_dirs: Tensor
    jaw_share: Tensor
    joint: Tensor
    joint_dirs: Tensor

    def __init__(self, head: HeadModel) -> None:
        super().__init__()
        embedding = open_head_landmarks()
        numbers = np.array([*LIPS, *AROUND])
        corners, shares = head.f[embedding.triangles[numbers]], embedding.barycentric[numbers]

        def at_points(array: np.ndarray) -> Tensor:
            return torch.tensor(np.einsum("pk,pk...->p...", shares, array[corners]), dtype=torch.float32)

        expression = head.shapedirs[:, :, head.shape_count :]
        jaw_features = slice(9 * (JAW - 1), 9 * JAW)
        for name, tensor in (
            ("template", at_points(head.v_template)),
            ("dirs", at_points(expression)),
            ("jaw_dirs", at_points(head.posedirs[:, :, jaw_features])),
            ("jaw_share", at_points(head.weights[:, JAW])),
            ("joint", torch.tensor(head.J_regressor[JAW] @ head.v_template, dtype=torch.float32)),
            ("joint_dirs", torch.tensor(np.einsum("v,vce->ce", head.J_regressor[JAW], expression))),
        ):
            self.register_buffer(name, tensor.float(), persistent=False)
        where = {int(number): index for index, number in enumerate(numbers)}
        middle = len(INNER_LIPS[0]) // 2
        self.upper, self.lower = where[INNER_LIPS[0][middle]], where[INNER_LIPS[1][middle]]
        self.corners = (where[LIPS[0]], where[LIPS[1]])
        with torch.no_grad():
            self.rest_gap_mm = float(self._gap(self.forward(torch.zeros(1, EXPRESSION_SIZE + 3))))

    def forward(self, motion: Tensor) -> Tensor:
        """Points in mm; see the class."""
        flat = motion.reshape(-1, motion.shape[-1])
        expression, jaw = flat[:, :EXPRESSION_SIZE], flat[:, EXPRESSION_SIZE:]
        turn = matrix_from_axis_angle(jaw) - torch.eye(3, dtype=flat.dtype, device=flat.device)
        points = self.template + torch.einsum("pce,be->bpc", self.dirs, expression)
        points = points + torch.einsum("pcf,bf->bpc", self.jaw_dirs, turn.reshape(-1, 9))
        joint = self.joint + expression @ self.joint_dirs.T
        from_joint = points - joint[:, None]
        points = points + self.jaw_share[:, None] * torch.einsum("bij,bpj->bpi", turn, from_joint)
        return _MM * points.reshape(*motion.shape[:-1], -1, 3)

    def gap_mm(self, points: Tensor) -> Tensor:
        """How much wider than at rest the lips part in their middle [...], mm; negative when they press."""
        return self._gap(points) - self.rest_gap_mm

    def _gap(self, points: Tensor) -> Tensor:
        return points[..., self.upper, 1] - points[..., self.lower, 1]

    def width_mm(self, points: Tensor) -> Tensor:
        """Distance between the corners of the mouth [...], mm."""
        right, left = self.corners
        return (points[..., right, :] - points[..., left, :]).norm(dim=-1)
