"""The two stages of the voice: rows and look-ahead, fed-back past, the frozen branch, a smoke run of both."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from models.audio.branch import Branch
from models.audio.encoder import DEFAULT_LOOKAHEAD_HOPS
from models.audio.voice import TALK_SCORES
from models.flame_torch import FlameTorch
from models.head.flame import open_head
from models.head.landmarks import LIPS, open_head_landmarks
from training.data.clips import UNKNOWN_PHONE, ClipStore
from training.data.excerpts import ExcerptBatches, Excerpts, excerpt
from training.data.lips import lip_gap_mm
from training.losses.motion import MotionLoss, MotionWeights
from training.losses.mouth import MouthSurface
from training.run import main
from training.smoke import made_up_store
from training.tasks.laugh import area_under_curve
from training.tasks.voice import Feedback, Objective, TalkStudent, delayed, error_loss, shifted, zero_state


@pytest.fixture(scope="module")
def surface() -> MouthSurface:
    return MouthSurface(open_head())


def test_the_mouth_is_where_the_head_has_it(surface: MouthSurface) -> None:
    motion = torch.randn(6, 53, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [0.7] * 50 + [0.2, 0.05, 0.02]
    )
    head, embedding = open_head(), open_head_landmarks()
    vertices = FlameTorch(head)(motion[:, :50], motion[:, 50:], torch.zeros(6, 2), torch.zeros(6, 4)).numpy()
    ids = list(LIPS)
    corners = vertices[:, head.f[embedding.triangles[ids]]]
    expected = 1000.0 * np.einsum("pk,bpkc->bpc", embedding.barycentric[ids], corners)
    np.testing.assert_allclose(surface(motion)[:, : len(ids)].numpy(), expected, atol=0.05)
    np.testing.assert_allclose(surface.gap_mm(surface(motion)).numpy(), lip_gap_mm(motion.numpy()), atol=0.05)


def test_rows_move_by_their_look_ahead() -> None:
    hops = torch.arange(10.0)
    batch = {
        "motion": hops[None, :, None].expand(2, 10, 53).clone(),
        "phones": hops.to(torch.int64).expand(2, 10).clone(),
        **{name: hops.expand(2, 10).clone() for name in ("motion_weight", "speech", "laughter", "valence", "arousal")},
    }
    rows = shifted(batch, torch.tensor([0, 3]))
    assert torch.equal(rows["motion"][0], batch["motion"][0])
    assert rows["phones"][1].tolist() == [UNKNOWN_PHONE] * 3 + list(range(7))
    assert rows["motion_weight"][1].tolist() == [0.0] * 3 + [float(n) for n in range(7)]
    assert all(math.isnan(value) for value in rows["speech"][1, :3])


def test_the_past_is_one_step_old() -> None:
    motion = torch.arange(4.0).reshape(1, 4, 1).expand(1, 4, 53)
    assert delayed(motion, torch.full((1, 53), 9.0))[0, :, 0].tolist() == [9.0, 0.0, 1.0, 2.0]


def test_the_past_that_is_learnt_on_is_the_decoder_s_own(surface: MouthSurface) -> None:
    """Without noise and forgetting, learning sees just what the free run gives, and it gives gradients."""
    torch.manual_seed(0)
    objective, branch = Objective(feedback=Feedback(noise=0.0, forgotten=0.0)), Branch(TALK_SCORES)
    student = TalkStudent(surface, torch.ones(53), [""], objective, branch)
    torch.nn.init.normal_(branch.decoder.to_motion.weight, std=0.1)
    sound, style, nothing = torch.randn(2, 30, 256), torch.zeros(2, 8), torch.zeros(2, 30, 53)
    first = torch.randn(2, 53)
    start = zero_state(branch.decoder.state_schema, sound) | {"motion": first}
    with torch.no_grad():
        free, _ = branch.decoder(sound, style, nothing, start)
    learnt_from = student._decode(branch, sound, style, nothing, first)
    torch.testing.assert_close(learnt_from.detach(), free, atol=1e-5, rtol=1e-4)
    learnt_from.square().sum().backward()
    assert float(branch.decoder.from_motion.weight.grad.abs().sum()) > 0.0


def test_a_closure_that_nobody_said_costs_what_a_missed_one_costs(surface: MouthSurface) -> None:
    """Jaw 0.1 rad is an open mouth."""
    loss = MotionLoss(surface, torch.ones(53), MotionWeights())
    closed, opened = torch.zeros(1, 2, 53), torch.zeros(1, 2, 53)
    opened[:, :, 50] = 0.1
    ones = torch.ones(1, 2)
    invented, _ = loss(closed, opened, ones, ones)
    missed, _ = loss(opened, closed, ones, ones)
    open_alike, _ = loss(opened * 1.1, opened, ones, ones)
    assert float(invented["gap"]) == pytest.approx(float(missed["gap"]))
    assert float(open_alike["gap"]) < 1e-3 * float(invented["gap"])


def test_half_precision_does_not_round_the_mouth(surface: MouthSurface) -> None:
    loss = MotionLoss(surface, torch.ones(53), MotionWeights())
    motion = torch.randn(2, 5, 53, generator=torch.Generator().manual_seed(0)) * 0.1
    ones = torch.ones(2, 5)
    whole, error = loss(motion, motion * 0.9, ones, ones)
    with torch.autocast("cpu", torch.bfloat16):
        halves, error_in_halves = loss(motion, motion * 0.9, ones, ones)
    assert {name: float(value) for name, value in halves.items()} == {
        name: float(value) for name, value in whole.items()
    }
    assert torch.equal(error, error_in_halves)


def test_doubt_is_honest() -> None:
    """The loss is least where the expected error is the real one."""
    error = torch.full((1, 50), 2.0)
    expected = torch.linspace(-3.0, 6.0, 200)
    losses = torch.stack([error_loss(value.expand(1, 50), error, torch.ones(1, 50)) for value in expected])
    best = torch.nn.functional.softplus(expected[losses.argmin()])
    assert float(best) == pytest.approx(2.0, abs=0.1)


def test_an_excerpt_keeps_sound_and_face_together(tmp_path: Path) -> None:
    made_up_store(tmp_path / "a")
    store = ClipStore(tmp_path / "a")
    rng = np.random.default_rng(0)
    for _ in range(20):
        row = excerpt(store[0], 40, rng)
        loudness = np.sqrt(np.mean(np.square(row["audio"].reshape(-1, 320)), axis=1))
        np.testing.assert_allclose(row["motion"][:, 50], loudness, atol=2e-3)
    longer = excerpt(store[0], store[0].hops + 30, rng)
    assert (longer["motion_weight"] == 0.0).sum() == 30
    assert (longer["phones"] == UNKNOWN_PHONE).sum() == 30


def test_a_step_has_its_batch_whenever_it_is_asked_for(tmp_path: Path) -> None:
    made_up_store(tmp_path / "a")
    excerpts = Excerpts(40, {"a": 1.0})
    first, second = (ExcerptBatches(tmp_path, excerpts, 4, seed=3) for _ in range(2))
    _ = second[0]
    for name, tensor in first[5].items():
        torch.testing.assert_close(tensor, second[5][name], equal_nan=True)
    assert not torch.equal(first[5]["audio"], first[6]["audio"])
    assert not torch.equal(first[5]["audio"], ExcerptBatches(tmp_path, excerpts, 4, seed=4)[5]["audio"])


def test_clips_that_may_not_be_used_are_not(tmp_path: Path) -> None:
    made_up_store(tmp_path / "a")
    with pytest.raises(ValueError, match="no clip of split 'train' and use"):
        ExcerptBatches(tmp_path, Excerpts(40, {"a": 1.0}, uses=("research",)), 4, seed=0)


def test_the_area_under_the_curve_of_known_cases() -> None:
    truth = np.array([False, False, True, True])
    assert area_under_curve(np.array([0.1, 0.2, 0.3, 0.4]), truth) == 1.0
    assert area_under_curve(np.array([0.4, 0.3, 0.2, 0.1]), truth) == 0.0
    assert area_under_curve(np.array([0.5, 0.5, 0.5, 0.5]), truth) == 0.5
    assert area_under_curve(np.array([0.1, 0.4, 0.3, 0.5]), truth) == 0.75
    assert math.isnan(area_under_curve(np.array([0.1]), np.array([True])))


@pytest.mark.parametrize("recipe", ["talk", "laugh"])
def test_a_smoke_run_trains_and_exports(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "voice.onnx"
    assert main([recipe, "--smoke", "--folder", str(tmp_path / "run"), "--export", str(path)]) == 0
    session = onnxruntime.InferenceSession(str(path))
    assert session.get_modelmeta().custom_metadata_map["lookahead_s"] == repr(DEFAULT_LOOKAHEAD_HOPS * 0.02)
    assert "plain" in session.get_modelmeta().custom_metadata_map["styles"]
    said = capsys.readouterr().out
    assert "gap_r=" in said
    assert ("talk branch unchanged, SHA-256" in said) == (recipe == "laugh")


def test_a_store_that_is_not_there_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", f"data.folder={tmp_path}", "--folder", str(tmp_path / "run")]) == 2
    assert "does not exist; build it" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["talk", "laugh"])
def test_the_seed_s_encoder_trains_from_its_checkpoint(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from support.wav2vec import save_folder, tiny_network

    networks = {"talk": tiny_network(), "laugh": tiny_network(seed=1)}
    checkpoint = save_folder(networks["talk"], tmp_path / "checkpoint")
    emotion = save_folder(networks["laugh"], tmp_path / "emotion")
    settings = ["encoder.kind=wav2vec2", f"encoder.checkpoint={checkpoint}", f"encoder.emotion_checkpoint={emotion}"]
    assert main([recipe, "--smoke", "--folder", str(tmp_path / "run"), *settings]) == 0
    weights = load_file(tmp_path / "run" / "voice.safetensors")
    begun = networks[recipe].state_dict()
    name = "feature_extractor.conv_layers.1.conv.weight"
    kept = next(tensor for key, tensor in weights.items() if key.startswith(recipe) and key.endswith(name))
    assert torch.equal(kept, begun[name])  # the convolutions are frozen, and those of the right checkpoint


def test_an_encoder_without_its_weights_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["talk", "--smoke", "--folder", str(tmp_path), "encoder.kind=wav2vec2"]) == 2
    assert "name its weights in encoder.checkpoint" in capsys.readouterr().err
    assert main(["talk", "--smoke", "--folder", str(tmp_path), "encoder.kind=lstm"]) == 2
    assert "must be streaming or wav2vec2" in capsys.readouterr().err
