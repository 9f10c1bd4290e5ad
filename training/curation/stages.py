"""The stages of the curation in order, each a plain function: one item in, zero or more items out.

`run_stages` is the whole pipeline in one process; an engine runs the same functions on many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from driver.errors import MediaError
from training.curation.clips import clips
from training.curation.cuts import cuts
from training.curation.faces import faces
from training.curation.item import Item
from training.curation.lifting import lift
from training.curation.probe import probe
from training.curation.settings import CurationSettings
from training.curation.sound import listen
from training.curation.speaker import speaker
from training.curation.steady import steady
from training.recipe import RecipeError


@dataclass(frozen=True)
class Stage:
    """name of the stage, its function, and the processors and GPUs that a worker of it keeps busy."""

    name: str
    run: Callable[[Item, CurationSettings], Iterable[Item]]
    cpus: float = 1.0
    gpus: float = 0.0

    def __call__(self, item: Item, settings: CurationSettings) -> Iterator[Item]:
        """What becomes of `item`; one that was turned down passes untouched.

        A file that breaks a stage is turned down by it, and never stops the others.
        """
        if item.is_rejected:
            yield item
            return
        try:
            made = list(self.run(item, settings))
        except RecipeError:  # a wrong setting is the user's to mend, and stops everything; so is a missing package
            raise
        except BROKEN as error:
            made = [item.reject(self.name, f"{type(error).__name__}: {error}")]
        yield from made


# What a broken file may raise.
BROKEN = (MediaError, ValueError, ArithmeticError, OSError, EOFError)

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
