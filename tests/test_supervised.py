"""A supervised fit that is interrupted goes on where its state was written, to the weights of the unbroken one."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForTokenClassification

from pure_repro.config import Fit
from pure_repro.models import supervised
from pure_repro.models.checkpoint import FITS, BrokenState
from pure_repro.models.supervised import fit

PAD = {"input_ids": 0, "attention_mask": 0, "labels": supervised.IGNORE}
PLAN = Fit(learning_rate=1e-2, batch_size=4, epochs=2, warmup_steps=3, weight_decay=0.01, beta2=0.95, max_grad_norm=1.0)
STEPS = 14  # two passes of 26 examples


class Stopped(Exception):
    """A kill, as far as one process can tell."""


def model() -> Qwen2ForTokenClassification:
    """Small, and with dropout: its noise must go on, too."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return Qwen2ForTokenClassification(Qwen2Config(vocab_size=32, num_key_value_heads=2, num_labels=2, **sizes))


def fitted(out: Path, stop: int | None = None) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses and the weights; ``stop``: it breaks off in that step."""
    draw, learner, steps = torch.Generator().manual_seed(1), model(), 0
    rows = [
        torch.randint(1, 32, (int(n),), generator=draw).tolist() for n in torch.randint(3, 9, (26,), generator=draw)
    ]
    examples = [
        {"input_ids": row, "attention_mask": [1] * len(row), "labels": [token % 2 for token in row]} for row in rows
    ]
    torch.manual_seed(5)

    def loss(batch: supervised.Minibatch) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == stop:
            raise Stopped
        value: torch.Tensor = learner(**batch, use_cache=False).loss
        return value

    losses = fit(learner, examples, PAD, loss, PLAN, out, seed=3, label="a fit")
    return losses, {name: value.clone() for name, value in learner.state_dict().items()}


@pytest.mark.parametrize("stop", [2, 7, STEPS])
def test_a_broken_off_fit_goes_on_to_the_same_weights(stop, tmp_path, monkeypatch, float32):
    monkeypatch.setattr(supervised, "KEPT_EVERY", 3)
    losses, weights = fitted(tmp_path / "unbroken")
    assert len(losses) == STEPS and losses[-1] < losses[0]
    with pytest.raises(Stopped):
        fitted(tmp_path / "broken", stop)
    again, others = fitted(tmp_path / "broken", stop=STEPS if stop > 3 else None)  # it has fewer steps left than that
    assert again == losses
    assert all(torch.equal(value, weights[name]) for name, value in others.items())
    once_more, _ = fitted(tmp_path / "broken", stop=1)
    assert once_more == losses, "one that has ended takes no step"


def test_a_state_that_is_not_as_it_was_written_is_refused(tmp_path, float32):
    fitted(tmp_path)
    state = tmp_path / FITS / "a_fit" / "state.pt"
    state.write_bytes(state.read_bytes()[:-200])
    with pytest.raises(BrokenState, match=r"state\.pt is not as it was written"):
        fitted(tmp_path)
