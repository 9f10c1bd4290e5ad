"""Figures and losses of emotions on signals whose figures are known."""

from __future__ import annotations

import pytest
import torch

from training.losses.emotion import (
    ccc,
    class_figures,
    drawn_shares,
    emotion_losses,
    mood_figures,
    mood_loss,
    pcc,
    rmse,
    sign_agreement,
)

SIGNAL = torch.tensor([-0.6, -0.1, 0.2, 0.7, 0.3])


def test_a_signal_agrees_with_itself_and_disagrees_with_its_opposite() -> None:
    assert float(ccc(SIGNAL, SIGNAL)) == pytest.approx(1.0)
    assert float(pcc(SIGNAL, SIGNAL)) == pytest.approx(1.0)
    assert float(rmse(SIGNAL, SIGNAL)) == 0.0
    assert float(sign_agreement(SIGNAL, SIGNAL)) == 1.0
    assert float(pcc(SIGNAL, -SIGNAL)) == pytest.approx(-1.0)
    assert float(sign_agreement(SIGNAL, -SIGNAL)) == 0.0


def test_a_shift_lowers_ccc_as_the_formula_says_and_leaves_pcc() -> None:
    variance, shift = float(SIGNAL.var(unbiased=False)), 0.4
    assert float(pcc(SIGNAL + shift, SIGNAL)) == pytest.approx(1.0, abs=1e-6)
    assert float(ccc(SIGNAL + shift, SIGNAL)) == pytest.approx(2 * variance / (2 * variance + shift**2), abs=1e-6)
    assert float(rmse(SIGNAL + shift, SIGNAL)) == pytest.approx(shift, abs=1e-6)


def test_a_gain_lowers_ccc_as_the_formula_says_and_leaves_pcc() -> None:
    centred, gain = SIGNAL - SIGNAL.mean(), 3.0
    assert float(pcc(gain * centred, centred)) == pytest.approx(1.0, abs=1e-6)
    assert float(ccc(gain * centred, centred)) == pytest.approx(2 * gain / (gain**2 + 1), abs=1e-6)


def test_a_signal_that_never_moves_has_no_correlation() -> None:
    assert float(pcc(torch.zeros(5), SIGNAL)) == 0.0
    assert float(ccc(torch.zeros(5), torch.zeros(5))) == 0.0


def test_what_is_not_known_counts_for_nothing() -> None:
    truth = SIGNAL.clone()
    truth[2] = torch.nan
    told = SIGNAL.clone()
    told[2] = 100.0
    assert mood_figures(told, truth, "valence")["valence_rmse"] == pytest.approx(0.0, abs=1e-7)
    assert mood_figures(told, torch.full_like(truth, torch.nan), "valence") == {}
    assert float(mood_loss(told, truth, torch.ones(3) / 3)) == pytest.approx(0.0, abs=1e-6)


def test_a_mood_that_nobody_knows_still_has_a_gradient_of_nothing() -> None:
    told = SIGNAL.clone().requires_grad_()
    mood_loss(told, torch.full((5,), torch.nan), torch.ones(3) / 3).backward()
    assert told.grad is not None
    assert told.grad.abs().max() == 0.0


def test_classes_are_counted_by_class() -> None:
    truth = torch.tensor([0, 0, 0, 1, 2])
    logits = torch.eye(8)[torch.tensor([0, 0, 0, 0, 2])]
    found = class_figures(logits, truth)
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["balanced"] == pytest.approx((1.0 + 0.0 + 1.0) / 3)
    assert found["f1"] == pytest.approx((6 / 7 + 0.0 + 1.0) / 3)


def test_the_drawn_shares_sum_to_one_and_change() -> None:
    torch.manual_seed(0)
    drawn = torch.stack([drawn_shares(SIGNAL) for _ in range(200)])
    assert torch.allclose(drawn.sum(dim=1), torch.ones(200))
    assert bool((drawn > 0).all())
    assert drawn.std(dim=0).min() > 0.1


def test_the_loss_is_least_where_everything_is_right() -> None:
    emotion = torch.eye(8)[:5]
    right = {"logits": 20.0 * emotion, "valence": SIGNAL, "arousal": -SIGNAL}
    wrong = {"logits": 20.0 * emotion.roll(1, 0), "valence": -SIGNAL, "arousal": -SIGNAL + 0.2}
    assert float(emotion_losses(right, emotion, SIGNAL, -SIGNAL)["total"]) == pytest.approx(0.0, abs=1e-5)
    losses = emotion_losses(wrong, emotion, SIGNAL, -SIGNAL)
    assert all(float(value) > 0.01 for value in losses.values())
