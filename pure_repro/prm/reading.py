r"""How a reward model reads a solution: problem and steps in its pattern, a marker behind every step, a score there.

Markers are joined in one of two ways, and figures move with it. *token*: problem and every step are cut up by
themselves, and the marker's id stands between them, as PURE and TRL fit their models. *text*: the marker is written
behind the step and cut up with it, so that ``.`` and ``\n`` may become one token that no fit has seen. The change from
text to token moved a ProcessBench average from 56.1 to about 60 (QwenLM/ProcessBench, pull request 12).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import ConfigError, PretrainedPrm
from pure_repro.models.batches import microbatches
from pure_repro.models.finite import require_finite
from pure_repro.models.precision import autocast

MarkedTokens = tuple[Int[Tensor, " _"], Int[Tensor, " _"]]  # tokens, and which of them are read


def fill_pattern(question: str, steps: Sequence[str], plan: PretrainedPrm) -> tuple[str, list[str]]:
    r"""The problem, and every step with its marker, in the reward model's pattern.

    A step of a policy that holds a special marker would be scored twice, so that is taken out; a newline may stand
    inside a step.

    >>> plan = PretrainedPrm(name="math_shepherd_7b", path="folder", revision=None, dtype="float32", head="words",
    ...                      words=("-", "+"), reads="text", marker="ки", join="text", prompt="{question} ",
    ...                      step="Step {number}: {step} ки\n")
    >>> fill_pattern("1+1+1?", ["1+1=2.", "2+1=3 ки"], plan)
    ('1+1+1? ', ['Step 1: 1+1=2. ки\n', 'Step 2: 2+1=3  ки\n'])
    """
    if plan.reads == "text":
        question, steps = question.replace(plan.marker, ""), [step.replace(plan.marker, "") for step in steps]
    told = [
        plan.of_step.replace("{number}", str(number)).replace("{step}", step) for number, step in enumerate(steps, 1)
    ]
    return plan.prompt.replace("{question}", question), told


def marked(
    tokenizer: PreTrainedTokenizerBase, question: str, steps: Sequence[str], plan: PretrainedPrm
) -> MarkedTokens:
    r"""Tokens of a solution, and where its markers are among them.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> plan = PretrainedPrm(name="local", path="folder", revision=None, dtype="float32", head="linear", words=None,
    ...                      reads="tokens", marker="\n", join="token", prompt="{question}:", step=None)
    >>> tokenizer = world_tokenizer(modulus=23)
    >>> ids, at = marked(tokenizer, "5+9", ["5+9=14", "\\boxed{14}"], plan)
    >>> [tokenizer.decode(ids[: end + 1]) for end in at]
    ['5+9:5+9=14\n', '5+9:5+9=14\n\\boxed{14}\n']
    """
    prompt, told = fill_pattern(question, steps, plan)
    after = len(plan.of_step.partition(plan.marker)[2])  # characters behind the marker
    if plan.join == "text":
        text, ends = prompt, []
        for step in told:
            text += step
            ends.append(len(text) - after - 1)
        encoded = tokenizer(text, return_tensors="pt")
        return encoded["input_ids"][0], torch.tensor([encoded.char_to_token(end) for end in ends])
    marker, ids, at = single_token(tokenizer, plan.marker), list(tokenizer.encode(prompt)), []
    for step in told:
        before = step[: len(step) - after - len(plan.marker)]
        ids += [*tokenizer.encode(before, add_special_tokens=False), marker]
        at.append(len(ids) - 1)
        ids += tokenizer.encode(step[len(step) - after :], add_special_tokens=False) if after else []
    return torch.tensor(ids), torch.tensor(at)


@torch.no_grad()
def scores_at(
    model: PreTrainedModel, asked: Sequence[MarkedTokens], classes: Sequence[int], packed_tokens: int | None
) -> list[Float[Tensor, " _"]]:
    """``P(right) − P(wrong)`` of two classes of logits at every place that is read, for each of some texts.

    Texts stand one after the other as far as ``packed_tokens`` allows, kept apart by their positions; ``None``: each is
    read by itself. Raises ``NotFinite`` where a score is no number.
    """
    found: dict[int, Tensor] = {}
    lengths = torch.tensor([len(ids) for ids, _ in asked])
    for rows in microbatches(lengths, packed_tokens or 1, packing=True):
        ids = torch.cat([asked[row][0] for row in rows])
        position = torch.cat([torch.arange(len(asked[row][0])) for row in rows])
        starts = lengths[rows].cumsum(dim=0) - lengths[rows]
        at = torch.cat([asked[row][1] + start for row, start in zip(rows, starts, strict=True)])
        with autocast():
            logits = model(
                input_ids=ids[None].to(model.device), position_ids=position[None].to(model.device), use_cache=False
            ).logits[0, at.to(model.device)]
        wrong, right = logits[:, list(classes)].float().softmax(dim=-1).cpu().unbind(dim=-1)
        require_finite("the scores of the reward model", right - wrong)
        counts = [len(asked[row][1]) for row in rows]
        found |= dict(zip(rows.tolist(), (right - wrong).split(counts), strict=True))
    return [found[row] for row in range(len(asked))]


def classes_of(tokenizer: PreTrainedTokenizerBase, plan: PretrainedPrm) -> list[int]:
    """Which logits say wrong and right: the two of a head, or those of two words.

    Raises ``ConfigError`` for a word that is no token.
    """
    if plan.words is None:
        return [0, 1]
    ids = [tokenizer.encode(word, add_special_tokens=False) for word in plan.words]
    if not all(ids):
        raise ConfigError(f"prm.words={','.join(plan.words)}: one of them is no token of the reward model")
    return [one[-1] for one in ids]


def single_token(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """The id of a text that is one token.

    Raises ``ConfigError`` where it is several.
    """
    ids = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) != 1:
        raise ConfigError(f"prm.marker={text!r} is {len(ids)} tokens of the policy, and has to be one")
    return ids[0]
