"""``prm=generative``: a language model that is asked of every step whether it is right."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from pure_repro.config import ConfigError, GenerativePrm
from pure_repro.models.load import load_model, load_tokenizer
from pure_repro.models.ranks import placed
from pure_repro.prm.reading import scores_at
from pure_repro.rollout.hf import ROWS_AT_ONCE, SamplingPlan, generate
from pure_repro.rollout.text import texts
from pure_repro.types import Problem


class Generative:
    """A verdict for every step, by the probability of a word or by sampled critiques.

    ``counts``: steps ``asked``; critiques without a verdict (``malformed``), steps of which no critique has one
    (``unanswered``), and solutions that are longer than the model has positions (``too long``).
    """

    reason = ""

    def __init__(self, folder: Path, plan: GenerativePrm, packed_tokens: int) -> None:
        model = load_model(AutoModelForCausalLM, folder, dtype=getattr(torch, plan.dtype), attn_implementation="sdpa")
        self.model, self.plan, self.packed_tokens = placed(model.eval()), plan, packed_tokens
        self.tokenizer = load_tokenizer(folder)
        ids = [self.tokenizer.encode(word, add_special_tokens=False) for word in plan.words]
        if not all(ids):
            raise ConfigError(f"prm.words={','.join(plan.words)}: one of them is no token of {folder}")
        if ids[0][0] == ids[1][0]:
            raise ConfigError(f"prm.words={','.join(plan.words)} begin with the same token: take two that do not")
        self.classes = [one[0] for one in ids]
        self.counts: Counter[str] = Counter()

    def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float] | None]:
        """The scores of every solution."""
        prompts = [questions(question, steps, self.plan) for question, steps in asked]
        room = int(self.model.config.max_position_embeddings)
        room -= self.plan.critique.max_new_tokens if self.plan.critique else 0
        read = [[torch.tensor(self.tokenizer.encode(prompt)) for prompt in of_one] for of_one in prompts]
        fit = [i for i, of_one in enumerate(read) if max(map(len, of_one)) <= room]
        self.counts["too long"] += len(asked) - len(fit)
        flat = [(i, prompt, ids) for i in fit for prompt, ids in zip(prompts[i], read[i], strict=True)]
        self.counts["asked"] += len(flat)
        found: list[list[float] | None] = [None] * len(asked)
        for i in fit:
            found[i] = []
        scores = self.critiques([prompt for _, prompt, _ in flat]) if self.plan.critique else self.next_words(flat)
        for (i, _, _), score in zip(flat, scores, strict=True):
            one = found[i]
            found[i] = None if one is None or score is None else [*one, score]
        return found

    def next_words(self, flat: Sequence[tuple[int, str, torch.Tensor]]) -> list[float | None]:
        """``P(yes) − P(no)`` of the word that comes next, of these two."""
        ends = [(ids, torch.tensor([len(ids) - 1])) for _, _, ids in flat]
        return [one.item() for one in scores_at(self.model, ends, self.classes, self.packed_tokens)] if flat else []

    def critiques(self, prompts: Sequence[str]) -> list[float | None]:
        """The share of critiques that say yes less that of those that say no."""
        critique = self.plan.critique
        assert critique is not None
        plan = SamplingPlan(critique.samples, critique.temperature, 1.0, critique.max_new_tokens)
        at_once = max(ROWS_AT_ONCE // critique.samples, 1)
        said: list[str] = []
        for first in range(0, len(prompts), at_once):
            some = prompts[first : first + at_once]
            problems = [Problem(prompt, prompt, None) for prompt in some]
            said += texts(self.tokenizer, generate(self.model, self.tokenizer, problems, some, plan, seed=0, step=0))
        found: list[float | None] = []
        for row in range(len(prompts)):
            of_step = said[row * critique.samples : (row + 1) * critique.samples]
            score, malformed = critique_score(of_step, self.plan.words)
            self.counts["malformed"] += malformed
            self.counts["unanswered"] += score is None
            found.append(score)
        return found


def questions(question: str, steps: Sequence[str], plan: GenerativePrm) -> list[str]:
    r"""What is asked of each step: the problem, the steps up to it, and its number.

    >>> plan = GenerativePrm(name="generative", path="folder", revision=None, dtype="float32", words=("no", "yes"),
    ...                      prompt="{question}\n{steps}Is step {number} right?", step="{number}. {step}\n",
    ...                      critique=None)
    >>> questions("1+1?", ["1+1=2", "so 2"], plan)[1]
    '1+1?\n1. 1+1=2\n2. so 2\nIs step 2 right?'
    """
    told = [plan.step.replace("{number}", str(n)).replace("{step}", step) for n, step in enumerate(steps, 1)]
    return [
        plan.prompt.replace("{number}", str(n)).replace("{question}", question).replace("{steps}", "".join(told[:n]))
        for n in range(1, len(told) + 1)
    ]


def critique_score(critiques: Sequence[str], words: tuple[str, str]) -> tuple[float | None, int]:
    """The mean of what critiques of a step end in, yes 1 and no −1, and how many end in neither.

    The last of the two words that stands by itself counts, in any case.

    >>> critique_score(["It adds up. Yes", "NO.", "yes? No, 2+2=5", "I like it"], (" No", " Yes"))
    (-0.3333333333333333, 1)
    >>> critique_score(["Nobody knows"], (" No", " Yes"))
    (None, 1)
    """
    no, yes = (re.escape(word.strip().lower()) for word in words)
    ends = [re.findall(rf"\b(?:({no})|({yes}))\b", critique.lower()) for critique in critiques]
    said = [1 if one[-1][1] else -1 for one in ends if one]
    return (sum(said) / len(said) if said else None), len(critiques) - len(said)
