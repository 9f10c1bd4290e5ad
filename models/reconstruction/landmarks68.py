"""The field's 68 landmarks (iBUG), told by MediaPipe's: which of DECA's, EMOCA's and SPECTRE's weights are of which.

    0..16 the jaw, from the subject's right ear to the left · 17..26 brows · 27..35 nose · 36..47 eyes · 48..67 lips

All are among `models.head.landmarks.FACE_POINTS`. MediaPipe's outline has no points exactly at the third and the second
last of the jaw; the next ones downward stand in, so the seventeen are in order, but not evenly spaced.
"""

from __future__ import annotations

from models.head.landmarks import FACE_POINTS

JAW_LINE = (127, 234, 132, 58, 136, 150, 149, 148, 152, 377, 378, 379, 365, 288, 361, 454, 356)
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
NOSE = (168, 197, 5, 4, 48, 98, 2, 327, 278)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
OUTER_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)
LANDMARKS_68 = (*JAW_LINE, *BROWS, *NOSE, *EYES, *OUTER_LIPS, *INNER_LIPS)
# Rows of FACE_POINTS, in the order of the 68.
ROWS_68 = tuple(FACE_POINTS.index(landmark) for landmark in LANDMARKS_68)

# Upper and lower lid, and upper and lower inner lip: (seed-systems 1.4).
LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
MOUTH_CORNERS = (48, 54)
EYE_CORNERS = (36, 45)
