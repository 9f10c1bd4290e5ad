"""DECA's code, losses, networks and recipes, but for the detail: checks of seed-systems 10.2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.deca import random_codes, scene
from torch import Tensor, nn

from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, IRISES, LandmarkRig, open_head_landmarks
from models.reconstruction.code import (
    CODE_SIZE,
    SIZES,
    WHOLE_SIZE,
    FaceCode,
    compose,
    decompose,
    joined,
    order_within,
    swapped,
)
from models.reconstruction.decoder import HeadDecoder
from models.reconstruction.encoder import CoarseEncoder
from models.reconstruction.landmarks68 import INNER_LIPS, LANDMARKS_68, ROWS_68
from models.reconstruction.resnet import ResNet50
from models.reconstruction.texture import TextureModel, load_texture_model, save_texture_model
from models.reconstruction.vgg import Vgg19
from models.video.face_encoder import FaceEncoder
from training.data.build_textures import painted_textures, principal_components
from training.data.face_people import FacePeople, PeopleData, skin_mask
from training.data.made_up_faces import made_up_faces
from training.losses import reconstruction as losses
from training.recipe import RecipeError
from training.reconstruction_checkpoints import begin_at, load_patch_features, load_recogniser
from training.run import main
from training.tasks.deca_coarse import CoarseRecipe, CoarseStudent, load_coarse
from training.tasks.deca_detail import load_detail


def landmarks_at(gap: float, shift: float = 0.0) -> Tensor:
    """68 landmarks whose lids and lips are `gap` apart."""
    points = torch.zeros(1, 68, 2)
    for _, lower in (*losses.LID_PAIRS, *losses.LIP_PAIRS):
        points[0, lower, 1] = gap
    return points + shift


class TestCode:
    def test_the_236_numbers_are_in_their_order(self) -> None:
        sizes = {"shape": 100, "tex": 50, "exp": 50, "pose": 6, "cam": 3, "light": 27}
        assert sizes == SIZES
        assert list(SIZES) == list(sizes)
        assert (CODE_SIZE, WHOLE_SIZE) == (236, 238)
        face = decompose(torch.arange(236.0)[None])
        assert face.tex[0, 0] == 100
        assert face.exp[0, 0] == 150
        assert face.pose[0].tolist() == [200, 201, 202, 203, 204, 205]
        assert face.head_rotation[0].tolist() == [200, 201, 202]
        assert face.jaw[0].tolist() == [203, 204, 205]
        assert face.cam[0].tolist() == [206, 207, 208]
        assert face.light.shape == (1, 9, 3)
        assert face.light[0, 0].tolist() == [209, 210, 211]
        assert face.light[0, 8].tolist() == [233, 234, 235]

    def test_taken_apart_and_put_together_again(self) -> None:
        code = torch.randn(3, 238)
        assert torch.equal(compose(decompose(code)), code)
        assert torch.equal(compose(decompose(code[:, :236]), has_lids=False), code[:, :236])
        with pytest.raises(ValueError, match="it must have 236"):
            decompose(torch.zeros(1, 235))

    def test_only_the_swapped_part_changes_hands_and_stays_with_its_person(self) -> None:
        order = order_within(3, 4, torch.Generator().manual_seed(1))
        assert torch.equal(order // 4, torch.arange(12) // 4)
        assert not torch.equal(order, torch.arange(12))
        face = decompose(torch.randn(12, 238))
        other = swapped(face, "shape", order)
        assert torch.equal(other.shape, face.shape[order])
        assert torch.equal(compose(other)[:, 100:], compose(face)[:, 100:])
        assert len(joined(face, other).exp) == 24


class TestHead:
    def test_landmarks_are_those_of_the_embedding(self) -> None:
        decoder = HeadDecoder(open_head(), open_head_landmarks())
        face = random_codes(2)
        rest = decoder.landmarks(decoder.at_rest(face.shape))
        rig = LandmarkRig(open_head(), open_head_landmarks(), LANDMARKS_68)
        np.testing.assert_allclose(rest[0].numpy(), rig.at_rest(face.shape[0].numpy()), atol=1e-5)
        assert [FACE_POINTS[row] for row in ROWS_68] == list(LANDMARKS_68)
        assert len(set(LANDMARKS_68)) == 68
        assert not set(LANDMARKS_68) & set(IRISES)

    def test_landmarks_mirror_one_another(self) -> None:
        """iBUG's own order of the other side: 0 <-> 16, 36 <-> 45, 48 <-> 54, ..."""
        mirror = open_head_landmarks().mirror
        other = [
            *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46,
            39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
        ]  # fmt: skip
        assert [int(mirror[landmark]) for landmark in LANDMARKS_68] == [LANDMARKS_68[row] for row in other]

    def test_lids_close_the_eyes_and_the_jaw_opens(self) -> None:
        decoder = HeadDecoder(open_head(), open_head_landmarks())
        face = decompose(torch.zeros(3, 238))
        face.lids[1] = 1.0
        face.jaw[2, 0] = 0.3
        points = decoder.landmarks(decoder(face))[..., :2]
        lids = losses.pair_distances(points, losses.LID_PAIRS).mean(dim=1)
        lips = losses.pair_distances(points, losses.LIP_PAIRS).mean(dim=1)
        # The points lie on the rims, which have a thickness.
        assert lids[1] < 0.5 * lids[0]
        assert lips[2] > lips[0] + 0.005


