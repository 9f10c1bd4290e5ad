"""What a stage is: a name, a plain function from one item to zero or more, and what a worker of it keeps busy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from driver.errors import MediaError
from training.curation.item import Item
from training.curation.settings import CurationSettings
from training.recipe import RecipeError

# What a broken file may raise.
BROKEN = (MediaError, ValueError, ArithmeticError, OSError, EOFError)


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
