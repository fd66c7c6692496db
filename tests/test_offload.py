"""Models that do not learn leave the device between their phases; nothing else changes."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.models import ranks
from pure_repro.models.head import install_target_head
from pure_repro.models.offload import at_work, resting


def places(model: PreTrainedModel) -> set[str]:
    return {str(one.dtype) for one in [*model.parameters(), *model.buffers()]}


def test_a_model_visits_the_device_and_comes_back_as_it_was(policy, monkeypatch):
    """Half precision stands in for a GPU, to tell by the type who is where; a copy back would have lost digits."""
    install_target_head(policy)
    assert policy.lm_head.weight is policy.model.embed_tokens.weight, "tied weights are one"
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    monkeypatch.setattr(ranks, "device", lambda: torch.bfloat16)
    assert resting(policy, "cpu") is policy and places(policy) == {"torch.float32"}
    for _ in range(2):
        with at_work(policy, "cpu"):
            assert places(policy) == {"torch.bfloat16"}
            policy(input_ids=torch.zeros(1, 3, dtype=torch.long))
        assert places(policy) == {"torch.float32"}
    after: dict[str, Tensor] = policy.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    with at_work(policy, "none"):
        assert places(policy) == {"torch.float32"}, "it does not move where it may stay"
    assert places(resting(policy, "none")) == {"torch.bfloat16"}


def test_on_the_processor_nothing_moves(policy):
    weights = [one.data_ptr() for one in policy.parameters()]
    with at_work(resting(policy, "cpu"), "cpu"):
        assert [one.data_ptr() for one in policy.parameters()] == weights
