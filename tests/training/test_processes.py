"""Several processes learn what one does, from every kind of store; one that dies is started again."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.lines import HERE, OPTIM, LineTask
from torch import Tensor, nn

from training.data.packed_clips import pack_store
from training.loop import Trainer, averaged_weights, share_of
from training.processes import BatchStatistics, Place, find_place, mean_of_all, told_by_first
from training.recipe import RECIPES, RecipeError, read_table
from training.smoke import smoke_table

# All that learn something; what gathers data has a command of its own.
LEARNT = [
    path.stem
    for path in sorted(RECIPES.glob("*.toml"))
    if (RECIPES.parent / "tasks" / f"{read_table(path, []).get('task')}.py").is_file()
]
SETTINGS = ["optim.steps=2", "optim.accumulate=2", "optim.validate_every=2", "optim.checkpoint_every=2"]

_EACH = """
import importlib, json, sys
from pathlib import Path
import torch
from training.loop import Trainer
from training.processes import find_place, leave

torch.set_num_threads(1)
place = find_place()
for table, folder in json.loads(Path(sys.argv[1]).read_text()):
    task = importlib.import_module("training.tasks." + table["task"]).prepare(table, place.alone())
    Trainer(task, task.recipe.optim, Path(folder), place).run()
leave(place)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    known = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": f"{root}:{root / 'tests'}"}
    return {**os.environ, **known, **more}


def run_two(script: Path, argument: Path) -> None:
    """What torchrun would start: two processes that know of each other."""
    port = str(free_port())
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(argument)],
            env=environment(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        for process in running:
            _, said = process.communicate(timeout=600)
            assert process.returncode == 0, said
    finally:
        for process in running:
            process.kill()
            process.wait()


def lines_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "figures.jsonl").read_text().splitlines()]


