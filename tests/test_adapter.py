"""Low-rank adapters: as wide as the layer they are the layer; without them the model is what it started from."""

import copy
from pathlib import Path

import pytest
import torch
from families import FAMILIES, save_family
from hub_model import save_hub_model
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from pure_repro.config import Adapter, ConfigError
from pure_repro.launch.compose import composed
from pure_repro.models.adapter import adapted_layers, add_adapter, learning, merged_parameters, without_adapter
from pure_repro.models.checkpoint import Progress
from pure_repro.models.engine import open_engine
from pure_repro.models.load import load_tokenizer
from pure_repro.models.policy import save_policy
from pure_repro.models.ranks import ALONE

IDS = torch.tensor([[5, 9, 3, 14, 8, 2], [7, 7, 1, 4, 30, 6]])


@pytest.fixture
def model(tmp_path: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(save_hub_model(tmp_path)).eval()


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        made: Tensor = model(input_ids=IDS).logits
    return made


def moved(model: PreTrainedModel) -> None:
    """As after some updates: B is no longer 0."""
    torch.manual_seed(3)
    for weight in learning(model):
        weight.data += 0.1 * torch.randn_like(weight)


def test_an_adapter_as_wide_as_a_layer_learns_as_the_layer_does():
    """With A the identity, ∂B is the gradient of the whole matrix: a step of SGD on B is one on the weight itself."""
    torch.manual_seed(0)
    whole = torch.nn.Linear(6, 6, bias=False)
    net = torch.nn.Sequential(copy.deepcopy(whole))
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(r=6, lora_alpha=6, target_modules=["0"]), net)
    with torch.no_grad():
        net[0].lora_A["default"].weight.copy_(torch.eye(6))
    inputs, aims = torch.randn(5, 6), torch.randn(5, 6)
    for _ in range(3):
        for layer, parameter in ((whole, whole.weight), (net, net[0].lora_B["default"].weight)):
            loss = (layer(inputs) - aims).square().mean()
            [gradient] = torch.autograd.grad(loss, [parameter])
            parameter.data -= 0.5 * gradient
    [(_, merged)] = list(merged_parameters(net))
    torch.testing.assert_close(merged, whole.weight)
    assert (merged - net[0].base_layer.weight).abs().max() > 0.05, "nothing moved: nothing is tested"


def test_the_frozen_base_is_the_reference(model):
    before = logits(model)
    add_adapter(model, Adapter(rank=4, alpha=8), seed=0)
    torch.testing.assert_close(logits(model), before, msg="B starts at 0")
    names = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert names and all(".lora_" in name for name in names)
    assert len(adapted_layers(model)) == 2 * 7, "q, k, v, o and three of the MLP in each of two layers; not the head"
    moved(model)
    assert (logits(model) - before).abs().max() > 1e-3
    with without_adapter(model):
        assert torch.equal(logits(model), before), "no second copy is needed"
    assert (logits(model) - before).abs().max() > 1e-3


def test_merged_it_is_an_ordinary_folder(model, tmp_path):
    folder = save_hub_model(tmp_path / "base")
    add_adapter(model, Adapter(rank=4, alpha=8), seed=0)
    moved(model)
    save_policy(model, load_tokenizer(folder), tmp_path / "saved")
    stored = load_file(tmp_path / "saved" / "model.safetensors")
    assert not any("lora" in name or "base_layer" in name for name in stored)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(logits(again), logits(model), atol=1e-5, rtol=0)


def test_an_engine_moves_and_saves_the_adapter_alone(model, tmp_path):
    train = composed(["train.learning_rate=1e-2", "train.chunked_logprobs=true"]).train
    add_adapter(model, Adapter(rank=4, alpha=8), seed=0)
    start = {name: weight.clone() for name, weight in model.named_parameters()}
    engine = open_engine(model, train, ALONE)
    engine.backward(model(input_ids=IDS).logits.logsumexp(-1).mean())
    engine.step()
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, start[name])}
    assert moved and all(".lora_B" in name for name in moved)
    engine.save(tmp_path, Progress(step=1))
    assert (tmp_path / "state.pt").stat().st_size < 200_000, "the weights that stay are not in it"
    other = AutoModelForCausalLM.from_pretrained(save_hub_model(tmp_path / "again")).eval()
    add_adapter(other, Adapter(rank=4, alpha=8), seed=9)
    assert open_engine(other, train, ALONE).load(tmp_path).step == 1
    torch.testing.assert_close(logits(other), logits(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_one(family, tmp_path):
    folder = save_family(family, tmp_path)
    made = AutoModelForCausalLM.from_pretrained(folder).eval()
    before = logits(made)
    add_adapter(made, Adapter(rank=2, alpha=4), seed=0)
    with without_adapter(made):
        torch.testing.assert_close(logits(made), before)
    assert {name for name, _ in merged_parameters(made)} == {
        name for name, _ in AutoModelForCausalLM.from_pretrained(folder).named_parameters()
    }


def test_adapters_and_shards_do_not_go_together():
    words = ["model=local", "model.path=somewhere", "score=benchmarks", "model.adapter={rank: 4, alpha: 8}"]
    with pytest.raises(
        ConfigError, match=r"model\.adapter learns in one process, and train=deepspeed_zero2: take train="
    ):
        composed([*words, "train=deepspeed_zero2"])
