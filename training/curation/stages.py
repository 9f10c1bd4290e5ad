"""The stages of the curation in order, each a plain function: one item in, zero or more items out.

`run_stages` is the whole pipeline in one process; an engine runs the same functions on many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from training.curation.clips import clips
from training.curation.cuts import cuts
from training.curation.faces import faces
from training.curation.item import Item
from training.curation.lifting import lift
from training.curation.probe import probe
from training.curation.settings import CurationSettings
from training.curation.sound import listen
from training.curation.speaker import speaker
from training.curation.stage import Stage
from training.curation.steady import steady

STAGES: tuple[Stage, ...] = (
    Stage("probe", probe),
    Stage("cuts", cuts),
    Stage("sound", listen),
    Stage("faces", faces),
    Stage("steady", steady),
    Stage("speaker", speaker),
    Stage("clips", clips),
    Stage("lift", lift),
)


def run_stages(items: Iterable[Item], settings: CurationSettings) -> Iterator[Item]:
    """What becomes of each item after all stages, in order, one source after the other."""
    for item in items:
        pieces = [item]
        for stage in STAGES:
            pieces = [made for piece in pieces for made in stage(piece, settings)]
        yield from pieces
