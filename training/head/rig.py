"""Joints: where they are, which vertices follow them, and what skinning alone gets wrong.

The source moves the face by offsets only. Its jawOpen moves the lower teeth as one rigid rotation about a point near
the ears, so the jaw becomes a joint there; the skin's share in that rotation is fitted vertex by vertex, and what
remains becomes a pose corrective (FLAME's posedirs), so that the full opening is the source's shape. It is the same
sideways, with jawLeft. The eyelids' following of the gaze (eyeLook*) becomes a corrective of the eyeballs' joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.head.flame import JAW, JOINT_COUNT, LEFT_EYE, NECK, RIGHT_EYE, ROOT
from models.head.rotation import matrix_from_axis_angle
from training.head.source import Doubles, Longs, Source
from training.head.topology import Topology, eyeball_angles

# What eyeLook* at weight 1 stands for. The source turns its eyes by 10..15 degrees only, but its lids move as far as
# those of a person who looks this far up, down or aside.
FULL_GAZE_PITCH_RAD = np.radians(25.0)
FULL_GAZE_YAW_RAD = np.radians(30.0)

_JOINT_NEIGHBOURS = 60
_SMOOTHING_PASSES = 3
_LEAST_WEIGHT = 0.002
_TONGUE_LOWERING = 0.35
# Lids follow a gaze up or down by more than the source shows for its smaller turns.
_LID_FOLLOW_GAIN = 1.4


@dataclass(frozen=True, eq=False)
class Rig:
    """FLAME's rig arrays for the head, float64, and the jaw angles of jawOpen and jawLeft at weight 1, in rad.

    `opened` [V, 3] are the offsets of the full jawOpen, as skinning and corrective give them together.
    """

    opened: Doubles
    joint_regressor: Doubles
    weights: Doubles
    pose_dirs: Doubles
    jaw_open_rad: float
    jaw_left_rad: float

    def before_jaw(self, offsets: Doubles) -> Doubles:
        """Offsets [V, 3] given on the fully open face, as they must be before the jaw's skinning turns them."""
        turn = matrix_from_axis_angle([self.jaw_open_rad, 0.0, 0.0]) - np.eye(3)
        blended = np.eye(3) + self.weights[:, JAW, None, None] * turn
        return np.linalg.solve(blended, offsets[:, :, None])[:, :, 0].astype(np.float64)


