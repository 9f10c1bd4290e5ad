"""The voice's network: it streams, it hears no more future than it is allowed, and its knobs mean what they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.audio.encoder import LONGEST_LOOKAHEAD_HOPS
from models.audio.front_end import HOP_SAMPLES, LogMel
from models.audio.voice import GATE_FROM, GATE_TO, Voice, gate_of, lookahead_hops
from models.streaming import State, check_causal, check_streaming, run


@pytest.fixture(scope="module")
def voice() -> Voice:
    """An untrained voice whose decoders do move."""
    torch.manual_seed(0)
    voice = Voice(torch.linspace(0.1, 1.0, 53)).eval().requires_grad_(False)
    for branch in (voice.talk, voice.laugh):
        torch.nn.init.normal_(branch.decoder.to_motion.weight, std=0.1)
        torch.nn.init.normal_(branch.decoder.from_sound.weight, std=0.1)
    voice.laugh.to_scores.bias[0] = 2.0  # it laughs, so that the residual counts
    return voice


def sound(batch: int = 2, hops: int = 40, seed: int = 1) -> Tensor:
    return 0.1 * torch.randn(batch, hops * HOP_SAMPLES, generator=torch.Generator().manual_seed(seed))


def with_knob(voice: Voice, name: str, value: float, batch: int = 2) -> State:
    state = voice.initial_state(batch)
    return {**state, f"knob_{name}": torch.full_like(state[f"knob_{name}"], value)}


def test_a_stream_gives_what_the_whole_gives(voice: Voice) -> None:
    check_streaming(voice, sound(), tolerance=1e-5)


def test_no_output_hears_the_future(voice: Voice) -> None:
    check_causal(voice, sound())


@pytest.mark.parametrize("hops", [0, 2, 4, 8, 12])
def test_a_look_ahead_is_heard_to_its_last_hop_and_no_further(voice: Voice, hops: int) -> None:
    """A row about an instant changes with the sound up to `hops` after it, through the look-ahead's taps."""
    encoder = voice.talk.encoder
    state = {name: torch.zeros(1, *item.shape) for name, item in encoder.state_schema.items()}
    mel = torch.randn(1, 60, 128, generator=torch.Generator().manual_seed(2))
    lookahead = torch.tensor([hops])
    changed = mel.clone()
    changed[:, 30] += 1.0
    before, after = (encoder(one, lookahead, state)[0] for one in (mel, changed))
    moved = (before - after).abs().amax(dim=2)[0] > 1e-6
    first = int(torch.nonzero(moved)[0])
    # Row t tells of t - hops, so what comes at 30 may first be heard in row 30, of the instant 30 - hops.
    assert first == 30


def test_each_row_has_its_own_look_ahead(voice: Voice) -> None:
    signal = sound(1, 30).expand(2, -1).contiguous()
    state = voice.initial_state(2)
    state["knob_lookahead"] = torch.tensor([-4.0, 8.0])
    outputs, _ = voice(signal, state)
    alone = voice(signal[:1], with_knob(voice, "lookahead", 8.0, 1))[0]
    assert torch.allclose(outputs["expression"][1], alone["expression"][0], atol=1e-5)
    assert not torch.allclose(outputs["expression"][0], outputs["expression"][1], atol=1e-3)


def test_rows_are_independent_and_restart_by_zeroing(voice: Voice) -> None:
    _, state = voice(sound(2, 20), voice.initial_state(2))
    fresh = voice.initial_state(2)
    mixed = {name: torch.stack([state[name][0], fresh[name][1]]) for name in state}
    signal = sound(2, 10, seed=3)
    outputs, _ = voice(signal, mixed)
    continued, _ = voice(signal[:1], {name: tensor[:1] for name, tensor in state.items()})
    restarted, _ = voice(signal[1:], voice.initial_state(1))
    assert torch.allclose(outputs["jaw"][:1], continued["jaw"], atol=1e-5)
    assert torch.allclose(outputs["jaw"][1:], restarted["jaw"], atol=1e-5)


