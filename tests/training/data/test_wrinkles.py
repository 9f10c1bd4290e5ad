"""Drawn wrinkles as batches: the same for the same number, on the processor wherever the student is."""

from __future__ import annotations

from pathlib import Path

import torch

from models.reconstruction.texture import load_texture_model
from training.data.made_up_networks import made_up_coarse
from training.data.wrinkles import WrinkleData, WrinkledPictures
from training.render.reconstruction import DetailScene, Reconstruction


def test_batches_are_drawn_on_the_processor_wherever_the_student_is(tmp_path: Path) -> None:
    texture = load_texture_model(Path(made_up_coarse(tmp_path, 48)["texture"]))
    scene = DetailScene(Reconstruction(texture, 48), 32)
    pictures = WrinkledPictures(WrinkleData(people=3), scene, 4, 2, seed=1)
    before = pictures[5]
    scene.to("meta")  # as it goes to a GPU with its student
    after = pictures[5]
    assert before["picture"].shape == (4, 3, 48, 48)
    assert before["displacement"].shape == (4, 1, 32, 32)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(pictures[6]["code"], before["code"])
