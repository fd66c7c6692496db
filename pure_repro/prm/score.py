r"""Step scores of a token-classification reward model.

The model reads the policy's own prompt and response, with the last token of every step (separator or EOS) replaced by
one newline token, and is read out there (both releases of PURE). One token replaces one token, so positions stay
aligned; a merged separator such as ``.\n\n`` loses its punctuation.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.models.batches import microbatches
from pure_repro.models.precision import autocast
from pure_repro.types import Rollouts, Steps


def newline_id(tokenizer: PreTrainedTokenizerBase) -> int:
    r"""The id of the single token ``\n``.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> tokenizer = world_tokenizer(modulus=23)
    >>> tokenizer.decode([newline_id(tokenizer)])
    '\n'
    """
    ids = tokenizer.encode("\n", add_special_tokens=False)
    if len(ids) != 1:
        raise ValueError(f"the tokenizer writes a newline as {len(ids)} tokens; step scores need one")
    return ids[0]


def mark_step_ends(tokens: Int[Tensor, "batch token"], steps: Steps, newline: int) -> Int[Tensor, "batch token"]:
    """The response as the reward model reads it: the last token of every step is a newline.

    >>> steps = Steps(end=torch.tensor([[1, 3]]), mask=torch.tensor([[True, True]]))
    >>> mark_step_ends(torch.tensor([[5, 9, 6, 1]]), steps, newline=8).tolist()
    [[5, 8, 6, 8]]
    """
    rows = torch.arange(len(tokens))[:, None].expand_as(steps.end)
    marked = tokens.clone()
    marked[rows[steps.mask], steps.end[steps.mask]] = newline
    return marked


@torch.no_grad()
def step_scores(
    prm: PreTrainedModel,
    rollouts: Rollouts,
    steps: Steps,
    newline: int,
    rows_per_batch: int = 64,
    packed_tokens: int | None = None,
) -> Float[Tensor, "batch step"]:
    """``r = P(right) − P(wrong) ∈ [−1, 1]`` at the end of every step; 0 where no step is (PURE §3.1, class 1 is right).

    Rows are sorted by length before they are cut into batches, which moves no score and saves padding. With
    ``packed_tokens`` there is none: rows of so many tokens in all go through the model one after the other as a single
    row, each with positions of its own, by which the model keeps them apart.
    """
    tokens = torch.cat([rollouts.prompt, mark_step_ends(rollouts.tokens, steps, newline)], dim=1)
    mask = torch.cat([rollouts.prompt_mask, rollouts.mask], dim=1)
    ends = steps.end + rollouts.prompt.shape[1]
    scores = torch.zeros(steps.mask.shape)
    if packed_tokens is None:
        batches = iter(rollouts.mask.sum(dim=1).argsort().split(rows_per_batch))
    else:
        batches = microbatches(mask.sum(dim=1), packed_tokens, packing=True)
    for rows in batches:
        width = rollouts.prompt.shape[1] + int(rollouts.mask[rows].sum(dim=1).max())
        verdicts = logits_of(prm, tokens[rows, :width], mask[rows, :width], packing=packed_tokens is not None)
        at_ends = verdicts.gather(1, ends[rows].clamp(max=width - 1)[..., None].expand(-1, -1, 2))
        wrong, right = at_ends.softmax(dim=-1).unbind(dim=-1)
        scores[rows] = (right - wrong).where(steps.mask[rows], torch.zeros(()))
    return scores


def logits_of(
    prm: PreTrainedModel, ids: Int[Tensor, "row slot"], mask: Bool[Tensor, "row slot"], *, packing: bool
) -> Float[Tensor, "row slot class"]:
    """What a reward model says at every slot, in main memory; with ``packing`` 0 where masked."""
    position = (mask.cumsum(dim=1) - 1).clamp(min=0)
    attention = None if packing else mask.to(prm.device)
    if packing:
        ids, position = ids[mask][None], position[mask][None]
    with autocast():
        made = prm(
            input_ids=ids.to(prm.device),
            attention_mask=attention,
            position_ids=position.to(prm.device),
            use_cache=False,
        ).logits
    made = made.float().cpu()
    return made if not packing else made.new_zeros(*mask.shape, made.shape[-1]).masked_scatter(mask[..., None], made)
