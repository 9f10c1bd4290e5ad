"""How long a picture takes:  python -m training.render.differentiable.bench [--size 224] [--batch 1] [--threads 2]

Prints the medians of forward and backward together, in ms a picture, of the open head with everything learning. The
processor's time tells on a machine that is busy with other things too.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from models.head.flame import open_head
from training.render.differentiable import Renderer, Surface, even_light, head_texture

_WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    head = open_head()
    renderer = Renderer(Surface.of(head), chosen.size).to(device)
    given = [
        torch.tensor(head.v_template).expand(chosen.batch, -1, -1),
        torch.tensor([[7.0, 0.0, 0.01]]).expand(chosen.batch, -1),
        head_texture(head).expand(chosen.batch, -1, -1, -1),
        even_light(chosen.batch),
    ]
    learnt = [values.clone().to(device).requires_grad_() for values in given]
    wall_ms: list[float] = []
    busy_ms: list[float] = []
    for turn in range(_WARM_UP + chosen.times):
        began, busy = time.perf_counter(), time.process_time()
        renderer(*learnt).picture.square().mean().backward()
        assert learnt[0].grad is not None
        float(learnt[0].grad.sum())  # waits for a GPU
        if turn >= _WARM_UP:
            wall_ms.append(1e3 * (time.perf_counter() - began) / chosen.batch)
            busy_ms.append(1e3 * (time.process_time() - busy) / chosen.batch)
    print(
        f"{chosen.size} px, batch {chosen.batch}, {device.type}, {torch.get_num_threads()} threads: "
        f"{statistics.median(wall_ms):.0f} ms a picture, {statistics.median(busy_ms):.0f} ms of the processor"
    )


if __name__ == "__main__":
    main()
