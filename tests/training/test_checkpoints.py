"""wav2vec 2.0 out of files: every layout gives the same network, and what is no such file is refused in a sentence."""

from __future__ import annotations

import json
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="needs the extra [wav2vec]")

from safetensors.torch import save_file  # noqa: E402
from support.wav2vec import save_config, save_folder, speech_like, tiny_network, to_torchaudio  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import Wav2Vec2ForSequenceClassification, Wav2Vec2Model  # noqa: E402

from models.audio.decoder import MOTION_SIZE  # noqa: E402
from training.checkpoints import CheckpointError, build_seed_branch, build_seed_voice, load_wav2vec  # noqa: E402

# As many heads as a network of this width has by the rule of the published ones.
LIKE_PUBLISHED = {"hidden_size": 64, "num_attention_heads": 1}


def heard_by(network: Wav2Vec2Model) -> Tensor:
    with torch.no_grad():
        return network(speech_like(12, batch=2)).last_hidden_state


def bin_folder(network: Wav2Vec2Model, folder: Path) -> Path:
    """As older versions saved it, with their names of the normalised weight."""
    save_config(network, folder)
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in network.state_dict().items()
    }
    torch.save(old, folder / "pytorch_model.bin")
    return folder


def sharded_folder(network: Wav2Vec2Model, folder: Path) -> Path:
    network.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    return folder


def classifier_folder(network: Wav2Vec2Model, folder: Path) -> Path:
    """As emotion-tuned networks come: a prefix, and a head."""
    tuned = Wav2Vec2ForSequenceClassification(network.config)
    tuned.wav2vec2.load_state_dict(network.state_dict())
    tuned.save_pretrained(folder)
    return folder


def torchaudio_file(network: Wav2Vec2Model, folder: Path) -> Path:
    """As fine-tuned for letters: a head beside it. The config says what no tensor's shape does."""
    save_config(network, folder)
    head = {"aux.weight": torch.zeros(29, 32), "aux.bias": torch.zeros(29)}
    torch.save(to_torchaudio(network) | head, folder / "wav2vec2_base.pth")
    return folder / "wav2vec2_base.pth"


def torchaudio_safetensors(network: Wav2Vec2Model, folder: Path) -> Path:
    save_config(network, folder)
    save_file(
        {f"model.{name}": tensor for name, tensor in to_torchaudio(network).items()}, folder / "large.safetensors"
    )
    return folder / "large.safetensors"


Saver = Callable[[Wav2Vec2Model, Path], Path]
LAYOUTS: tuple[Saver, ...] = (
    save_folder,
    bin_folder,
    sharded_folder,
    classifier_folder,
    torchaudio_file,
    torchaudio_safetensors,
)


@pytest.mark.parametrize("save", LAYOUTS)
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_every_layout_gives_the_same_network(
    save: Saver, norm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_network(norm)
    path = save(network, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("a local checkpoint asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = load_wav2vec(path)
    assert torch.equal(heard_by(loaded), heard_by(network))
    assert not loaded.training


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_bare_file_tells_its_own_sizes(norm: str, tmp_path: Path) -> None:
    network = tiny_network(norm, **LIKE_PUBLISHED)
    torch.save({"state_dict": to_torchaudio(network)}, tmp_path / "bare.pt")
    loaded = load_wav2vec(tmp_path / "bare.pt")
    assert torch.equal(heard_by(loaded), heard_by(network))


def test_half_precision_is_widened(tmp_path: Path) -> None:
    network = tiny_network(**LIKE_PUBLISHED)
    torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, tmp_path / "half.pt")
    loaded = load_wav2vec(tmp_path / "half.pt")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(heard_by(loaded), heard_by(network), atol=2e-2, rtol=0)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_torchaudios_own_network_is_heard_alike(norm: str, tmp_path: Path) -> None:
    """Runs where torchaudio imports: beside a torch of the same build, with the extra [torchaudio]."""
    torchaudio = pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))
    is_layer_norm = norm == "layer"
    torch.manual_seed(0)
    theirs = torchaudio.models.wav2vec2_model(
        extractor_mode=f"{norm}_norm",
        extractor_conv_layer_config=[(32, 10, 5), *[(32, 3, 2)] * 4, *[(32, 2, 2)] * 2],
        extractor_conv_bias=is_layer_norm,
        encoder_embed_dim=64,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=2,
        encoder_num_heads=1,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=48,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=is_layer_norm,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    ).eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    with torch.no_grad():
        expected, _ = theirs(speech_like(12, batch=2))
    torch.testing.assert_close(heard_by(load_wav2vec(tmp_path / "theirs.pt")), expected, atol=1e-5, rtol=1e-5)


