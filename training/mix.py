"""One run's weights out of several's:  python -m training.mix --out runs/mixed runs/before=0.3 runs/after=0.7

Two runs of which one began with the other lie in one valley of the loss, and what lies between them keeps most of both
(Wortsman et al. 2022, "Model soups"). The folder that is written can be begun with (`begin`), or be an
`expression_run`; it cannot be gone on with.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.loop import CHECKPOINT, averaged_weights
from training.recipe import RecipeError

_AVERAGE = "average/module."


def mixed(runs: Mapping[Path, float]) -> dict[str, Tensor]:
    """The averaged weights of `runs`, each by its share; what is counted (integers) is the last run's.

    RecipeError when the shares do not add up to 1 or the runs are of different networks.
    """
    if len(runs) < 2 or not math.isclose(sum(runs.values()), 1.0, abs_tol=1e-6):
        raise RecipeError(
            f"{len(runs)} runs have shares of {sum(runs.values()):g} in all; name two or more that add to 1"
        )
    weights = {run: averaged_weights(run) for run in runs}
    last = weights[list(runs)[-1]]
    for run, tensors in weights.items():
        if {name: values.shape for name, values in tensors.items()} != {
            name: values.shape for name, values in last.items()
        }:
            raise RecipeError(f"{run} is of another network than {list(runs)[-1]}; mix runs of one network")
    return {
        name: torch.stack([share * weights[run][name].double() for run, share in runs.items()])
        .sum(dim=0)
        .to(like.dtype)
        if like.is_floating_point()
        else like
        for name, like in last.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="FOLDER=SHARE")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    runs: dict[Path, float] = {}
    for one in given.runs:
        folder, _, share = one.rpartition("=")
        try:
            runs[Path(folder)] = float(share)
        except ValueError:
            parser.error(f"{one!r} is no FOLDER=SHARE, such as runs/closer=0.7")
    try:
        tensors = mixed(runs)
    except (RecipeError, FileNotFoundError) as error:
        parser.error(str(error))
    given.out.mkdir(parents=True, exist_ok=True)
    save_file({_AVERAGE + name: values.contiguous() for name, values in tensors.items()}, given.out / CHECKPOINT)


if __name__ == "__main__":
    main()
