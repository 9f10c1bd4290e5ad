"""The seed's encoder and voice on tiny random networks: frames and hops, windows, what is frozen, silence, the sum."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="needs the extra [wav2vec]")

from support.wav2vec import speech_like, tiny_network  # noqa: E402
from torch import Tensor  # noqa: E402

from models.audio.decoder import MOTION_SIZE, STYLE_SIZE  # noqa: E402
from models.audio.seed_voice import SeedBranch, SeedVoice  # noqa: E402
from models.audio.wav2vec import GAIN, Wav2VecEncoder  # noqa: E402
from models.layers import state_of  # noqa: E402
from models.streaming import State, random_chunks  # noqa: E402

WINDOW_HOPS = 16


def encoder_of(norm: str = "group", window_hops: int | None = None, seed: int = 0) -> Wav2VecEncoder:
    torch.manual_seed(seed)
    return Wav2VecEncoder(tiny_network(norm, seed), window_hops).eval()


def silence_before(encoder: Wav2VecEncoder, batch: int) -> State:
    return {name: torch.zeros(batch, *tensor.shape) for name, tensor in encoder.state_schema.items()}


def hear(encoder: Wav2VecEncoder, signal: Tensor, lookahead: int | list[int] = 0) -> Tensor:
    rows = torch.tensor([lookahead] * len(signal) if isinstance(lookahead, int) else lookahead)
    with torch.no_grad():
        return encoder(signal, rows, silence_before(encoder, len(signal)))[0]


def voice_of(window_hops: int | None = None) -> SeedVoice:
    talk = SeedBranch(encoder_of(window_hops=window_hops), ("speech", "error"))
    laugh = SeedBranch(encoder_of(window_hops=window_hops, seed=1), ("laughter",))
    stir(talk, seed=2)
    return SeedVoice(talk, laugh, torch.full((MOTION_SIZE,), 0.5)).eval()


def stir(branch: SeedBranch, seed: int) -> None:
    """Give a new branch a motion."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (branch.decoder.to_motion, branch.decoder.from_sound):
            layer.weight.normal_(std=0.3, generator=generator)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("hops", [1, 2, 37])
@pytest.mark.parametrize("window_hops", [None, WINDOW_HOPS])
def test_as_many_features_as_hops(norm: str, hops: int, window_hops: int | None) -> None:
    assert hear(encoder_of(norm, window_hops), speech_like(hops, batch=2)).shape == (2, hops, 256)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_loud_clip_is_heard_as_the_published_network_hears_it(norm: str) -> None:
    """Same frames as the library's own forward pass over the gained sound with 80 samples before it."""
    network, signal = tiny_network(norm), speech_like(20)
    with torch.no_grad():
        expected = network(GAIN * torch.nn.functional.pad(signal, (80, 0))).last_hidden_state
    encoder = Wav2VecEncoder(network).eval()
    torch.testing.assert_close(hear(encoder, signal), encoder.project(expected).detach(), atol=1e-5, rtol=1e-5)


def test_the_frame_of_a_hop_ends_where_the_hop_ends() -> None:
    # Of the layer-norm network the convolutions alone are local in time.
    encoder, signal = encoder_of("layer"), speech_like(10)
    frames = encoder.network.feature_extractor
    before = frames(torch.nn.functional.pad(signal, (encoder.lead_samples, 0)))
    for sample, first, last in ((4 * 320, 4, 4), (5 * 320 - 1, 4, 5), (5 * 320 - 80, 4, 5), (5 * 320 - 81, 4, 4)):
        changed = signal.clone()
        changed[0, sample] += 0.5
        after = frames(torch.nn.functional.pad(changed, (encoder.lead_samples, 0)))
        moved = (after != before).any(dim=1)[0].nonzero().flatten().tolist()
        assert moved == list(range(first, last + 1)), f"sample {sample}"


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("lookahead", [0, 4, 12])
def test_a_window_makes_chunks_of_any_length_equal(norm: str, lookahead: int) -> None:
    encoder, signal = encoder_of(norm, WINDOW_HOPS), speech_like(45, batch=2)
    rows = torch.tensor([lookahead, 2])
    whole = hear(encoder, signal, [lookahead, 2])
    state, heard = silence_before(encoder, 2), []
    with torch.no_grad():
        for chunk in random_chunks(signal, 320, torch.Generator().manual_seed(lookahead)):
            sound, state = encoder(chunk, rows, state)
            heard.append(sound)
    torch.testing.assert_close(torch.cat(heard, dim=1), whole, atol=1e-5, rtol=1e-5)
    assert encoder.is_streaming


