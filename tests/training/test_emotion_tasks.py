"""The networks of emotions learn and are exported: smoke runs of their recipes on painted faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.perceptual.emotion import EMOTIONS
from protocol.frame import OPEN_HEAD_ID
from training.emotion_checkpoints import load_emotion_reader, trained_emotion_from_coefficients
from training.run import main


def test_a_smoke_run_of_pictures_gives_a_reader(tmp_path: Path) -> None:
    path, run = tmp_path / "emotion.safetensors", tmp_path / "run"
    assert main(["emotion", "--smoke", "--folder", str(run), "--export", str(path)]) == 0
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    assert 0.0 <= figures["emotion_faces_balanced"] <= 1.0
    assert -1.0 <= figures["emotion_faces_valence_ccc"] <= 1.0
    pictures = torch.rand(2, 3, 50, 70)
    by_file, by_run = load_emotion_reader(path)(pictures), load_emotion_reader(run)(pictures)
    assert torch.equal(by_file["feature"], by_run["feature"])


def test_a_smoke_run_of_coefficients_gives_what_the_driver_asks(tmp_path: Path) -> None:
    path, run = tmp_path / "emotion.onnx", tmp_path / "run"
    assert main(["emotion_from_coefficients", "--smoke", "--folder", str(run), "--export", str(path)]) == 0
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    assert {"acted_valence_ccc", "labelled_accuracy", "score"} <= figures.keys()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert (said["head"], tuple(json.loads(said["emotions"]))) == (OPEN_HEAD_ID, EMOTIONS)
    rng = np.random.default_rng(0)
    sizes = {"shape": 100, "expression": 50, "jaw": 3}
    fed = {name: rng.normal(size=(3, size)).astype(np.float32) for name, size in sizes.items()}
    emotion, valence, arousal = (np.asarray(values) for values in session.run(["emotion", "valence", "arousal"], fed))
    assert emotion.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    told = trained_emotion_from_coefficients(run)(*(torch.from_numpy(fed[name]) for name in sizes))
    # Weights are stored as halves.
    assert np.allclose(valence, told["valence"].detach().numpy(), atol=5e-3)
    assert np.abs(np.stack([valence, arousal])).max() <= 1.0


def test_a_run_without_its_teacher_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [f"data.folder={tmp_path}", f"data.teacher_run={tmp_path / 'none'}"]
    assert main(["emotion", *settings, "--folder", str(tmp_path / "run")]) == 2
    assert "run python -m training.run emotion_from_coefficients first" in capsys.readouterr().err
