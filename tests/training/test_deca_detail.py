"""DECA's detail: what displaces, what may be exchanged, what is baked (checks of seed-systems 10.2)."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.deca import random_codes, scene
from torch import Tensor

from models.reconstruction.code import (
    FaceCode,
    joined,
    swapped,
)
from models.reconstruction.detail import MOST_M, DetailDecoder, DetailEncoder, detail_normals
from models.reconstruction.encoder import Features, PictureEncoder
from training.bake_wrinkles import bake, blend_error_mm, displacement, write_maps
from training.data.face_people import PeopleData
from training.data.wrinkles import WrinkleData, WrinkledPictures
from training.losses import detail as detail_losses
from training.reconstruction_checkpoints import PatchFeatures
from training.render.reconstruction import DetailScene
from training.tasks.deca_detail import DetailRecipe, DetailStudent, LoadedDetail


class TestDetail:
    def test_displacement_is_bounded_and_of_its_size(self) -> None:
        decoder = DetailDecoder(64)
        face = random_codes(2)
        displacement = decoder(face, 100.0 * torch.randn(2, 128))
        assert displacement.shape == (2, 1, 64, 64)
        assert DetailDecoder().first_px == 8  # 256 as in the seed
        with torch.no_grad():
            decoder.last.weight.mul_(1e4)
        assert float(decoder(face, torch.randn(2, 128)).detach().abs().max()) <= MOST_M
        with pytest.raises(ValueError, match="multiple of 32"):
            DetailDecoder(100)

    def test_only_expression_and_jaw_and_detail_drive_it(self) -> None:
        decoder = DetailDecoder(32).eval()
        face, detail = random_codes(1), torch.randn(1, 128)
        before = decoder(face, detail)
        other = random_codes(1, seed=5)
        kept = FaceCode(**(vars(other) | {"exp": face.exp, "pose": torch.cat([other.pose[:, :3], face.jaw], dim=1)}))
        assert torch.equal(decoder(kept, detail), before)
        smiling = swapped(joined(face, other), "exp", torch.tensor([1, 0]))[:1]
        assert not torch.equal(decoder(smiling, detail), before)

    def test_normals_follow_the_slope(self) -> None:
        """On a plane facing the viewer a ramp of D along +X tilts the normal to -X by the ramp's slope."""
        row = torch.linspace(0.0, 0.1, 32)
        x, y = row.expand(32, -1), -row[:, None].expand(-1, 32)
        place = torch.stack([x, y, torch.zeros(32, 32)])[None]
        up = torch.zeros(1, 3, 32, 32)
        up[:, 2] = 1.0
        found = detail_normals(place, up, 0.2 * x[None, None])[0, :, 10, 10]
        torch.testing.assert_close(found[0] / found[2], torch.tensor(-0.2), atol=1e-3, rtol=0.0)
        found = detail_normals(place, up, 0.2 * y[None, None])[0, :, 10, 10]
        torch.testing.assert_close(found[1] / found[2], torch.tensor(-0.2), atol=1e-3, rtol=0.0)
        torch.testing.assert_close(detail_normals(place, up, torch.zeros(1, 1, 32, 32)), up)

    def test_patches_want_to_be_alike(self) -> None:
        rng = torch.Generator().manual_seed(0)
        wanted = torch.randn(2, 8, 6, 6, generator=rng)
        other = torch.randn(2, 8, 6, 6, generator=rng)
        same = float(detail_losses.implicit_mrf(wanted, wanted))
        assert same < float(detail_losses.implicit_mrf(0.5 * wanted + 0.5 * other, wanted))
        assert float(detail_losses.implicit_mrf(0.5 * wanted + 0.5 * other, wanted)) < float(
            detail_losses.implicit_mrf(other, wanted)
        )
        # Where a patch is does not matter.
        assert float(detail_losses.implicit_mrf(wanted.flip(3), wanted)) == pytest.approx(same, rel=1e-5)

    def test_what_keeps_details_plausible(self) -> None:
        displacement = torch.zeros(1, 1, 4, 4)
        displacement[0, 0, 0, 0] = 0.001
        assert detail_losses.displacement_size(displacement) == pytest.approx(0.001 / 16)
        hidden = torch.ones(1, 1, 4, 4)
        assert detail_losses.soft_symmetry(displacement, hidden) == pytest.approx(0.002)
        assert detail_losses.soft_symmetry(displacement, 0.0 * hidden) == 0.0
        assert detail_losses.soft_symmetry(displacement + displacement.flip(3), hidden) == 0.0
        assert detail_losses.roughness(torch.ones(1, 3, 4, 4)) == 0.0
        assert detail_losses.roughness(torch.rand(1, 3, 4, 4)) > 0.0

    def test_details_of_a_person_may_be_exchanged_those_of_others_not(self) -> None:
        """10.2.6, learnt on two drawn people with a swelling each, of two pictures each."""
        torch.manual_seed(0)
        each, size = 2, 32
        world = DetailScene(scene(64), size)
        faces = random_codes(4, seed=3)
        faces = FaceCode(**(vars(faces) | {"shape": faces.shape[:1].expand(4, -1), "tex": faces.tex[:1].expand(4, -1)}))
        faces.light[:, 1:4] = 0.4
        column, row = world.texel_uv[0, 0], 1.0 - world.texel_uv[0, 1]
        swellings = [((column - u).square() + (row - 0.55).square()).div(-0.004).exp() for u in (0.4, 0.6)]
        truth = 0.009 * torch.stack([swellings[0]] * each + [swellings[1]] * each)[:, None]
        with torch.no_grad():
            drawn = world.draw(faces, truth)
        texels = world.texels(faces, drawn.picture, drawn.face)
        encoder, decoder = PictureEncoder(128), DetailDecoder(size)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=4e-3)

        def loss(order: Tensor) -> Tensor:
            displacement = decoder(faces, encoder(drawn.picture)[order]) * world.face
            lit = texels.albedo * world.shade(faces, texels, displacement)
            return detail_losses.masked_difference(lit, texels.picture, texels.seen)

        own, within, across = torch.arange(4), torch.tensor([1, 0, 3, 2]), torch.tensor([2, 3, 0, 1])
        for _ in range(50):
            optimizer.zero_grad()
            (loss(own) + loss(within)).backward()
            optimizer.step()
        of_own, of_within, of_across = (float(loss(order).detach()) for order in (own, within, across))
        assert of_within < 1.15 * of_own
        assert of_across > 1.3 * of_own

    def test_the_encoders_gradients_are_not_lost_in_adams_floor(self) -> None:
        """Adam divides by a gradient's size plus 1e-8."""
        torch.manual_seed(0)
        world = DetailScene(scene(48), 32)
        recipe = DetailRecipe(
            "deca_detail", "deca_detail", data=PeopleData("", {}, each=2, size_px=48), coarse_run="", texture=""
        )
        student = DetailStudent(recipe, world, None, PatchFeatures(Features()))
        student.decoder = DetailDecoder(32)
        batch = WrinkledPictures(WrinkleData(people=2), world, 4, 2, seed=1)[0]
        student(batch, 0)["total"].backward()
        slopes = [weight.grad for weight in student.encoder.parameters() if weight.ndim > 1]
        assert np.median([float(slope.square().mean().sqrt()) for slope in slopes if slope is not None]) > 1e-7