class TestCoarseLosses:
    @pytest.mark.parametrize("loss", [losses.eye_closure_loss, losses.lip_distance_loss])
    def test_openings(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        truth = landmarks_at(0.1)
        assert loss(truth, truth) == 0.0
        torch.testing.assert_close(loss(landmarks_at(0.1, 0.7), truth), torch.tensor(0.0), atol=1e-6, rtol=0.0)
        found = [float(loss(landmarks_at(gap), truth)) for gap in (0.1, 0.12, 0.2, 0.5)]
        assert found == sorted(set(found))
        assert found[-1] == pytest.approx(0.4, rel=1e-4)

    def test_landmarks_count_as_the_seed_has_it(self) -> None:
        weight = losses.landmark_importance()
        by_hand = sum(
            3.0 if row in (30, 31, 35, 48, 54)
            else 1.5 if 27 <= row <= 35 or row >= 48
            else 2.0 if row in (5, 6, 10, 11)
            else 1.0
            for row in range(68)
        )  # fmt: skip
        assert float(weight.sum()) == pytest.approx(by_hand)
        truth = torch.zeros(1, 68, 2)

        def moved(row: int) -> float:
            told = truth.clone()
            told[0, row] = torch.tensor([0.1, -0.2])
            return float(losses.landmark_loss(told, truth))

        assert moved(30) == pytest.approx(3.0 * moved(20))
        assert moved(20) == pytest.approx(0.3 / (2.0 * by_hand))
        told = torch.full((2, 68, 2), 0.1)
        assert float(losses.landmark_loss(told, torch.zeros(2, 68, 2))) == pytest.approx(0.1)
        seen = torch.ones(1, 68)
        seen[0, 30] = 0.0
        told = truth.clone()
        told[0, 30] = 5.0
        assert losses.landmark_loss(told, truth, seen) == 0.0

    def test_what_keeps_codes_plausible(self) -> None:
        face = decompose(torch.zeros(2, 238))
        face.shape[0, 0], face.exp[1, 1], face.tex[:, 2] = 2.0, 3.0, 1.0
        face.light[0, 0] = torch.tensor([1.0, 2.0, 3.0])
        face.jaw[0] = torch.tensor([-0.2, 0.0, 0.4])
        found = losses.code_losses(face)
        # Sums over the batch, as the seed has them; means for the light.
        assert found["shape"] == 2.0
        assert found["expression"] == 4.5
        assert found["texture"] == 1.0
        assert found["light"] == pytest.approx(2.0 / 54.0)
        assert found["jaw_roll"] == pytest.approx(0.5 * 0.16 / 2)
        assert found["jaw_closed"] == pytest.approx(0.5 * 0.04 / 2)
        face.jaw[0, 0] = 0.2
        assert losses.code_losses(face)["jaw_closed"] == 0.0

    def test_photometric_and_identity(self) -> None:
        picture, mask = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
        assert losses.photometric_loss(picture + 0.5, picture, mask) == 0.0
        mask[:, :, :4] = 1.0
        assert losses.photometric_loss(picture + 0.5, picture, mask) == pytest.approx(0.25)
        one = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        assert losses.identity_loss(3.0 * one, one) == pytest.approx(0.0)
        assert losses.identity_loss(one.flip(1), one) == pytest.approx(1.0)


def test_an_encoder_learns_the_landmarks_of_drawn_faces() -> None:
    """10.2.5: drawn random codes, a small encoder, sixty steps: the landmarks' error falls to less than a fifth."""
    torch.manual_seed(0)
    faces, world = random_codes(8), scene()
    with torch.no_grad():
        vertices = world.head(faces)
        pictures, truth = world.draw(faces, vertices).picture, world.landmarks(faces, vertices)
    encoder = CoarseEncoder()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)

    def error() -> Tensor:
        face = decompose(encoder(pictures))
        return losses.landmark_loss(world.landmarks(face, world.head(face)), truth)

    first = float(error().detach())
    for step in range(60):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1.0 - step / 65)
        optimizer.zero_grad()
        error().backward()
        optimizer.step()
    assert first > 0.02
    assert float(error().detach()) < first / 5.0