def test_a_voice_is_built_from_two_checkpoints(tmp_path: Path) -> None:
    talk, emotion = tmp_path / "talk", tmp_path / "emotion"
    for folder in (talk, emotion):
        folder.mkdir()
    words, feelings = tiny_network(seed=1), tiny_network(seed=2)
    save_folder(words, talk)
    voice = build_seed_voice(talk, classifier_folder(feelings, emotion), torch.ones(MOTION_SIZE)).eval()
    for branch, network in ((voice.talk, words), (voice.laugh, feelings)):
        name = "encoder.layers.1.attention.q_proj.weight"
        assert torch.equal(branch.encoder.network.state_dict()[name], network.state_dict()[name])
    assert voice.talk.scores == ("speech", "error")
    assert voice.laugh.scores == ("laughter", "valence", "arousal")
    assert voice(speech_like(5))["jaw"].shape == (1, 5, 3)


def test_what_was_learnt_is_loaded_over_a_new_branch(tmp_path: Path) -> None:
    """A trainer's own checkpoint, resumed: all that a branch is lies in its state dict."""
    save_folder(tiny_network(), tmp_path)
    first, second = (build_seed_branch(tmp_path, ("speech",), window_hops=16).eval() for _ in range(2))
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.01)
    second.load_state_dict(first.state_dict())
    none, signal = torch.zeros(1, dtype=torch.int64), speech_like(6)
    with torch.no_grad():
        assert torch.equal(
            first.listen(signal, none, first.initial_state())[0], second.listen(signal, none, second.initial_state())[0]
        )


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_pickle_is_not_run(is_zip: bool, tmp_path: Path) -> None:
    path, crater = tmp_path / "bomb.pt", tmp_path / "crater"
    tensors: dict[str, Any] = {**to_torchaudio(tiny_network()), "bomb": Bomb(crater)}
    if is_zip:
        torch.save(tensors, path)
    else:
        path.write_bytes(pickle.dumps(tensors["bomb"], protocol=2))
    with pytest.raises(CheckpointError, match="of which nothing was run"):
        load_wav2vec(path)
    assert not crater.exists()
    torch.load(path, weights_only=False) if is_zip else pickle.loads(path.read_bytes())
    assert crater.exists(), "the bomb is a dud"


def without(name: str) -> dict[str, Tensor]:
    tensors = to_torchaudio(tiny_network())
    del tensors[name]
    return tensors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no wav2vec 2.0"),
        (torch.zeros(3), "holds a Tensor; it must hold a state dict"),
        ({"w2v_encoder.w2v_model.layer_norm.weight": torch.zeros(3)}, "fairseq must be converted"),
        (without("encoder.transformer.layers.1.attention.k_proj.bias"), r"lacks encoder\.layers\.1\.attention\.k_proj"),
        (without("encoder.transformer.layer_norm.weight") | {"encoder.adapter.weight": torch.zeros(2)}, "1 unknown"),
        (
            to_torchaudio(tiny_network(intermediate_size=40)),
            r"is \(40,\), and must be \(48,\) by the config \(6 such\)",
        ),
        (b"not a checkpoint at all", "of which nothing was run|cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    save_config(tiny_network(), tmp_path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        load_wav2vec(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    whole = (save_folder(tiny_network(), tmp_path) / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_wav2vec(tmp_path)
    torch.save(tiny_network().state_dict(), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_wav2vec(tmp_path / "cut.pt")


def test_an_unusual_file_needs_its_config(tmp_path: Path) -> None:
    torch.save(to_torchaudio(tiny_network()), tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match="width 32, unlike any published"):
        load_wav2vec(tmp_path / "file.pt")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "of type None; it must be wav2vec2"),
        ('{"model_type": "wavlm"}', "of type wavlm; it must be wav2vec2"),
        ('{"model_type": "wav2vec2", "hidden_size": "large"}', "no network has the sizes"),
        ('{"model_type": "wav2vec2", "num_attention_heads": 5}', "no network has the sizes"),
    ],
)
def test_a_wrong_config_is_refused(config: str, message: str, tmp_path: Path) -> None:
    save_folder(tiny_network(), tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(CheckpointError, match=message):
        load_wav2vec(tmp_path)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must hold config\.json and model\.safetensors"):
        load_wav2vec(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_wav2vec(tmp_path / "nowhere")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CheckpointError, match=r"pip install 'avatar-driver\[wav2vec\]'"):
        load_wav2vec(save_folder(tiny_network(), tmp_path))


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    sharded_folder(tiny_network(), tmp_path)
    shards = json.loads((tmp_path / "model.safetensors.index.json").read_text())["weight_map"].values()
    (tmp_path / max(shards)).unlink()
    with pytest.raises(CheckpointError, match=f"names the shard {max(shards)}, which is not there"):
        load_wav2vec(tmp_path)


def test_another_frame_rate_is_refused(tmp_path: Path) -> None:
    save_folder(tiny_network(conv_stride=[5, 2, 2, 2, 2, 2, 1]), tmp_path)
    with pytest.raises(CheckpointError, match="they must step 320"):
        build_seed_branch(tmp_path, ("speech",))
