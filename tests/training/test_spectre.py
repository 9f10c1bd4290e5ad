"""SPECTRE's losses by closed forms (seed-systems 10.4, checks 4 and 5), its recipes by smoke runs, its pictures by what
they should show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, INNER_LIPS, MOUTH_ROWS
from models.perceptual.emotion import EmotionNetwork
from models.perceptual.published_reader import PublishedReader
from models.perceptual.visual_speech import MOUTH_PX, VISEMES, VisualSpeech
from models.reconstruction.perceptual_encoder import MouthFeatures, PerceptualEncoder
from training.checkpoints import CheckpointError
from training.data import build_drawn_mouths, build_talking_faces
from training.data.build_talking_faces import Lines
from training.data.clips import ClipInfo
from training.data.made_up_talkers import made_up_talkers
from training.data.mouths import MOUTH_SIDE, MouthData, MouthSequences, grey_mouths, mouth_clips, smoothed
from training.data.phones import Phone
from training.data.speech_clips import SpeechWriter
from training.data.spoken_sequences import spoken_clips
from training.data.utterance import Utterance
from training.data.viseme_groups import said
from training.evaluate.lip_motion import MotionReader, fitted, said_by
from training.evaluate.lip_reading import LipJudge, Reading, difference, judged, sheet, summed
from training.lip_readers import load_lip_reader, load_visual_speech
from training.losses.face_surface import FaceSurface, projected
from training.losses.perceptual import (
    expression_prior,
    jaw_prior,
    landmarks_around,
    lip_reading,
    mouth_distances,
    relative_mouth,
    valid,
)
from training.recipe import RecipeError
from training.render.mouth_pictures import MouthPictures, Seen
from training.run import main
from training.tasks.spectre import load_perceptual_encoder


def features(seed: int, count: int = 9) -> Tensor:
    return torch.randn(2, count, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("distance", ["cosine", "mse"])
def test_the_same_mouth_reads_the_same(distance: str) -> None:
    one, other = features(0), features(1)
    assert float(lip_reading(one, one, distance)) == pytest.approx(0.0, abs=1e-6)
    assert float(lip_reading(one, other, distance)) > 0.1


def test_only_the_cosine_does_not_care_about_scale() -> None:
    one, other = features(0), features(1)
    assert float(lip_reading(one, 3.0 * other)) == pytest.approx(float(lip_reading(one, other)), abs=1e-6)
    assert float(lip_reading(one, 3.0 * one, "mse")) > 0.1


@pytest.mark.parametrize("distance", ["cosine", "mse"])
def test_only_inner_pictures_count(distance: str) -> None:
    one, other = features(0), features(1)
    at_ends = other.clone()
    at_ends[:, [0, 1, -2, -1]] += 5.0
    inside = other.clone()
    inside[:, 2] += 5.0
    expected = float(lip_reading(one, other, distance))
    assert float(lip_reading(one, at_ends, distance)) == expected
    assert float(lip_reading(one, inside, distance)) != expected
    with pytest.raises(ValueError, match="no inner ones"):
        valid(features(0, 4))


def test_a_distance_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="cosine or mse"):
        lip_reading(features(0), features(1), "euclidean")


def test_the_priors_are_what_they_are_said_to_be() -> None:
    base = torch.zeros(1, 9, 50)
    near, far = base.clone(), base.clone()
    near[:, 4, 0], far[:, 4, 0] = 2.0, 10.0
    # Half the square, over the five inner pictures; beyond 40 twice as dear.
    assert float(expression_prior(near, base)) == pytest.approx(2.0 / 5.0)
    assert float(expression_prior(far, base)) == pytest.approx(2.0 * 50.0 / 5.0)
    jaw = torch.zeros(1, 9, 3)
    assert float(jaw_prior(jaw + 0.1, jaw)) == pytest.approx(0.5 * 0.01)


def test_a_dearer_jaw_changes_less() -> None:
    """The best change of a jaw that a loss pulls to 0.3 rad, for rising weights of its prior."""
    changes: list[float] = []
    rest = torch.zeros(1, 9, 3)
    for weight in (0.0, 1.0, 10.0, 100.0):
        jaw = rest.clone().requires_grad_(True)
        for _ in range(40):
            loss = (valid(jaw) - 0.3).square().mean() + weight * jaw_prior(jaw, rest)
            (slope,) = torch.autograd.grad(loss, jaw)
            jaw = (jaw - 5.0 / (2.0 + weight) * slope).detach().requires_grad_(True)
        changes.append(float(valid(jaw).detach().abs().mean()))
        assert changes[-1] == pytest.approx(0.6 / (2.0 + weight), rel=0.01)
    assert changes == sorted(changes, reverse=True)


def points_of(motion: Tensor) -> Tensor:
    surface = FaceSurface(open_head())
    count = len(motion)
    place = torch.tensor([0.5, 0.5, 2.8]).expand(count, -1)
    return projected(surface(motion), torch.eye(3).expand(count, -1, -1), place, torch.full((count,), 2.5))


def test_the_mouths_distances_know_shape_and_not_place() -> None:
    motion = torch.zeros(2, 53)
    motion[1, 50] = 0.3
    rest, opened = points_of(motion)
    assert torch.allclose(mouth_distances(rest + 0.1), mouth_distances(rest), atol=1e-5)
    grown = mouth_distances(opened) - mouth_distances(rest)
    upper, lower = INNER_LIPS[0][4], INNER_LIPS[1][4]
    gap = [(opened - rest)[FACE_POINTS.index(point)] for point in (upper, lower)]
    assert float(grown[5]) == pytest.approx(2.0 * float((gap[0] - gap[1]).norm()), rel=0.1)
    assert float(grown[5]) > 0.05
    still = rest.expand(1, 9, -1, -1)
    assert float(relative_mouth(still, still, still)) == 0.0
    assert float(relative_mouth(still + 0.2, still, still)) == pytest.approx(0.0, abs=1e-5)
    assert float(relative_mouth(1.2 * still, still, still)) > 0.0


def test_another_identitys_lengths_are_forgiven_and_its_gaps_are_not() -> None:
    motion = torch.zeros(9, 53)
    motion[:, 50] = torch.linspace(0.0, 0.3, 9)
    film = points_of(motion)[None]
    chin, ajar = film.clone(), film.clone()
    chin[:, :, FACE_POINTS.index(152), 1] += 0.03
    ajar[:, :, FACE_POINTS.index(14), 1] += 0.02
    assert float(relative_mouth(chin, film, film)) > 0.006
    assert float(relative_mouth(chin, film, chin)) == pytest.approx(0.0, abs=3e-4)
    assert float(relative_mouth(ajar, film, film)) > 0.004
    assert float(relative_mouth(ajar, film, ajar)) > 0.5 * float(relative_mouth(ajar, film, film))
    # Nor is a motion of the base's forgiven that the film does not have.
    still = film[:, :1].expand_as(film)
    assert float(relative_mouth(film, still, film)) > 0.005


def test_landmarks_are_those_beside_the_mouth() -> None:
    told = torch.rand(1, 9, len(FACE_POINTS), 2, generator=torch.Generator().manual_seed(4))
    seen = torch.ones(1, 9, len(FACE_POINTS))
    lips, nose = told.clone(), told.clone()
    lips[:, :, MOUTH_ROWS] += 0.1
    nose[:, :, -1] += 0.1
    assert float(landmarks_around(lips, told, told, seen)) == 0.0
    assert float(landmarks_around(nose, told, told, seen)) > 0.0
    # A nose that is elsewhere all the time is the base's; one that moves is not.
    assert float(landmarks_around(nose, told, nose, seen)) == pytest.approx(0.0, abs=1e-6)
    moving = nose.clone()
    moving[:, ::2, -1] += 0.1
    assert float(landmarks_around(moving, told, moving, seen)) > 0.0
    hidden = seen.clone()
    hidden[:, :, -1] = 0.0
    assert float(landmarks_around(nose, told, told, hidden)) == 0.0


def test_a_taught_encoder_learns_by_the_statistics_that_it_tells_by() -> None:
    torch.manual_seed(3)
    reader = VisualSpeech()
    encoder = PerceptualEncoder("mouth", shape=reader.shape)
    assert isinstance(encoder.features, MouthFeatures)
    mouths, base = torch.rand(2, 8, MOUTH_PX, MOUTH_PX), torch.zeros(2, 8, 53)
    with torch.no_grad():
        encoder.residual.last.weight.mul_(1000.0)
        alone = encoder.train()(mouths, base)
        assert float((alone - encoder.eval()(mouths, base)).abs().max()) > 0.1  # a batch's own statistics
        encoder.features.begin_at(reader)
        encoder.residual.settle(encoder.features(mouths))
        hidden = encoder.residual.norm(encoder.residual.conv(encoder.features(mouths).mT))
        assert hidden.mean(dim=(0, 2)).abs().max() < 1e-3
        assert torch.allclose(hidden.std(dim=(0, 2)), torch.ones(256), atol=0.05)
        learnt = encoder.train()(mouths, base)
        assert torch.equal(learnt, encoder.eval()(mouths, base))


def seen_from_the_front(count: int) -> Seen:
    return Seen(
        shape=torch.zeros(count, 100),
        eyelids=torch.zeros(count, 2),
        gaze=torch.zeros(count, 4),
        rotation=torch.eye(3).expand(count, -1, -1),
        place=torch.tensor([0.5, 0.5, 2.8]).expand(count, -1),
        focal=torch.full((count,), 2.5),
        box=torch.tensor([0.5, 0.66, MOUTH_SIDE]).expand(count, -1),
    )


def test_a_mouth_is_drawn_where_its_points_are_and_learns_from_its_picture() -> None:
    pictures = MouthPictures()
    expression = torch.zeros(2, 50, requires_grad=True)
    jaw = torch.tensor([[0.0, 0.0, 0.0], [0.25, 0.0, 0.0]])
    seen = seen_from_the_front(2)
    drawn = pictures(expression, jaw, seen)
    assert drawn.shape == (2, MOUTH_PX, MOUTH_PX)
    assert drawn.min() >= 0.0
    assert drawn.max() <= 1.0
    # What an opening jaw changes lies at and below the lips, and reaches no nose.
    changed = (drawn[1] - drawn[0]).abs().detach()
    lips = points_of(torch.cat([torch.zeros(1, 50), jaw[:1]], dim=1))[0, MOUTH_ROWS].mean(dim=0)
    row = int(((lips[1] - 0.66) / MOUTH_SIDE + 0.5) * MOUTH_PX)
    assert 20 < row < 70
    assert changed[row - 10 : row + 30].mean() > 3.0 * changed[: row - 25].mean()
    drawn[0].mean().backward()
    assert expression.grad is not None
    assert expression.grad[0].abs().sum() > 0.0


def test_a_mouths_place_follows_slowly() -> None:
    course = np.zeros((41, 2))
    course[20:] = 1.0
    slow = smoothed(course, 6)
    assert np.abs(np.diff(slow[:, 0])).max() == pytest.approx(1.0 / 13.0)
    assert np.allclose(slow[[0, -1]], course[[0, -1]])
    assert np.allclose(smoothed(np.full((5, 2), 3.0)), 3.0)


@pytest.mark.parametrize("activation", ["swish", "prelu"])
@pytest.mark.parametrize("prefix", ["encoder.frontend.", "feature_extractor_video.resnet."])
def test_a_published_reader_is_found_in_its_checkpoint(activation: str, prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    reader = PublishedReader(activation).eval()
    theirs: dict[str, Tensor] = {"encoder.embed.weight": torch.zeros(2)}
    for name, tensor in reader.state_dict().items():
        part, number, rest = name.split(".", 2)
        stage, block = divmod(int(number), 2)
        other = f"frontend3D.{number}.{rest}" if part == "stem" else f"trunk.layer{stage + 1}.{block}.{rest}"
        theirs[prefix + other] = tensor.clone()
    path = tmp_path / "reader.pth"
    torch.save({"model": theirs}, path)
    loaded = load_lip_reader(path)
    shown = torch.rand(1, 3, MOUTH_PX, MOUTH_PX)
    with torch.no_grad():
        assert torch.equal(loaded.features(shown), reader.features(shown))
    assert loaded.features(shown).shape == (1, 3, 512)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    with pytest.raises(CheckpointError, match="reads no visemes"):
        load_visual_speech(path)
    theirs.pop(f"{prefix}trunk.layer4.1.conv2.weight")
    save_file(theirs, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks blocks.7.conv2.weight"):
        load_lip_reader(tmp_path / "half.safetensors")


def test_what_is_no_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no lip reader"):
        load_lip_reader(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="holds no lip reader"):
        load_lip_reader(tmp_path / "other.safetensors")
    torch.save({"model": main}, tmp_path / "code.pth")
    with pytest.raises(CheckpointError, match="nothing was run"):
        load_lip_reader(tmp_path / "code.pth")


def test_smoke_runs_train_a_reader_and_an_encoder_that_is_judged(tmp_path: Path) -> None:
    run, path, emotion = tmp_path / "run", tmp_path / "spectre.safetensors", tmp_path / "emotion.safetensors"
    torch.manual_seed(6)
    save_file({name: tensor.contiguous() for name, tensor in EmotionNetwork().state_dict().items()}, emotion)
    settings = [f"emotion={emotion}", "optim.steps=2", "optim.batch=2"]
    assert main(["spectre", "--smoke", "--folder", str(run), "--export", str(path), *settings]) == 0
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    terms = {"lips", "emotion", "expression", "jaw", "landmarks", "relative"}
    assert terms | {"lips_moved", "lips_base", "mouth_mm_moved", "mouth_mm_base"} <= figures.keys()
    assert figures["total"] == pytest.approx(sum(figures[term] for term in terms), abs=1e-3)

    # Hardly taught, the encoder tells nearly what the base does; the judge finds what was said in every clip.
    encoder = load_perceptual_encoder(path)
    assert (encoder.sees, encoder.residual.lookahead) == ("mouth", 2)
    made_up_talkers(tmp_path / "talkers")
    data = MouthData(str(tmp_path), {"talkers": 1.0}, ["talkers"], pictures=8)
    clips = spoken_clips(data, "val", ["talkers"])
    readings = judged(clips, LipJudge(VisualSpeech()), {"ours": encoder})["talkers"]
    assert readings.keys() == {"film", "base", "ours", "truth"}
    symbols = len(said(clips["talkers"][0].clip.visemes.tolist()))
    assert all(reading[0].symbols == symbols > 0 for reading in readings.values())
    assert readings["truth"][0].mouth_mm == 0.0
    assert readings["ours"][0].mouth_mm == pytest.approx(readings["base"][0].mouth_mm, abs=0.2)
    assert sheet(clips["talkers"][0], LipJudge(VisualSpeech()), {"ours": encoder}).shape == (
        4 * MOUTH_PX,
        12 * MOUTH_PX,
    )
    line = summed([Reading(1, 4, 5, 10, 1.0), Reading(3, 4, 5, 10, 3.0), Reading(0, 2, 10, 10, 2.0)])
    assert line["ver"] == pytest.approx(1 / 3)
    of_motion = judged(clips, LipJudge(MotionReader().eval()), {"ours": encoder})["talkers"]
    assert of_motion.keys() == {"base", "ours", "truth"}
    assert of_motion["ours"][0].mouth_mm == readings["ours"][0].mouth_mm
    undone = judged(clips, LipJudge(MotionReader().eval(), share=0.0), {"ours": encoder})["talkers"]
    assert undone["ours"][0].mouth_mm == undone["base"][0].mouth_mm != readings["ours"][0].mouth_mm
    assert line["ver_pooled"] == pytest.approx(0.4)
    assert (line["accuracy"], line["mouth_mm"]) == (pytest.approx(2 / 3), pytest.approx(2.0))
    better = [Reading(0, 4, 5, 10, 1.0), Reading(2, 4, 5, 10, 2.5)]
    told = difference(better, [Reading(1, 4, 5, 10, 1.0), Reading(3, 4, 5, 10, 3.0)])
    assert told == "ver -0.250 (-0.250 to -0.250) mouth_mm -0.250 (-0.500 to +0.000)"


def test_sequences_are_mouths_with_their_visemes(tmp_path: Path) -> None:
    made_up_talkers(tmp_path / "talkers", clips=11)
    data = MouthData(str(tmp_path), {"talkers": 1.0}, ["talkers"], pictures=8)
    batch = MouthSequences(data, 3, 0)[0]
    assert batch["mouths"].shape == (3, 8, MOUTH_PX, MOUTH_PX)
    assert batch["visemes"].shape == (3, 8)
    assert torch.equal(batch["mouths"], MouthSequences(data, 3, 0)[0]["mouths"])
    assert not torch.equal(batch["mouths"], MouthSequences(data, 3, 0)[1]["mouths"])
    # Two readers of two folds have no clip in common, and the held-out ones are everybody's.
    halves = [
        {clip.info.name for clip in mouth_clips(replace(data, fold=fold, folds=2), "train")["talkers"]}
        for fold in (0, 1)
    ]
    assert not halves[0] & halves[1]
    assert len(halves[0] | halves[1]) == len(mouth_clips(data, "train")["talkers"])
    held_out = mouth_clips(replace(data, fold=1, folds=2), "val")["talkers"]
    assert [clip.info.name for clip in held_out] == ["talker4", "talker9"]
    with pytest.raises(RecipeError, match=r"no clip of split 'val' with 99 pictures"):
        mouth_clips(replace(data, pictures=99), "val")


def test_drawn_and_talking_faces_are_built_and_gone_on_with(tmp_path: Path) -> None:
    """Both builders on a made-up speech store: pictures show the motion that the store has at their instant."""
    phones = [Phone("ma"[k % 2], 0.1 * k, 0.1 * (k + 1)) for k in range(10)]
    for split in ("train", "val"):
        said_here = Utterance(0.1 * np.ones(16_000, np.float32), phones)
        with SpeechWriter(tmp_path / "speech") as writer:
            writer.add(ClipInfo(split, split, "made up", "speech", "free", split, "neutral"), said_here, 1)
    lines = Lines(tmp_path / "speech")
    line = lines.draw(np.random.default_rng(0), 6, "train")
    assert line.motion.shape == (6, 53)
    assert all(phone.end_s <= 0.24 + 1e-9 for phone in line.phones)

    build_drawn_mouths.build(tmp_path / "drawn_mouths", lines, 2, 6, seed=0)
    build_drawn_mouths.build(tmp_path / "drawn_mouths", lines, 3, 6, seed=0)
    build_talking_faces.build(
        tmp_path / "talking_faces", lines, build_talking_faces.Stage(None, with_studio=False), 2, 6, 0, seed=0
    )
    # A reader of motion learns what is said from the same lines, and a still face tells it nothing.
    reader = fitted(lines, steps=60, pictures=6)
    motion, visemes = said_by(lines, np.random.default_rng(9), "val", 8, 6)
    assert set(visemes.flatten().tolist()) == {VISEMES.index("p"), VISEMES.index("a")}
    still = motion[:, :1].expand_as(motion)
    read, guessed = (float((reader(m).argmax(dim=2) == visemes).float().mean()) for m in (motion, still))
    assert read > 0.75
    assert guessed < read - 0.1

    names = ["drawn_mouths", "talking_faces"]
    data = MouthData(str(tmp_path), dict.fromkeys(names, 1.0), names, pictures=6)
    clips = {split: mouth_clips(data, split, names if split == "train" else names[:1]) for split in ("train", "val")}
    assert [clip.info.name for clip in clips["train"]["drawn_mouths"]] == ["drawn-0-00001", "drawn-0-00002"]
    assert [clip.info.name for clip in clips["val"]["drawn_mouths"]] == ["drawn-0-00000"]
    for of_store in clips["train"].values():
        for clip in of_store:
            mouths = grey_mouths(clip, 0, 6)
            assert mouths.std() > 0.02
            # Shut lips and open ones do not look alike.
            shut, opened = (clip.visemes == VISEMES.index(name) for name in "pa")
            assert shut.any()
            assert opened.any()
            apart = np.abs(mouths[shut].mean(axis=0) - mouths[opened].mean(axis=0)).max()
            assert apart > 0.05