def test_a_window_has_an_end_and_a_constant_past() -> None:
    encoder, signal = encoder_of(window_hops=WINDOW_HOPS), speech_like(60)
    changed = signal.clone()
    changed[:, 30 * 320 : 31 * 320] = speech_like(1, seed=9)
    moved = (hear(encoder, changed, 3) - hear(encoder, signal, 3)).abs().amax(dim=2)[0] > 1e-6
    # Nothing before it is heard; it is gone when its last 80 samples have left the window.
    assert moved.nonzero().flatten().tolist() == list(range(30, 30 + WINDOW_HOPS + 1))


@pytest.mark.parametrize("lookahead", [0, 5])
def test_a_windowed_feature_is_the_windows_own_frame(lookahead: int) -> None:
    """That of the instant `lookahead` hops before the window's end, as the same network hears the window whole."""
    windowed, whole, signal = encoder_of(window_hops=WINDOW_HOPS), encoder_of(), speech_like(40)
    # The 80 samples before a window differ: silence before the whole clip, sound before the window.
    signal[:, 20 * 320 - 80 : 20 * 320] = 0.0
    window = signal[:, 20 * 320 : (20 + WINDOW_HOPS) * 320]
    end = 20 + WINDOW_HOPS - 1
    expected = hear(whole, window)[:, WINDOW_HOPS - 1 - lookahead]
    torch.testing.assert_close(hear(windowed, signal, lookahead)[:, end], expected, atol=1e-5, rtol=1e-5)


def test_heard_whole_a_lookahead_only_shifts() -> None:
    encoder, signal = encoder_of(), speech_like(30, batch=2)
    here, ago = hear(encoder, signal), hear(encoder, signal, [5, 0])
    assert torch.equal(ago[0, 5:], here[0, :-5])
    assert torch.equal(ago[0, :5], here[0, :1].expand(5, -1))
    assert torch.equal(ago[1], here[1])
    assert encoder.state_schema == {}
    assert not encoder.is_streaming


def test_dithered_silence_is_heard_as_silence() -> None:
    """-100 dBFS of noise is near digital silence and far from the same noise at speech's level."""
    encoder = encoder_of()
    noise = torch.randn(1, 320 * 40, generator=torch.Generator().manual_seed(3))
    nothing, quiet, loud = (hear(encoder, noise * level) for level in (0.0, 1e-5, 0.1))
    # 0.07 when written; 0.46 with the network's own norm.
    assert (quiet - nothing).abs().mean() < 0.15 * (loud - nothing).abs().mean()


@pytest.mark.parametrize(("level", "expected"), [(0.1, 1.0), (1e-2, 1.0), (1e-4, 0.1), (1e-5, 0.01)])
def test_the_first_norm_lifts_nothing_below_its_floor(level: float, expected: float) -> None:
    first = encoder_of().network.feature_extractor.conv_layers[0]
    torch.nn.init.ones_(first.layer_norm.weight)
    torch.nn.init.zeros_(first.layer_norm.bias)
    first.activation = torch.nn.Identity()
    noise = torch.randn(1, 1, 320 * 200, generator=torch.Generator().manual_seed(3))
    # The norm's own epsilon keeps it a little below where the filters are weak.
    assert float(first(GAIN * level * noise).std().detach()) == pytest.approx(expected, rel=0.05)


