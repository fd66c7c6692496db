"""The reward model of a run, made here or by somebody else."""

from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, PreTrainedModel

from pure_repro.config import PretrainedPrm
from pure_repro.models.compiled import compile_layers
from pure_repro.models.context import Context
from pure_repro.models.load import load_model
from pure_repro.models.offload import resting
from pure_repro.prm.score import newline_id
from pure_repro.prm.scorer import Scorer, TokenScorer, load_scorer


def open_scorer(folder: Path, context: Context) -> Scorer:
    """Ready to score, where it waits for its phase; rollouts are packed like the policy's."""
    train, plan = context.config.train, context.config.prm
    packed_tokens = train.tokens_per_microbatch if train.packing else None
    if isinstance(plan, PretrainedPrm):
        scorer = load_scorer(folder, plan, context.tokenizer, packed_tokens)
    else:
        scorer = TokenScorer(load_prm(folder), newline_id(context.tokenizer), packed_tokens)
    if train.compile:
        compile_layers(scorer.model)
    if train.packing and train.attention == "varlen":  # packed like the policy's rows, and read like them
        scorer.model.set_attn_implementation(train.attention)
    resting(scorer.model, train.offload)
    return scorer


def online_scorer(model: PreTrainedModel, context: Context) -> Scorer:
    """One that learns beside the policy: always by its weights as they are now."""
    train = context.config.train
    packed_tokens = train.tokens_per_microbatch if train.packing else None
    return TokenScorer(model, newline_id(context.tokenizer), packed_tokens)


def load_prm(folder: Path) -> PreTrainedModel:
    """A reward model from its folder, safetensors only."""
    prm = load_model(AutoModelForTokenClassification, folder, dtype=torch.float32, attn_implementation="eager")
    return prm.eval()