def packed(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same recipe, all of whose stores are packed in shards."""
    stores = Path(table["data"]["folder"])
    for store in stores.iterdir():
        pack_store(store, folder / store.name, size_mb=0.2)
    return {**table, "data": {**table["data"], "folder": str(folder)}}


def test_two_processes_learn_what_one_does_of_every_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Recipes that build on others need their runs, not their exports.
    for name in ("expression.export_face", "talk.export_voice", "emotion_from_coefficients.export_emotion"):
        monkeypatch.setattr(f"training.tasks.{name}", lambda *_: None)
    tables: dict[str, dict[str, Any]] = {name: smoke_table(name, SETTINGS, tmp_path / name) for name in LEARNT}
    tables["talk from shards"] = packed(smoke_table("talk", SETTINGS, tmp_path / "stores"), tmp_path / "shards")
    script, argument = tmp_path / "each.py", tmp_path / "tables.json"
    script.write_text(_EACH)
    argument.write_text(json.dumps([(table, str(tmp_path / f"{name}2")) for name, table in tables.items()]))
    run_two(script, argument)
    for name, table in tables.items():
        task = importlib.import_module(f"training.tasks.{table['task']}").prepare(table, HERE)
        Trainer(task, task.recipe.optim, tmp_path / f"{name}1", HERE).run()
        one, two = lines_of(tmp_path / f"{name}1"), lines_of(tmp_path / f"{name}2")
        # The second step's losses tell whether the first learnt the same.
        assert len(one) == len(two) == 1
        assert two[0] == pytest.approx(one[0], rel=1e-3, abs=1e-3, nan_ok=True), name


_LINES = """
import os, signal
from dataclasses import replace
from pathlib import Path

from support.lines import LineTask, OPTIM
from training.loop import Trainer
from training.processes import find_place, leave


class Killed(LineTask):
    \"\"\"In the second process: killed at step 12, once.\"\"\"

    def __init__(self, marker):
        super().__init__(2)
        forward = self.student.forward

        def dying(batch, step):
            if step == 12 and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return forward(batch, step)

        self.student.forward = dying


folder = Path({folder!r})
place = find_place()
task = LineTask(2) if place.is_first else Killed(folder.with_suffix(".killed"))
Trainer(task, replace(OPTIM, accumulate=2), folder, place).run()
leave(place)
"""


def test_a_killed_process_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    """Two processes of torchrun's; both go on from the last checkpoint, and learn what one that never stopped does."""
    Trainer(LineTask(2), replace(OPTIM, accumulate=2), tmp_path / "one", HERE).run()
    script = tmp_path / "two.py"
    script.write_text(_LINES.format(folder=str(tmp_path / "two")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    done = subprocess.run(
        [*command, str(script)],
        timeout=600,
        env=environment(TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two.killed").exists()
    one, two = averaged_weights(tmp_path / "one"), averaged_weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in ("line.weight", "line.bias"))
    assert lines_of(tmp_path / "two") == [pytest.approx(line, abs=2e-5) for line in lines_of(tmp_path / "one")]
    # What two began, one goes on with.
    for name in ("one", "two"):
        Trainer(LineTask(2), replace(OPTIM, accumulate=2, steps=26), tmp_path / name, HERE).run()
    assert lines_of(tmp_path / "two") == [pytest.approx(line, abs=2e-5) for line in lines_of(tmp_path / "one")]
    assert lines_of(tmp_path / "two")[-1]["step"] == 26


_THREADS = """
import sys
from dataclasses import replace
from pathlib import Path

from support.lines import LineTask, OPTIM
from training.loop import Trainer
from training.processes import find_place, leave

place = find_place()
Trainer(LineTask(2), replace(OPTIM, accumulate=2), Path(sys.argv[1]), place).run()
leave(place)
names = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
sys.exit(f"still there: {names}" if any("gloo" in name for name in names) else 0)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the names of threads are read from /proc")
def test_processes_that_have_parted_keep_no_thread_of_their_talk(tmp_path: Path) -> None:
    """Such a thread may want the interpreter while that ends, and aborts the process."""
    script = tmp_path / "threads.py"
    script.write_text(_THREADS)
    run_two(script, tmp_path / "run")


def test_batch_statistics_are_the_mean_of_what_each_batch_leaves() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3).eval())
    frozen = {name: value.clone() for name, value in network[1].state_dict().items()}
    pictures = torch.randn(2, 8, 3)
    left: list[Tensor] = []
    for part in pictures:
        alone = nn.BatchNorm1d(3)
        alone(part)
        left.append(torch.cat([buffer.reshape(-1).float() for buffer in alone.buffers()]))
    statistics = BatchStatistics(network, HERE, turns=2)
    statistics.begin()
    for part in pictures:
        network(part)
        statistics.took()
    statistics.end()
    found = torch.cat([buffer.reshape(-1).float() for buffer in network[0].buffers()])
    assert torch.allclose(found, torch.stack(left).mean(dim=0), atol=1e-6)
    assert all(torch.equal(value, frozen[name]) for name, value in network[1].state_dict().items())


def test_a_step_has_a_batch_for_each_process(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert Trainer(LineTask(), replace(OPTIM, accumulate=4), tmp_path, HERE).turns == 4
    assert capsys.readouterr().out == ""
    shares = [list(share_of(Place(HERE.device, rank, 3), 2, range(1, 2))) for rank in range(3)]
    assert shares == [[6, 9], [7, 10], [8, 11]]


def test_a_taken_port_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RecipeError, match=f"cannot join the others at 127.0.0.1:{port} .*another port"):
            find_place()


def test_more_processes_than_gpus_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(RecipeError, match="process 2 of this machine has no GPU, there are 2"):
        find_place()


def test_alone_there_is_nobody_to_ask() -> None:
    assert find_place() == HERE
    assert told_by_first(HERE, lambda: "mine") == "mine"
    assert mean_of_all(HERE, torch.tensor([3.0])).tolist() == [3.0]
