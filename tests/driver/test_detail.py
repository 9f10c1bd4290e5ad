"""The skin's code: read seldom, of the right picture and crop, told once known, and sent when it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from driver.assemble import assemble, demo_sample
from driver.capture.retry import say_nothing
from driver.config import Settings
from driver.detail import DetailFile, DetailReader, DetailSettings
from driver.doctor import findings
from driver.errors import ModelError, UsageError
from driver.framing import FrameBuilder, FrameSettings
from driver.fuse import Fused
from driver.motion_vector import VECTOR_SIZE
from driver.recording import read_recording
from driver.types import Motion, VideoFrame
from models.head.arkit import ArkitMap
from models.head.crop import PictureCamera
from models.head.flame import open_head
from protocol.frame import FaceFrame, Floats
from protocol.hello import Hello

STEP_NS = 100_000_000
WIDTH, HEIGHT = 64, 48
CAMERA = PictureCamera(60.0, (WIDTH / 2, HEIGHT / 2))
SURE = np.ones(4, np.float32)


class Grey:
    """A network whose code is the crop's left and right, as far as they are not mixed; it keeps what it was asked."""

    id, picture_px = "grey/1", 16

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []

    def __call__(self, picture: NDArray[np.uint8], /) -> Floats:
        self.crops.append(picture)
        return np.repeat([picture[:, :7].mean(), picture[:, 9:].mean()], 64).astype(np.float32) / 10.0


def picture(level: float, number: int) -> VideoFrame:
    image = np.full((HEIGHT, WIDTH, 3), round(level), np.uint8)
    image[:, WIDTH // 2 :] += 40
    return VideoFrame(image, number * STEP_NS, number)


def motion(number: int, confidence: Floats = SURE) -> Motion:
    place = np.array([0.0, 0.02, -0.6], np.float32)
    return Motion(number * STEP_NS, head_translation=place, confidence=confidence)


class Watched:
    """A reader between its stages; the tracker's motions are given."""

    def __init__(self, settings: DetailSettings, is_mirrored: bool = False) -> None:
        self.network = Grey()
        self.reader = DetailReader(self.network, lambda size: CAMERA, settings, is_mirrored)
        (_, self.keep), (_, last) = self.reader.around([])
        assert last is self.reader

    def see(self, level: float, number: int, told: Motion | None = None) -> Floats | None:
        item = picture(level, number)
        assert self.keep.process(item) is item
        (found,) = self.reader.process([told or motion(number)])
        return found.detail


def test_it_reads_now_and_then_and_means_over_the_pictures() -> None:
    watched = Watched(DetailSettings(interval_s=0.5, pictures=2))
    codes = [watched.see(100 + number, number) for number in range(12)]
    # At 0, 5 and 10: 100, then the mean of 100 and 105, then half of the way from there to 110.
    assert len(watched.network.crops) == 3
    assert [code[0] for code in codes if code is not None] == pytest.approx(5 * [10.0] + 5 * [10.25] + 2 * [10.625])


def test_the_crop_is_the_heads() -> None:
    watched = Watched(DetailSettings())
    watched.see(100, 0)
    (crop,) = watched.network.crops
    # 0.24 m at 0.6 m are 24 of the picture's 64 pixels; the picture's middle is the head's.
    assert crop.shape == (16, 16, 3)
    assert (crop[:, :7] == 100).all()
    assert (crop[:, 9:] == 140).all()
    aside = Watched(DetailSettings())
    aside.see(100, 0, Motion(0, head_translation=np.array([0.1, 0.02, -0.6], np.float32), confidence=SURE))
    assert (aside.network.crops[0][:, 4:] == 140).all()


def test_a_mirrored_face_has_mirrored_skin() -> None:
    plain, mirrored = Watched(DetailSettings()).see(100, 0), Watched(DetailSettings(), is_mirrored=True).see(100, 0)
    assert plain is not None
    assert mirrored is not None
    assert plain[0] == mirrored[-1] == 10.0
    assert plain[-1] == mirrored[0] == 14.0


def test_a_covered_mouth_is_not_read_and_what_is_known_stays() -> None:
    watched = Watched(DetailSettings(interval_s=0.1))
    covered = np.array([0.3, 1.0, 1.0, 1.0], np.float32)
    assert watched.see(100, 0, motion(0, covered)) is None
    known = watched.see(100, 1)
    assert watched.see(200, 2, motion(2, covered)) is known is not None
    assert len(watched.network.crops) == 1


def test_somebody_else_is_learnt_anew() -> None:
    watched = Watched(DetailSettings(interval_s=0.1, forget_s=1.0))
    for number in range(3):
        watched.see(100, number)
    code = watched.see(180, 30)
    assert code is not None
    assert code[0] == pytest.approx(18.0)


def test_a_tracker_that_looks_ahead_is_read_in_its_own_picture() -> None:
    watched = Watched(DetailSettings())
    watched.keep.process(picture(50, 0))
    watched.keep.process(picture(70, 1))
    code = watched.see(90, 2, motion(0))
    assert code is not None
    assert code[0] == pytest.approx(5.0)
    # A motion whose picture is gone waits for the next.
    late = Watched(DetailSettings())
    assert late.see(90, 9, motion(2)) is None
    assert late.see(90, 10) is not None


@pytest.fixture(scope="module")
def arkit() -> ArkitMap:
    return ArkitMap(open_head())


def frames_of(builder: FrameBuilder, codes: list[Floats | None]) -> Iterator[FaceFrame]:
    vector = np.zeros(VECTOR_SIZE, np.float32)
    for tick, code in enumerate(codes):
        fused = Fused(vector, 5, SURE, None, 0.0, 0.0, 0.0, 0.0, code)
        yield builder.build(fused, vector, tick * 16_666_667, 0)


def test_it_is_sent_when_it_changes_once_a_second_and_never_beside_the_identity(arkit: ArkitMap) -> None:
    one = np.linspace(-1.0, 1.0, 128, dtype=np.float32)
    times = [(0.0, 10), (1.0, 80), (1.01, 20), (1.1, 40)]
    codes = [np.float32(factor) * one if factor else None for factor, count in times for _ in range(count)]
    frames = list(frames_of(FrameBuilder(FrameSettings(), "open-head/1", arkit), codes))
    assert [index for index, frame in enumerate(frames) if frame.detail is not None] == [10, 70, 110]
    assert all(frame.shape is None or frame.detail is None for frame in frames)
    # The identity is due at 0, 60, 120: a code that becomes known with it waits one frame.
    waits = list(frames_of(FrameBuilder(FrameSettings(), "open-head/1", arkit), [one] * 3))
    assert [frame.detail is not None for frame in waits] == [False, True, False]
    assert np.array_equal(waits[1].detail, one)  # type: ignore[arg-type]


def test_another_head_has_no_skin_of_ours(arkit: ArkitMap) -> None:
    class Same:
        def apply(self, *motion: Floats) -> tuple[Floats, ...]:
            return motion

    builder = FrameBuilder(FrameSettings(), "flame-2023-open", arkit, Same())  # type: ignore[arg-type]
    assert all(frame.detail is None for frame in frames_of(builder, [np.ones(128, np.float32)] * 3))


def network_file(path: Path, head: str = "open-head/1") -> Path:
    """A network whose code is the picture's mean, 128 times."""
    values = [
        helper.make_node("Cast", ["picture"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "ones"], ["detail"]),
    ]
    graph = helper.make_graph(
        values,
        "mean",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, 16, 16, 3])],
        [helper.make_tensor_value_info("detail", TensorProto.FLOAT, [1, 128])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("ones", TensorProto.FLOAT, [1, 128], [0.01] * 128),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"head": head, "detail": "mean/1"})
    onnx.save(model, str(path))
    return path


