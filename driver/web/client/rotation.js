/** Rotations: axis-angle vectors and quaternions [x, y, z, w], right-handed, in the axes of PROTOCOL.md. */

/**
 * The quaternion of an axis-angle vector in rad.
 * @param {ArrayLike<number>} rotation @returns {[number, number, number, number]}
 */
export function quaternionFromAxisAngle(rotation) {
  const [x, y, z] = [rotation[0], rotation[1], rotation[2]];
  const angle = Math.hypot(x, y, z);
  const scale = angle < 1e-9 ? 0.5 : Math.sin(angle / 2) / angle;
  return [x * scale, y * scale, z * scale, Math.cos(angle / 2)];
}

/**
 * The rotation between `a` (at `share` 0) and `b` (at 1), the short way round; for the small steps between frames the
 * straight line, normalised, is as good as the arc.
 * @param {ArrayLike<number>} a @param {ArrayLike<number>} b @param {number} share
 * @returns {[number, number, number, number]}
 */
export function between(a, b, share) {
  const sign = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1 : 1;
  const mixed = [0, 1, 2, 3].map((index) => (1 - share) * a[index] + share * sign * b[index]);
  const length = Math.hypot(...mixed) || 1;
  return /** @type {any} */ (mixed.map((value) => value / length));
}
