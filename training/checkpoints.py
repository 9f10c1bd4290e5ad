"""wav2vec 2.0 from a file that the user has: Hugging Face's layout or torchaudio's, read here, never from the network.

In a recipe:

    [encoder]
    kind = "wav2vec2"                # the seed's encoder in place of the streaming one; needs the extra [wav2vec]
    checkpoint = "PATH"              # where the talk branch begins, e.g. a folder of wav2vec2-base-960h
    emotion_checkpoint = "PATH"      # where the laugh branch begins: a wav2vec 2.0 fine-tuned for emotion recognition

PATH is a folder with `config.json` and `model.safetensors` (whole or in shards) or `pytorch_model.bin`, as Hugging Face
saves it; or one file, `.safetensors`, `.pt`, `.pth` or `.bin`, with a state dict of torchaudio or of Hugging Face. A
file without a `config.json` beside it tells its sizes by its tensors, as far as all published networks have them alike.
Heads for words, letters or emotions are left out. Pickled files are read by torch's loader of bare tensors, which runs
no code.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models.audio.seed_voice import SeedBranch, SeedVoice
from models.audio.voice import LAUGH_SCORES, TALK_SCORES
from models.audio.wav2vec import Wav2VecEncoder
from training.recipe import RecipeError

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

# What of a config.json says how the network is built. The rest (masking, heads, code to run) is not ours.
CONFIG_FIELDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout",
    "activation_dropout",
    "attention_dropout",
    "feat_proj_dropout",
    "layer_norm_eps",
    "feat_extract_norm",
    "feat_extract_activation",
    "conv_dim",
    "conv_stride",
    "conv_kernel",
    "conv_bias",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "do_stable_layer_norm",
)
# All published networks have these convolutions, and attention heads of this size.
PUBLISHED_KERNELS, PUBLISHED_STRIDES = [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]
PUBLISHED_HEAD_SIZE = 64

_FIRST = "feature_extractor.conv_layers.0.conv.weight"
_FOLDER_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
# torchaudio's names -> Hugging Face's, then torch's older names of a normalised weight -> the newer.
_RENAMED_PREFIXES = (
    ("encoder.transformer.", "encoder."),
    ("encoder.feature_projection.", "feature_projection."),
)
_RENAMED_ENDINGS = (
    (".weight_g", ".parametrizations.weight.original0"),
    (".weight_v", ".parametrizations.weight.original1"),
)
# Used only to mask sound while the network itself is pre-trained; many files do without.
_NEEDLESS = {"masked_spec_embed"}
# What reading a damaged file may end in.
_READ_FAULTS = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError)


class CheckpointError(RecipeError):
    """A checkpoint that a recipe names is missing, damaged, refused or of another kind."""


def build_seed_voice(
    checkpoint: Path, emotion_checkpoint: Path, spread: Tensor, window_hops: int | None = None
) -> SeedVoice:
    """A new `SeedVoice`: the talk branch begins at `checkpoint`, the laugh branch at `emotion_checkpoint`."""
    talk = build_seed_branch(checkpoint, TALK_SCORES, window_hops)
    return SeedVoice(talk, build_seed_branch(emotion_checkpoint, LAUGH_SCORES, window_hops), spread)


def build_seed_branch(checkpoint: Path, scores: tuple[str, ...], window_hops: int | None = None) -> SeedBranch:
    """A new branch whose encoder begins at `checkpoint`; see `Wav2VecEncoder` for `window_hops`.

    Raises CheckpointError.
    """
    network = load_wav2vec(checkpoint)
    try:
        encoder = Wav2VecEncoder(network, window_hops)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
    return SeedBranch(encoder, scores)


def load_wav2vec(path: Path) -> Wav2Vec2Model:
    """The float32 network at `path`, in eval mode; see the module for what may be there. Raises CheckpointError."""
    try:
        from transformers import Wav2Vec2Config, Wav2Vec2Model
    except (ImportError, OSError) as error:
        # OSError: it imports torchaudio where that is installed, and torchaudio fails beside a torch of another build.
        raise CheckpointError(
            f"encoder.kind wav2vec2 needs the package transformers, which does not import ({_line(error)}): "
            "pip install 'avatar-driver[wav2vec]', and uninstall torchaudio if it is what fails"
        ) from error
    weights = _weights_file(path)
    tensors = to_hugging_face(read_tensors(weights), path)
    sizes = _sizes(weights.parent / "config.json") or sizes_of(tensors, path)
    try:
        # Layers left out at random would leave some without a gradient, which several GPUs cannot do.
        network = Wav2Vec2Model(Wav2Vec2Config(**sizes, layerdrop=0.0))
    except Exception as error:  # whatever transformers makes of numbers that cannot be
        raise CheckpointError(f"{path}: no network has the sizes of its config.json ({_line(error)})") from error
    _fill(network, tensors, path)
    return network.eval()


def to_hugging_face(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of the bare network under Hugging Face's names, whatever layout or head they came in.

    Raises CheckpointError where no wav2vec 2.0 is among them.
    """
    first = next((name for name in tensors if name.endswith(_FIRST)), None)
    if first is None:
        raise CheckpointError(
            f"{path} holds no wav2vec 2.0 (no tensor ...{_FIRST}); pass a checkpoint of Hugging Face's or torchaudio's "
            "layout (one of fairseq must be converted by either's own script)"
        )
    prefix = first.removesuffix(_FIRST)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith(prefix):
            continue
        name = name.removeprefix(prefix)
        for old, new in _RENAMED_PREFIXES:
            name = new + name.removeprefix(old) if name.startswith(old) else name
        for old, new in _RENAMED_ENDINGS:
            name = name.removesuffix(old) + new if name.endswith(old) else name
        found[name] = tensor
    return found