def test_a_file_is_read_and_others_are_refused(tmp_path: Path) -> None:
    network = DetailFile(network_file(tmp_path / "detail.onnx"), "cpu")
    assert (network.id, network.picture_px) == ("mean/1", 16)
    assert network(np.full((16, 16, 3), 50, np.uint8)) == pytest.approx(np.full(128, 0.5))
    with pytest.raises(ModelError, match=r"no detail network at .*training\.export_detail"):
        DetailFile(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="it must be 'open-head/1'"):
        DetailFile(network_file(tmp_path / "other.onnx", head="flame-2020"))
    mood = Path(__file__).parents[2] / "models" / "weights" / "emotion.onnx"
    with pytest.raises(ModelError, match="reads no detail of a picture"):
        DetailFile(mood)


def test_the_doctor_looks_at_the_file(tmp_path: Path) -> None:
    def said(file: str | None) -> tuple[bool, str]:
        found = next(one for one in findings(Settings(out=(), detail=file)) if one.subject == "skin detail")
        return found.is_ok, found.text

    assert said(None) == (True, "not asked for")
    assert said(str(network_file(tmp_path / "mine.onnx"))) == (
        True,
        "mine.onnx reads crops of 16 pixels, codes of mean/1",
    )
    is_ok, text = said(str(tmp_path / "none.onnx"))
    assert not is_ok
    assert "there is no detail network" in text


def test_it_needs_pictures_and_the_open_head(tmp_path: Path) -> None:
    file = str(network_file(tmp_path / "detail.onnx"))
    with pytest.raises(UsageError, match="give --webcam or --video"):
        assemble(Settings(audio=str(demo_sample()), detail=file, out=()), say_nothing)


def test_a_recording_of_the_sample_carries_it(tmp_path: Path) -> None:
    path, file = tmp_path / "take.adrec", network_file(tmp_path / "detail.onnx")
    settings = Settings(
        video=str(demo_sample()), audio="none", duration_s=1.5, out=(), record=str(path), detail=str(file)
    )
    run = assemble(settings, say_nothing)
    run.pipeline.run()
    items = [item for _, item in read_recording(path, pytest.fail)]
    assert isinstance(items[0], Hello)
    assert items[0].detail == "mean/1"
    told = [item.detail for item in items if isinstance(item, FaceFrame) and item.detail is not None]
    assert 1 <= len(told) <= 3
    assert 0.2 < float(told[0][0]) < 2.3
