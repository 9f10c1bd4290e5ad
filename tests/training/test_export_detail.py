"""Detail as files: what the driver runs, what an engine runs, and a person's maps from a recording of the codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.reconstruction.detail import DetailDecoder, DetailEncoder
from protocol.golden.frames import detailed, neutral
from protocol.golden.packets import HELLO
from protocol.msgpack_codec import encode, encode_hello
from protocol.recording_format import encode_header, encode_record
from training.bake_wrinkles import pictured_detail, recorded_detail
from training.export_detail import export_detail
from training.tasks.deca_detail import LoadedDetail

SIZE_PX = 64


@pytest.fixture(scope="module")
def detail() -> LoadedDetail:
    torch.manual_seed(0)
    return LoadedDetail.of(DetailEncoder(), DetailDecoder(32), SIZE_PX, "deca-detail/0123456789ab")


def recording(path: Path, *packets: bytes) -> Path:
    path.write_bytes(encode_header(0) + b"".join(map(encode_record, packets)))
    return path


def test_both_files_do_what_torch_does_and_say_whose_codes_they_speak(tmp_path: Path, detail: LoadedDetail) -> None:
    reads, displaces = (
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in export_detail(detail, tmp_path)
    )
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (1, SIZE_PX, SIZE_PX, 3), np.uint8)
    code = np.asarray(reads.run(["detail"], {"picture": picture})[0])
    wanted = detail.encoder(torch.from_numpy(picture).permute(0, 3, 1, 2) / 255.0).detach().numpy()
    np.testing.assert_allclose(code, wanted, atol=1e-4 * np.abs(wanted).max())
    jaw, expression = rng.normal(size=(1, 3)).astype(np.float32), rng.normal(size=(1, 50)).astype(np.float32)
    metres = np.asarray(displaces.run(["displacement"], {"jaw": jaw, "expression": expression, "detail": code})[0])
    assert metres.shape == (1, 1, 32, 32)
    wanted = detail.displacement(*(torch.from_numpy(part) for part in (jaw, expression, code)))
    np.testing.assert_allclose(metres, wanted.detach().numpy(), atol=1e-6)
    for session in (reads, displaces):
        said = session.get_modelmeta().custom_metadata_map
        assert (said["detail"], said["head"]) == (detail.id, "open-head/1")
    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == 2


def test_a_recording_tells_the_last_code(tmp_path: Path, detail: LoadedDetail) -> None:
    hello = encode_hello(replace(HELLO, detail=detail.id))
    code = detailed().detail
    assert code is not None
    frames = [encode(replace(detailed(), detail=0.5 * code)), encode(detailed()), encode(neutral())]
    path = recording(tmp_path / "take.adrec", hello, *frames)
    assert np.array_equal(recorded_detail(path, detail)[0].numpy(), code)


def test_codes_of_another_network_and_none_at_all_are_refused(tmp_path: Path, detail: LoadedDetail) -> None:
    foreign = encode_hello(replace(HELLO, detail="deca-detail/other"))
    with pytest.raises(ValueError, match=r"codes of 'deca-detail/other', the run's are 'deca-detail/0123456789ab'"):
        recorded_detail(recording(tmp_path / "foreign.adrec", foreign, encode(detailed())), detail)
    with pytest.raises(ValueError, match="record with avatar-driver --detail"):
        recorded_detail(recording(tmp_path / "plain.adrec", encode_hello(HELLO), encode(neutral())), detail)
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="no picture that OpenCV reads"):
        pictured_detail(tmp_path / "no.png", detail)
