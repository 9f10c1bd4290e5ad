"""Blinks that somebody looked for, in sheets of the eyes of every picture of a clip's beginning.

Only clips are here in which every blink is plain: eyes that look down, or that are narrow slits all the time, are left
to rules. Numbers count pictures from 0 and are the middles of the closures, right to two pictures.
"""

from __future__ import annotations

BLINKS: dict[str, tuple[int, ...]] = {
    "OpenTalker+video-retalking.4": (30, 38, 75, 89, 126, 139),
    "sibozhang+Text2Video.sa1": (7, 23, 33, 61, 74, 101),
    "tanshuai0219+EDTalk.pose_source2": (16, 28, 53, 92, 100, 144),
    "wyhsirius+LIA.driving1": (23, 45, 67, 121),
    "grid_s1.bbas3a": (13, 25, 74),
}