def test_details_begin_as_what_people_differ_in() -> None:
    torch.manual_seed(0)
    encoder, pictures = DetailEncoder(), torch.rand(12, 3, 48, 48)
    before = encoder.train()(pictures).detach()
    encoder.begin_about(pictures)
    deviation, mean = torch.std_mean(encoder(pictures).detach(), dim=0)
    torch.testing.assert_close(deviation, torch.ones(128))
    torch.testing.assert_close(mean, torch.zeros(128), atol=1e-3, rtol=0.0)
    assert float(before.std(dim=0).mean()) < 0.5, "or there was nothing to do"


def test_baked_wrinkles_blend_to_what_the_network_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    loaded, detail = LoadedDetail.of(DetailEncoder(), DetailDecoder(32), 48, "deca-detail/1"), torch.randn(1, 128)
    maps = bake(loaded, detail)
    one = {"mouthSmileLeft": 1.0}
    np.testing.assert_allclose(maps.blended({}), displacement(loaded, detail, {}))
    np.testing.assert_allclose(maps.blended(one), displacement(loaded, detail, one), atol=1e-8)
    # The back of the head has no wrinkles of a face.
    assert (maps.rest[loaded.face[0, 0].numpy() == 0.0] == 0.0).all()
    assert np.abs(maps.rest).max() > 0.0
    assert np.abs(maps.shapes["mouthSmileLeft"]).max() > 0.0
    assert 0.0 < blend_error_mm(loaded, detail, maps) < 1000.0 * MOST_M
    write_maps(tmp_path, maps)
    table = json.loads((tmp_path / "wrinkles.json").read_text())
    assert len(list(tmp_path.glob("*.png"))) == 1 + len(table["shapes"])
    levels = cv2.imread(str(tmp_path / "mouthSmileLeft.png"), cv2.IMREAD_UNCHANGED)
    assert levels is not None
    read = (levels.astype(np.float64) - table["zero"]) * table["metres_a_level"]
    np.testing.assert_allclose(read, maps.shapes["mouthSmileLeft"], atol=4e-7)
    deepest = 1000.0 * np.abs(maps.shapes["mouthSmileLeft"]).max()
    assert table["shapes"]["mouthSmileLeft"] == pytest.approx(deepest, abs=6e-4)
