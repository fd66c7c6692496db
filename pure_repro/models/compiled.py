"""``train.compile``: decoder layers by ``torch.compile``, which fuses what they do between matrix products."""

import os
import shutil

import torch
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from pure_repro.config import ConfigError
from pure_repro.models.ranks import device

VARIANTS = 8  # of a layer's code: with and without gradients or a cache, in each precision, for one row and for many


def compile_layers(model: PreTrainedModel) -> None:
    """Compile every decoder layer, in place, for any number of rows and tokens; nothing happens until it is called.

    Layers share one code where they read no key-value cache; there each has its own. The sums are those of the plain
    layers up to rounding.

    Raises ``ConfigError`` on a processor without a C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if device().type == "cpu" and shutil.which(compiler) is None:
        raise ConfigError(
            f"train.compile=true needs a C++ compiler, and there is no {compiler}: take train.compile=false"
        )
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VARIANTS * len(layers))
    for layer in layers:
        layer.compile(dynamic=True)