def test_the_gain_is_fixed() -> None:
    """The same sound after a loud one and alone: per-clip normalisation would tell them apart."""
    encoder, signal = encoder_of("layer", WINDOW_HOPS), speech_like(WINDOW_HOPS + 10)
    after_loud = torch.cat([8.0 * speech_like(20, seed=5), signal], dim=1)
    torch.testing.assert_close(hear(encoder, after_loud)[:, -10:], hear(encoder, signal)[:, -10:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window_hops", [None, WINDOW_HOPS])
def test_mixed_precision_hears_about_the_same(window_hops: int | None) -> None:
    encoder, signal = encoder_of(window_hops=window_hops), speech_like(20)
    exact = hear(encoder, signal, 2)
    with torch.autocast("cpu", torch.bfloat16):
        rough = hear(encoder, signal, 2)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_only_the_transformer_learns() -> None:
    branch = SeedBranch(encoder_of(), ("speech",))
    branch.train()
    before = {name: tensor.clone() for name, tensor in branch.state_dict().items()}
    # An optimiser that decays weights, given every parameter: what is frozen must not even shrink.
    optimizer = torch.optim.AdamW(branch.parameters(), lr=1e-2, weight_decay=0.5)
    sound, scores, _ = branch.listen(speech_like(20), torch.zeros(1, dtype=torch.int64), branch.initial_state())
    (sound.square().mean() + scores["speech"].mean()).backward()
    optimizer.step()
    changed = {name for name, tensor in branch.state_dict().items() if not torch.equal(tensor, before[name])}
    frozen = {name for name in before if ".feature_extractor." in name}
    assert len(frozen) == 9
    assert not changed & frozen
    learning = {name for name in before if ".network.encoder." in name or ".feature_projection." in name}
    # A key's bias adds the same to every score of a query, and softmax takes it out again: its gradient is rounding.
    assert {name for name in learning - changed if not name.endswith("k_proj.bias")} == set()
    assert not branch.encoder.network.feature_extractor.training
    assert not any(parameter.requires_grad for parameter in branch.encoder.network.feature_extractor.parameters())
    assert branch.encoder.network.encoder.training


def test_a_new_laugh_branch_adds_nothing() -> None:
    voice, signal = voice_of(), speech_like(25, batch=2)
    with torch.no_grad():
        motion = voice(signal)
        state = voice.talk.initial_state(2)
        nothing = torch.zeros(2, 25, MOTION_SIZE)
        talk, _, _ = voice.talk(signal, torch.zeros(2, dtype=torch.int64), torch.zeros(2, STYLE_SIZE), nothing, state)
    assert motion["expression"].shape == (2, 25, 50)
    assert motion["jaw"].shape == (2, 25, 3)
    both = torch.cat([motion["expression"], motion["jaw"]], dim=2)
    assert torch.equal(both, talk * 0.5)
    assert both.abs().max() > 0.1


def test_the_residual_is_added_without_a_gate() -> None:
    voice, signal = voice_of(), speech_like(25)
    with torch.no_grad():
        talk = voice(signal)["expression"]
        voice.laugh.decoder.to_motion.bias.fill_(0.4)
        both = voice(signal)["expression"]
    torch.testing.assert_close(both - talk, torch.full_like(talk, 0.2), atol=1e-5, rtol=0)


def test_a_frozen_talk_branch_is_untouched_by_the_laugh_branch_learning() -> None:
    voice = voice_of()
    voice.train()
    voice.freeze_talk()
    assert not any(module.training for module in voice.talk.modules())
    voice.train()
    before = copy.deepcopy(voice.state_dict())
    optimizer = torch.optim.AdamW(voice.parameters(), lr=1e-2, weight_decay=0.5)
    motion = voice(speech_like(12))
    (motion["expression"] - 1.0).square().mean().backward()
    optimizer.step()
    after = voice.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("talk."))
    assert any(not torch.equal(after[name], before[name]) for name in before if name.startswith("laugh."))
    assert not any(module.training for module in voice.talk.modules())


@pytest.mark.parametrize("lookahead_hops", [0, 6])
def test_rows_of_a_windowed_voice_are_at_their_own_instant(lookahead_hops: int) -> None:
    """A change of the sound is seen from `lookahead_hops` before it on, and never earlier."""
    voice, signal = voice_of(WINDOW_HOPS), speech_like(40)
    changed = signal.clone()
    changed[:, 20 * 320 :] = speech_like(20, seed=8)
    with torch.no_grad():
        before = voice(signal, lookahead_hops=lookahead_hops)["jaw"]
        after = voice(changed, lookahead_hops=lookahead_hops)["jaw"]
    moved = (after - before).abs().amax(dim=2)[0] > 1e-6
    assert before.shape == (1, 40, 3)
    assert int(moved.nonzero()[0]) == 20 - lookahead_hops


def test_listening_and_then_teaching_is_what_running_does() -> None:
    branch = SeedBranch(encoder_of(), ("speech",)).eval()
    stir(branch, 4)
    signal, none = speech_like(15), torch.zeros(1, dtype=torch.int64)
    style, beneath, state = torch.zeros(1, STYLE_SIZE), torch.zeros(1, 15, MOTION_SIZE), branch.initial_state()
    with torch.no_grad():
        motion, _, _ = branch(signal, none, style, beneath, state)
        sound, _, _ = branch.listen(signal, none, state)
        past = torch.nn.functional.pad(motion, (0, 0, 1, 0))[:, :-1]
        taught, _ = branch.decoder.teach(sound, past, style, beneath, state_of("decoder", state))
    torch.testing.assert_close(taught, motion, atol=1e-5, rtol=1e-5)
    assert branch.takes == "signal"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="step 160 samples; they must step 320"):
        Wav2VecEncoder(tiny_network(conv_stride=[5, 2, 2, 2, 2, 2, 1]))
    with pytest.raises(ValueError, match="window_hops is 12; it must be over 12"):
        encoder_of(window_hops=12)
    with pytest.raises(ValueError, match="330 samples; it must be a whole number of hops of 320"):
        hear(encoder_of(), torch.zeros(1, 330))
    with pytest.raises(ValueError, match=r"lookahead_hops is 13; it must be 0\.\.12"):
        voice_of()(speech_like(3), lookahead_hops=13)
    with pytest.raises(ValueError, match="must be 53 numbers above 0"):
        SeedVoice(voice_of().talk, voice_of().laugh, torch.zeros(MOTION_SIZE))