def build_rig(source: Source, topology: Topology, head: Doubles, reference: Doubles) -> Rig:
    """The rig of the mean `head` [V, 3]; `reference` [N, 3] is the base mesh of an average person."""
    opened = topology.offsets(source.face_unit("jawOpen"))
    opened = 0.5 * (opened + topology.mirrored(opened))
    # The source's tongue stays arched and fills the open mouth: it is laid down.
    tongue = topology.parts["tongue"]
    opened[tongue, 1] -= _TONGUE_LOWERING * (head[tongue, 1] - head[tongue, 1].min())
    left, right = (topology.offsets(source.face_unit(name)) for name in ("jawLeft", "jawRight"))
    # What drives the corrective changes its sign with the jaw's, so only the odd part can be had.
    left = 0.5 * (left - right)
    left = 0.5 * (left - topology.mirrored(left))

    teeth = topology.parts["lower_teeth"]
    open_rad, pivot = _hinge(head[teeth], opened[teeth])
    left_rad = float(np.arcsin(np.mean(left[teeth, 0]) / (np.mean(head[teeth, 2]) - pivot[2])))

    jaw_weights = _jaw_weights(topology, head, opened, pivot, open_rad)
    weights = np.zeros((topology.vertex_count, JOINT_COUNT))
    weights[:, JAW] = jaw_weights
    weights[topology.parts["left_eye"], LEFT_EYE] = 1.0
    weights[topology.parts["right_eye"], RIGHT_EYE] = 1.0

    joints = {
        ROOT: head[topology.neck_loop].mean(axis=0),
        NECK: _moved_like_head(source.joint("head"), reference, topology, head),
        JAW: pivot,
    }
    rise = (head[:, 1] - joints[ROOT][1]) / (joints[NECK][1] - joints[ROOT][1])
    rise = np.clip(rise, 0.0, 1.0)
    of_neck = rise * rise * (3.0 - 2.0 * rise)
    rest = 1.0 - weights.sum(axis=1)
    weights[:, NECK], weights[:, ROOT] = rest * of_neck, rest * (1.0 - of_neck)

    regressor = np.zeros((JOINT_COUNT, topology.vertex_count))
    for joint, place in joints.items():
        regressor[joint] = _regressor(place, topology, head)
    equator = np.isclose(eyeball_angles()[0], 0.5 * np.pi)
    for joint, name in ((LEFT_EYE, "left_eye"), (RIGHT_EYE, "right_eye")):
        ids = topology.parts[name][equator]
        regressor[joint, ids] = 1.0 / len(ids)

    pose_dirs = np.zeros((topology.vertex_count, 3, 9 * (JOINT_COUNT - 1)))
    to_open = _corrective(head, opened, jaw_weights, pivot, (open_rad, 0.0, 0.0)) / np.sin(open_rad)
    to_left = _corrective(head, left, jaw_weights, pivot, (0.0, left_rad, 0.0)) / np.sin(left_rad)
    to_left = 0.5 * (to_left - topology.mirrored(to_left))
    # sin(angle) is half the difference of these two entries of R, whatever else the jaw does.
    for corrective, plus, minus in ((to_open, (2, 1), (1, 2)), (to_left, (0, 2), (2, 0))):
        pose_dirs[:, :, 9 * (JAW - 1) + 3 * plus[0] + plus[1]] = 0.5 * corrective
        pose_dirs[:, :, 9 * (JAW - 1) + 3 * minus[0] + minus[1]] = -0.5 * corrective
    left_lids = _lid_follow(source, topology)
    pose_dirs[:, :, 9 * (LEFT_EYE - 1) : 9 * LEFT_EYE] = left_lids
    # A mirrored yaw has the opposite sine, which drives the entry (2, 0).
    of_right = np.moveaxis(topology.mirrored(np.moveaxis(left_lids, 2, 0)), 0, 2)
    of_right[:, :, 3 * 2 + 0] *= -1.0
    pose_dirs[:, :, 9 * (RIGHT_EYE - 1) : 9 * RIGHT_EYE] = of_right
    return Rig(opened, regressor, weights, pose_dirs, open_rad, left_rad)


def _hinge(points: Doubles, offsets: Doubles) -> tuple[float, Doubles]:
    """Angle in rad and pivot [3] on the mid-plane of the rotation about x that carries `points` by `offsets`."""
    before, after = points[:, 1:], (points + offsets)[:, 1:]
    one, other = before - before.mean(axis=0), after - after.mean(axis=0)
    angle = float(np.arctan2(np.sum(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]), np.sum(one * other)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = after.mean(axis=0) - turn @ before.mean(axis=0)
    return angle, np.concatenate([[0.0], np.linalg.solve(np.eye(2) - turn, shift)])


def _jaw_weights(topology: Topology, head: Doubles, opened: Doubles, pivot: Doubles, angle: float) -> Doubles:
    """Each vertex's share of the jaw's rotation: its offset projected on where the rotation would carry it."""
    carried = (head - pivot) @ (matrix_from_axis_angle([angle, 0.0, 0.0]) - np.eye(3)).T
    share = np.sum(carried * opened, axis=1) / np.maximum(np.sum(carried**2, axis=1), 1e-8)
    # Close to the pivot the quotient is noise, and only skin that the opening really moves may follow.
    moved = np.linalg.norm(opened, axis=1)
    share = np.clip(share, 0.0, 1.0) * np.clip(moved / 0.001, 0.0, 1.0)
    skin = topology.parts["skin"]
    for _ in range(_SMOOTHING_PASSES):
        share[skin] = _neighbour_mean(share[:, None], topology)[skin, 0]
    for part in ("upper_teeth", "left_eye", "right_eye"):
        share[topology.parts[part]] = 0.0
    share[topology.parts["lower_teeth"]] = 1.0
    share[share < _LEAST_WEIGHT] = 0.0
    return 0.5 * (share + share[topology.mirror])


def _neighbour_mean(values: Doubles, topology: Topology) -> Doubles:
    """Half of each vertex's own value [V, A] and half of its neighbours' mean."""
    total, count = np.zeros_like(values), np.zeros((len(values), 1))
    for one, other in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)):
        np.add.at(total, topology.triangles[:, one], values[topology.triangles[:, other]])
        np.add.at(count, topology.triangles[:, one], 1.0)
    return 0.5 * (values + total / np.maximum(count, 1.0))