class TestTextures:
    def test_components_explain_what_was_painted(self, tmp_path: Path) -> None:
        textures = painted_textures(4, 16)
        assert textures.shape == (4, 3, 16, 16)
        mean, components = principal_components(textures, 50)
        assert components.shape == (3, 3, 16, 16)
        save_texture_model(tmp_path / "t.safetensors", mean, components)
        model = load_texture_model(tmp_path / "t.safetensors")
        flat = components.flatten(1)
        tex = torch.zeros(1, 50)
        tex[0, :3] = (flat @ (textures[2] - mean).flatten()) / flat.square().sum(dim=1)
        assert float((model(tex)[0] - textures[2]).abs().max()) < 0.02
        with pytest.raises(FileNotFoundError, match="build_textures"):
            load_texture_model(tmp_path / "none.safetensors")
        with pytest.raises(ValueError, match="at most 50"):
            TextureModel(torch.zeros(3, 4, 4), torch.zeros(2, 3, 8, 8))


class TestPeople:
    def data(self, folder: Path) -> PeopleData:
        if not (folder / "synthetic_faces").exists():
            made_up_faces(folder / "synthetic_faces")
        return PeopleData(str(folder), {"synthetic_faces": 1.0}, size_px=48)

    def test_rows_of_a_person_stand_together(self, tmp_path: Path) -> None:
        people = FacePeople(self.data(tmp_path), 6, seed=1)
        batch = people[3]
        assert batch["picture"].shape == (6, 3, 48, 48)
        assert float(batch["picture"].max()) <= 1.0
        assert torch.equal(batch["shape"][0], batch["shape"][1])
        assert not torch.equal(batch["expression"][0], batch["expression"][1])
        assert torch.equal(batch["picture"], people[3]["picture"])
        assert not torch.equal(batch["picture"], people[4]["picture"])
        with pytest.raises(RecipeError, match="multiple of it"):
            FacePeople(self.data(tmp_path), 5, seed=1)

    def test_the_mask_leaves_out_what_is_hidden(self) -> None:
        rng = np.random.default_rng(0)
        points = rng.uniform(0.2, 0.8, (len(FACE_POINTS), 2)).astype(np.float32)
        nose = FACE_POINTS.index(4)
        points[nose] = 0.5, 0.35
        points[[FACE_POINTS.index(landmark) for landmark in INNER_LIPS]] = 0.5, 0.7
        mask = skin_mask(points, np.ones(len(points), np.float32), 64)
        assert mask[1, 1] == 0.0
        hidden = np.ones(len(points), np.float32)
        hidden[nose] = 0.0
        changed = skin_mask(points, hidden, 64)
        assert changed[22, 31] == 0.0
        assert changed.sum() < mask.sum()
        assert (changed <= mask).all()


class TestCheckpoints:
    def test_an_encoder_begins_at_a_users_resnet(self, tmp_path: Path) -> None:
        torch.manual_seed(1)
        wanted = CoarseEncoder("resnet50")
        state = {f"E_flame.{name}": values.contiguous() for name, values in wanted.state_dict().items()}
        path = tmp_path / "r.safetensors"
        save_file(state, path)
        encoder = CoarseEncoder("resnet50")
        begin_at(encoder, path)
        assert torch.equal(encoder.encoder.state_dict()["conv1.weight"], wanted.encoder.state_dict()["conv1.weight"])
        assert torch.equal(encoder.layers.state_dict()["2.bias"], wanted.layers.state_dict()["2.bias"])
        assert torch.equal(encoder.units, torch.ones(238))
        recogniser = load_recogniser(path)
        assert recogniser(torch.rand(1, 3, 32, 32)).shape == (1, 2048)
        assert not recogniser.train().training
        with pytest.raises(RecipeError, match="no backbone of our face encoder"):
            begin_at(CoarseEncoder(), path)

    def test_an_encoder_begins_at_a_run_of_our_face_encoder(self, tmp_path: Path) -> None:
        torch.manual_seed(1)
        newest, averaged = FaceEncoder(), FaceEncoder()
        tensors = {f"student/encoder.{name}": values for name, values in newest.state_dict().items()}
        tensors |= {f"average/module.encoder.{name}": values for name, values in averaged.state_dict().items()}
        save_file(
            {name: values.clone().contiguous() for name, values in tensors.items()}, tmp_path / "last.safetensors"
        )
        encoder = CoarseEncoder()
        begin_at(encoder, tmp_path / "last.safetensors")
        for name, values in averaged.backbone.state_dict().items():
            assert torch.equal(encoder.encoder.state_dict()[f"backbone.{name}"], values)

    def test_what_is_none_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.safetensors"
        save_file({"weight": torch.zeros(3)}, path)
        with pytest.raises(RecipeError, match="holds no ResNet-50"):
            load_recogniser(path)
        with pytest.raises(RecipeError, match="is no VGG19"):
            load_patch_features(path)
        with pytest.raises(RecipeError, match="there is no coarse encoder"):
            load_coarse(tmp_path / "none")
        with pytest.raises(RecipeError, match="there is no detail"):
            load_detail(tmp_path / "none")
        state = ResNet50().state_dict()
        del state["layer3.2.conv1.weight"]
        save_file(state, path)
        with pytest.raises(RecipeError, match=r"layer3\.2\.conv1\.weight is missing"):
            load_recogniser(path)

    def test_patches_are_compared_by_a_users_vgg(self, tmp_path: Path) -> None:
        path = tmp_path / "v.safetensors"
        save_file(Vgg19().state_dict() | {"classifier.0.weight": torch.zeros(2)}, path)
        maps = load_patch_features(path)(torch.rand(1, 3, 32, 32))
        assert [tuple(features.shape) for features in maps] == [(1, 256, 8, 8), (1, 512, 4, 4), (1, 512, 4, 4)]


