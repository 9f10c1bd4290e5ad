"""`python -m training.run face_detector`: the detector learns faces that are pasted into places without any."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.head.face_boxes import DETECTOR_PX, detected_faces
from models.video.face_detector import FaceDetector
from training.data.detector_scenes import DetectorScenes
from training.data.face_source import FaceData
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses.detection import DetectionLoss, DetectionWeights
from training.recipe import Recipe, build
from training.tasks.face_export import export_detector
from training.tasks.voice_data import on_device_of

# A face is found when a detected centre is within this share of its size; below this share of 256 it is small.
_FOUND = 0.3
_SMALL = 0.12


@dataclass(frozen=True, kw_only=True)
class DetectorRecipe(Recipe):
    """data, weights of the losses"""

    data: FaceData
    weights: DetectionWeights = field(default_factory=DetectionWeights)


class DetectorStudent(nn.Module):
    """The detector and its losses."""

    def __init__(self, weights: DetectionWeights) -> None:
        super().__init__()
        self.detector = FaceDetector()
        self.loss = DetectionLoss(weights)

    def forward(self, batch: Batch, step: int) -> Losses:
        return self.loss(self.detector(batch["picture"]), batch)


class DetectorTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: DetectorRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = DetectorScenes(data, optim.batch, optim.seed)
        held_out = DetectorScenes(data, min(32, optim.batch), 0, is_validation=True)
        self._validation = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        self.student = DetectorStudent(recipe.weights)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """recall, recall_small (faces under 12 % of the picture), precision, points (error, % of eye distance)."""
        assert isinstance(student, DetectorStudent)
        found: list[tuple[bool, float, float]] = []
        detections = 0
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                told = student.detector(batch["picture"])
                parts = [told[name].cpu().numpy() for name in ("score", "boxes", "points")]
                for row, (score, boxes, points) in enumerate(zip(*parts, strict=True)):
                    faces = detected_faces(score, boxes, points, DETECTOR_PX, DETECTOR_PX)
                    detections += len(faces)
                    truths = batch["boxes"][row].cpu().numpy() * DETECTOR_PX
                    marks = batch["points"][row].cpu().numpy() * DETECTOR_PX
                    for box, mark in zip(truths, marks, strict=True):
                        if np.isfinite(box).all():
                            found.append(_match(box, mark, [(face.box, face.points) for face in faces]))
        hits = [hit for hit, _, _ in found]
        small = [hit for hit, size, _ in found if size < _SMALL]
        errors = [error for hit, _, error in found if hit]
        recall = float(np.mean(hits)) if hits else math.nan
        precision = min(1.0, sum(hits) / detections) if detections else 0.0
        return {
            "recall": recall,
            "recall_small": float(np.mean(small)) if small else math.nan,
            "precision": precision,
            "points": 100.0 * float(np.mean(errors)) if errors else math.nan,
            "score": 2.0 - recall - precision,
        }

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export the averaged weights."""
        detector = FaceDetector()
        detector.load_state_dict(part_of(averaged_weights(folder), "detector"))
        return export_detector(detector, path or folder / "face_detector.onnx")


def prepare(table: dict[str, Any], place: Place) -> DetectorTask:
    """The task of a recipe's table."""
    return DetectorTask(build(DetectorRecipe, table))


def _match(box: np.ndarray, mark: np.ndarray, faces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[bool, float, float]:
    """Whether one of `faces` is the face in `box`; its size, 0..1; the error of the nearest one's points."""
    size = float((box[2:] - box[:2]).max())
    eyes = float(np.linalg.norm(mark[0] - mark[1])) + 1e-6
    nearest, error = math.inf, math.nan
    for other, points in faces:
        off = float(np.linalg.norm(0.5 * (box[:2] + box[2:] - other[:2] - other[2:])))
        if off < nearest:
            nearest, error = off, float(np.linalg.norm(points - mark, axis=1).mean()) / eyes
    return nearest < _FOUND * size, size / DETECTOR_PX, error