def _corrective(
    head: Doubles, offsets: Doubles, weights: Doubles, pivot: Doubles, axis_angle: tuple[float, float, float]
) -> Doubles:
    """Offsets [V, 3] that, added before skinning, make the turned jaw carry each vertex by exactly `offsets`."""
    blended = np.eye(3) + weights[:, None, None] * (matrix_from_axis_angle(axis_angle) - np.eye(3))
    wanted = head + offsets - pivot
    return np.linalg.solve(blended, wanted[:, :, None])[:, :, 0] - (head - pivot)


def _lid_follow(source: Source, topology: Topology) -> Doubles:
    """The left eye's pose dirs [V, 3, 9]: lids follow the gaze, at the full angles by what the source draws.

    With R = R_y(yaw) R_x(pitch), four entries of R - I are functions of one angle each: -R12 = sin(pitch),
    R11 - 1 = cos(pitch) - 1, -R20 = sin(yaw) and R00 - 1 = cos(yaw) - 1.
    """

    def drawn(name: str) -> Doubles:
        left, right = (topology.offsets(source.face_unit(f"eyeLook{name}{side}")) for side in ("Left", "Right"))
        return 0.5 * (left + topology.mirrored(right))

    down, up, inwards, outwards = (drawn(name) for name in ("Down", "Up", "In", "Out"))
    pose_dirs = np.zeros((topology.vertex_count, 3, 9))
    for plus, minus, angle, odd_entry, even_entry in (
        (_LID_FOLLOW_GAIN * down, _LID_FOLLOW_GAIN * up, FULL_GAZE_PITCH_RAD, (1, 2), (1, 1)),
        (outwards, inwards, FULL_GAZE_YAW_RAD, (2, 0), (0, 0)),
    ):
        pose_dirs[:, :, 3 * odd_entry[0] + odd_entry[1]] = -0.5 * (plus - minus) / np.sin(angle)
        pose_dirs[:, :, 3 * even_entry[0] + even_entry[1]] = 0.5 * (plus + minus) / (np.cos(angle) - 1.0)
    return pose_dirs


def _moved_like_head(ids: Longs, reference: Doubles, topology: Topology, head: Doubles) -> Doubles:
    """A joint of the `reference` person, carried along with the shift between that person's head and the mean."""
    shift = np.mean(head - topology.vertices(reference), axis=0)
    return reference[ids].mean(axis=0) + shift


def _regressor(place: Doubles, topology: Topology, head: Doubles) -> Doubles:
    """The smallest weights [V] on the skin around `place`, alike on both sides, that sum to 1 and have it as mean."""
    skin = topology.parts["skin"]
    away = np.linalg.norm((head[skin] - place) * [0.25, 1.0, 1.0], axis=1)
    near = skin[np.argsort(away, kind="stable")[:_JOINT_NEIGHBOURS]]
    near = np.union1d(near, topology.mirror[near])
    system = np.concatenate([head[near].T, np.ones((1, len(near)))])
    weights = np.zeros(topology.vertex_count)
    weights[near] = np.linalg.lstsq(system, np.concatenate([place, [1.0]]), rcond=None)[0]
    return 0.5 * (weights + weights[topology.mirror])