def sizes_of(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """The fields of a config.json, read off the tensors (Hugging Face's names).

    Strides, the count of heads and the place of the norms show in no shape: they are those of all published networks.
    Raises CheckpointError where this one is not like them.
    """

    def shape(name: str) -> tuple[int, ...]:
        if name not in tensors:
            raise CheckpointError(f"{path} lacks the tensor {name}: it is damaged, or no wav2vec 2.0")
        return tuple(tensors[name].shape)

    def count(pattern: str) -> int:
        return next(n for n in range(len(tensors) + 1) if pattern.format(n) not in tensors)

    convolutions = [
        shape(f"feature_extractor.conv_layers.{n}.conv.weight")
        for n in range(count("feature_extractor.conv_layers.{}.conv.weight"))
    ]
    kernels = [kernel for _, _, kernel in convolutions]
    hidden, _ = shape("feature_projection.projection.weight")
    if kernels != PUBLISHED_KERNELS or hidden % PUBLISHED_HEAD_SIZE:
        raise CheckpointError(
            f"{path} has kernels {kernels} and width {hidden}, unlike any published wav2vec 2.0; put its config.json "
            "(Hugging Face's) beside it"
        )
    _, group_width, reach = shape("encoder.pos_conv_embed.conv.parametrizations.weight.original1")
    is_layer_norm = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    return {
        "hidden_size": hidden,
        "num_hidden_layers": count("encoder.layers.{}.attention.q_proj.weight"),
        "num_attention_heads": hidden // PUBLISHED_HEAD_SIZE,
        "intermediate_size": shape("encoder.layers.0.feed_forward.intermediate_dense.weight")[0],
        "feat_extract_norm": "layer" if is_layer_norm else "group",
        "do_stable_layer_norm": is_layer_norm,
        "conv_dim": [outputs for outputs, _, _ in convolutions],
        "conv_kernel": kernels,
        "conv_stride": PUBLISHED_STRIDES,
        "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in tensors,
        "num_conv_pos_embeddings": reach,
        "num_conv_pos_embedding_groups": hidden // group_width,
    }


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(
            f"there is no checkpoint at {path}; the recipe must name a folder or a file on this machine"
        )
    found = next((path / name for name in _FOLDER_FILES if (path / name).is_file()), None)
    if found is None or not (path / "config.json").is_file():
        raise CheckpointError(
            f"the folder {path} is no Hugging Face checkpoint; it must hold config.json and model.safetensors or "
            "pytorch_model.bin"
        )
    return found


def _sizes(config: Path) -> dict[str, Any] | None:
    """The fields of a config.json that build the network; None where there is none."""
    if not config.is_file():
        return None
    try:
        fields = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{config} is not JSON ({_line(error)}); fetch it again") from error
    kind = fields.get("model_type") if isinstance(fields, dict) else None
    if kind != "wav2vec2":
        raise CheckpointError(f"{config} describes a model of type {kind}; it must be wav2vec2")
    return {name: fields[name] for name in CONFIG_FIELDS if name in fields}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of one file (.safetensors, or a state dict that torch pickled), or of an index's shards, by name.

    Pickles are read by torch's loader of bare tensors, which runs no code. Raises CheckpointError.
    """
    if path.suffix == ".json":
        return _read_shards(path)
    from safetensors import SafetensorError  # comes with transformers
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is no file of bare tensors, or holds code, of which nothing was run; save its state dict as "
            "safetensors on a machine where you trust it"
        ) from error
    except (SafetensorError, *_READ_FAULTS) as error:
        raise CheckpointError(f"{path} cannot be read ({_line(error)}); fetch it again") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}; it must hold a state dict")
    return {name: tensor for name, tensor in loaded.items() if isinstance(name, str) and isinstance(tensor, Tensor)}


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        shards = [index.parent / Path(name).name for name in names]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of shards ({_line(error)}); fetch it again") from error
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        if not shard.is_file() or shard.suffix != ".safetensors":
            raise CheckpointError(f"{index} names the shard {shard.name}, which is not there; fetch it too")
        tensors |= read_tensors(shard)
    return tensors


def _fill(network: Wav2Vec2Model, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load `tensors`; every one that the network has must be there, in its shape, and none of its body be left over."""
    wanted = network.state_dict()
    missing = sorted(wanted.keys() - tensors.keys() - _NEEDLESS)
    body = ("feature_extractor.", "feature_projection.", "encoder.")
    unknown = sorted(name for name in tensors.keys() - wanted.keys() if name.startswith(body))
    misshapen = sorted(name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape)
    if misshapen:
        name = misshapen[0]
        raise CheckpointError(
            f"{path}: {name} is {tuple(tensors[name].shape)}, and must be {tuple(wanted[name].shape)} by the config "
            f"({len(misshapen)} such); the config.json belongs to another file"
        )
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has {unknown[0]}, which no wav2vec 2.0 has"
        raise CheckpointError(
            f"{path} {what} ({len(missing)} missing, {len(unknown)} unknown); it is damaged or of another architecture"
        )
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if name in wanted}, strict=False)


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
