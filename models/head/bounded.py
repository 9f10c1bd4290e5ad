"""Least squares within bounds, exactly, for a few dozen unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_PATIENCE = 3
_TOLERANCE = 1e-10


def bounded_quadratic_minimum(
    curvature: Doubles, gradient: Doubles, upper: Doubles, near: Doubles | None = None
) -> Doubles:
    """The x in 0..`upper` [N] that minimises  x' C x / 2 - g' x,  C positive definite [N, N].

    `near` [N] is where it may be: a good guess saves most of the time and changes nothing else.

    Block principal pivoting (Portugal, Judice, Vicente 1994, "A comparison of block pivoting and interior-point
    algorithms for linear least squares problems with nonnegative variables", with upper bounds added): guess which
    unknowns sit on a bound, solve for the others, and exchange all that came out on the wrong side. When exchanging
    them all stops helping, only the last one is exchanged, which must end.
    """
    size = len(gradient)
    identity = np.eye(size)
    at_upper = np.zeros(size, bool) if near is None else (near >= upper) & (upper > 0.0)
    free = np.ones(size, bool) if near is None else (near > 0.0) & ~at_upper
    fewest, patience = size + 1, _PATIENCE
    while True:
        held = np.where(at_upper, upper, 0.0)
        # Rows and columns of the held unknowns are those of the identity: one solve of fixed size.
        system = np.where(free[:, None] & free[None, :], curvature, identity)
        x = np.linalg.solve(system, np.where(free, gradient - curvature @ held, held))
        slope = curvature @ x - gradient
        below = free & (x < -_TOLERANCE)
        above = free & (x > upper + _TOLERANCE)
        released = ~free & np.where(at_upper, slope > _TOLERANCE, slope < -_TOLERANCE)
        wrong = below | above | released
        count = int(np.count_nonzero(wrong))
        if count == 0:
            return np.clip(x, 0.0, upper)
        if count < fewest:
            fewest, patience = count, _PATIENCE
        elif patience > 0:
            patience -= 1
        else:
            last = np.flatnonzero(wrong)[-1]
            wrong = np.arange(size) == last
        free = np.where(wrong, released, free)
        at_upper = np.where(wrong, above, at_upper)