def test_without_laughter_the_output_is_the_talk_branch_to_the_last_bit(voice: Voice) -> None:
    signal = sound()
    outputs, _ = voice(signal, with_knob(voice, "laughter", -1.0))
    state = voice.initial_state(2)
    mel, _ = voice.front_end(signal, {"overlap": state["front_overlap"]})
    talk_state = {name.removeprefix("talk_"): tensor for name, tensor in state.items() if name.startswith("talk_")}
    nothing = torch.zeros(2, mel.shape[1], 53)
    talk, _, _ = voice.talk(mel, lookahead_hops(state["knob_lookahead"]), state["knob_style"], nothing, talk_state)
    whole = torch.cat([outputs["expression"], outputs["jaw"]], dim=2)
    assert torch.equal(whole, talk * voice.spread)
    laughing, _ = voice(signal, voice.initial_state(2))
    assert not torch.allclose(laughing["expression"], outputs["expression"], atol=1e-3)


def test_the_gate_is_exactly_shut_and_exactly_open() -> None:
    laughter = torch.tensor([0.0, GATE_FROM, 0.5, GATE_TO, 1.0])
    gate = gate_of(laughter)
    assert gate[0] == 0.0
    assert gate[1] == 0.0
    assert 0.4 < gate[2] < 0.6
    assert gate[4] == 1.0


def test_articulation_scales_and_nought_rests(voice: Voice) -> None:
    signal = sound()
    quiet = {**with_knob(voice, "articulation", -1.0), "knob_laughter": torch.full((2,), -1.0)}
    strong = {**with_knob(voice, "articulation", 0.5), "knob_laughter": torch.full((2,), -1.0)}
    plain = with_knob(voice, "laughter", -1.0)
    assert float(voice(signal, quiet)[0]["expression"].abs().max()) == 0.0
    assert torch.allclose(voice(signal, strong)[0]["jaw"], 1.5 * voice(signal, plain)[0]["jaw"], atol=1e-6)


def test_smoothing_is_the_same_in_any_chunks_and_calms(voice: Voice) -> None:
    signal = sound()
    smooth, _ = run(voice, signal.split(7 * HOP_SAMPLES, dim=1), with_knob(voice, "smoothing", 0.1))
    whole, _ = voice(signal, with_knob(voice, "smoothing", 0.1))
    rough, _ = voice(signal, voice.initial_state(2))
    assert torch.allclose(smooth["jaw"], whole["jaw"], atol=1e-5)
    assert float(smooth["jaw"].diff(dim=1).abs().mean()) < 0.5 * float(rough["jaw"].diff(dim=1).abs().mean())


def test_style_and_look_ahead_are_kept_in_the_state(voice: Voice) -> None:
    state = voice.initial_state(2)
    state["knob_style"] = torch.randn(2, 8)
    state["knob_lookahead"] = torch.tensor([1.0, 2.0])
    outputs, after = voice(sound(), state)
    assert torch.equal(after["knob_style"], state["knob_style"])
    assert torch.equal(after["knob_lookahead"], state["knob_lookahead"])
    assert list(after) == list(voice.state_schema)
    assert not torch.allclose(outputs["jaw"], voice(sound(), voice.initial_state(2))[0]["jaw"], atol=1e-4)


def test_look_ahead_is_held_within_what_was_trained() -> None:
    hops = lookahead_hops(torch.tensor([-9.0, -4.0, 0.0, 0.4, 8.0, 99.0]))
    assert hops.tolist() == [0, 0, 4, 4, 12, LONGEST_LOOKAHEAD_HOPS]


def test_a_voice_refuses_a_spread_of_nothing() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Voice(torch.zeros(53))


def test_the_front_end_measures_a_sine_in_its_band_and_silence_at_the_floor() -> None:
    front_end = LogMel()
    state = {"overlap": torch.zeros(1, 320)}
    time_s = torch.arange(16_000) / 16_000
    tone = torch.sin(2 * torch.pi * 1000 * time_s)[None]
    mel, _ = front_end(tone, state)
    silence, _ = front_end(torch.zeros(1, 6400), state)
    edges_hz = 700 * (10 ** (torch.linspace(0, 1, 66) * torch.log10(torch.tensor((700 + 7800) / (700 + 60)))) *
                      (700 + 60) / 700 - 1)  # fmt: skip
    loudest = int(mel[0, -1, :64].argmax())
    assert edges_hz[loudest] < 1000 < edges_hz[loudest + 2]
    # 0.25e6 times the share of the Hann window's power that falls on the triangle's flanks.
    assert float(mel[0, -1, loudest]) == pytest.approx(float(torch.log10(torch.tensor(0.25e6))) / 3, abs=0.1)
    assert torch.allclose(silence, torch.full_like(silence, -1.0))
