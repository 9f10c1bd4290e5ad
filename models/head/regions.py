"""Which part of an expression belongs to which region of the face.

The expression basis is global: one component moves lips and brows together. To let the microphone drive the mouth while
the camera drives the brows, an expression is split by *where on the face* its vertices move: with the basis B (3V x E)
and a partition of unity w_r over the vertices, the part of psi that lives in region r is the least-squares projection

    P_r psi,   P_r = (B^T B)^-1 B^T diag(w_r) B,   and the P_r add up to the identity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import HeadModel
from protocol.frame import ARKIT_SHAPES

_MOUTH_PREFIXES = ("mouth", "jaw", "cheekPuff", "tongue")


def mouth_projector(head: HeadModel, arkit: ArkitMap) -> NDArray[np.float32]:
    """P_mouth float32 [E, E]: keeps what an expression does to lips, chin, lower cheeks and tongue.

    `identity - mouth_projector` keeps the rest: brows, eyes, nose, upper cheeks. The vertex weights come from the ARKit
    shapes themselves: a vertex belongs to the mouth as far as the mouth's shapes move it more than the others do.
    """
    expressions = np.stack([arkit.to_motion(weights)[0] for weights in np.eye(len(ARKIT_SHAPES), dtype=np.float32)])
    basis = head.shapedirs[:, :, head.shape_count :].astype(np.float64)
    moved = np.einsum("vce,ke->kvc", basis, expressions)
    energy = (moved**2).sum(2)
    is_mouth = np.array([name.startswith(_MOUTH_PREFIXES) for name in ARKIT_SHAPES])
    mouth, rest = energy[is_mouth].sum(0), energy[~is_mouth].sum(0)
    weight = (mouth + 1e-12) / (mouth + rest + 2e-12)
    flat = basis.reshape(-1, basis.shape[2])
    weighted = flat * np.repeat(weight, 3)[:, None]
    return np.linalg.solve(flat.T @ flat, flat.T @ weighted).astype(np.float32)