def test_both_recipes_run(tmp_path: Path) -> None:
    """The detail's smoke run trains a coarse encoder first, and builds on it."""
    run = tmp_path / "run"
    assert main(["deca_detail", "--smoke", "--folder", str(run), "optim.steps=2"]) == 0
    loaded = load_detail(run / "deca_detail.safetensors")
    assert loaded.picture_px == 48
    detail = loaded.encoder(torch.rand(1, 3, 48, 48))
    assert loaded.decoder(random_codes(1), detail).shape == (1, 1, 32, 32)
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    assert np.isfinite(figures["score"])


def test_the_coarse_recipe_learns_every_loss(tmp_path: Path) -> None:
    run, path = tmp_path / "run", tmp_path / "coarse.safetensors"
    places = ["--folder", str(run), "--export", str(path)]
    assert main(["deca_coarse", "--smoke", *places, "optim.steps=2", "landmark_steps=1"]) == 0
    encoder, size_px = load_coarse(path)
    assert size_px == 48
    assert encoder.eval()(torch.rand(2, 3, 48, 48)).shape == (2, 238)
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    assert {"landmarks", "eyes", "lips", "photometric", "shape", "expression", "texture", "light"} <= figures.keys()
    assert np.isfinite(figures["nme"])


def test_a_shape_must_do_for_all_pictures_of_its_person_from_the_first_step() -> None:
    """Codes that explain their own pictures cost nothing; exchanged, they do where the shapes are not the same."""

    class Told(nn.Module):
        def __init__(self, code: Tensor) -> None:
            super().__init__()
            self.code = code

        def forward(self, pictures: Tensor) -> Tensor:
            return self.code

    texture = TextureModel(torch.full((3, 16, 16), 0.5), torch.zeros(1, 3, 16, 16))
    data = PeopleData("", {}, each=4, size_px=48)
    student = CoarseStudent(CoarseRecipe("c", "deca_coarse", data=data, texture="", landmark_steps=10), texture)

    def cost(face: FaceCode) -> float:
        student.encoder = Told(compose(face))
        landmarks = student.scene.landmarks(face, student.scene.head(face))
        batch = {"picture": torch.zeros(4, 3, 48, 48), "landmarks": landmarks, "seen": torch.ones(4, 68)}
        torch.manual_seed(3)
        return float(student(batch, 0)["landmarks"])

    face = random_codes(4)
    assert order_within(1, 4, torch.manual_seed(3)).tolist() != [0, 1, 2, 3]
    assert cost(face) > 0.002
    assert cost(FaceCode(**(vars(face) | {"shape": face.shape[[0, 0, 0, 0]]}))) < 1e-6


def test_a_face_cannot_hide_from_the_picture() -> None:
    """What is masked is decided without gradients: on a picture that no face explains, a smaller one is no better."""
    texture = TextureModel(torch.full((3, 16, 16), 0.5), torch.zeros(1, 3, 16, 16))
    recipe = CoarseRecipe("deca_coarse", "deca_coarse", data=PeopleData("", {}, size_px=48), texture="")
    student = CoarseStudent(recipe, texture)
    face = random_codes(2)
    cam = face.cam.clone().requires_grad_()
    batch = {
        "picture": torch.zeros(2, 3, 48, 48), "mask": torch.ones(2, 1, 48, 48),
        "landmarks": torch.zeros(2, 68, 2), "seen": torch.ones(2, 68),
    }  # fmt: skip
    flat = FaceCode(**(vars(face) | {"cam": cam, "tex": torch.zeros(2, 50)}))
    (slope,) = torch.autograd.grad(student.losses(flat, batch)["photometric"], cam)
    # All colours are alike and the light is even: no place is better than another, inside of the face.
    with torch.no_grad():
        whole = student.losses(flat, batch)["photometric"]
    assert float(slope[:, 0].abs().max()) < 0.02 * float(whole)
