"""Who judges: whoever turns prompts into replies. These are kept, and counted where none came."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Judge
from pure_repro.judge.ask import Pairs, asked, parse_reply
from pure_repro.judge.subgoals import subgoal_rewards
from pure_repro.models.served import NoReply
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.text import texts
from pure_repro.types import Problem

Replies = Callable[[Sequence[str]], Sequence[str | NoReply]]


def in_process(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, judge: Judge) -> Replies:
    """A model here, through the sampler of the policy, greedily."""

    def replies(prompts: Sequence[str]) -> list[str]:
        """All prompts as one batch."""
        problems = [Problem(str(n), prompt, None) for n, prompt in enumerate(prompts)]
        plan = SamplingPlan(1, 0.0, 1.0, judge.max_new_tokens)
        return [*texts(tokenizer, generate(model, tokenizer, problems, prompts, plan, seed=0, step=0))]

    return replies


class JudgeSilent(Exception):
    """A judge that left more prompts without a reply than a run puts up with."""


@dataclass
class CachedJudge:
    """A judge that is asked nothing twice: replies lie in an SQLite file by the content of model and prompt.

    ``counts`` are of what happened since they were taken last: ``asked``, ``cached``, ``malformed`` and ``unanswered``.
    """

    judge: Judge
    identity: str
    replies: Replies
    cache: Path
    counts: Counter[str] = field(default_factory=Counter)
    reason: str = ""  # why the last reply that did not come did not

    def achieved(self, questions: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[Pairs]:
        """What each response achieves, of (question, subgoals, steps); nothing where no good reply came."""
        prompts = [asked(self.judge, *question) for question in questions]
        keys = [hashlib.sha256(json.dumps([self.identity, prompt]).encode()).hexdigest() for prompt in prompts]
        said = self.said(dict(zip(keys, prompts, strict=True)))
        found = []
        for key, (_, subgoals, steps) in zip(keys, questions, strict=True):
            reply = said.get(key)
            pairs = None if reply is None else parse_reply(reply, min(len(steps), self.judge.max_steps), len(subgoals))
            self.counts["unanswered"] += reply is None
            self.counts["malformed"] += reply is not None and pairs is None
            found.append(pairs or ())
        self.require_replies(sum(key not in said for key in keys), len(keys))
        return found

    def require_replies(self, missing: int, prompts: int) -> None:
        """Raises ``JudgeSilent`` where more than ``max_unanswered`` of a batch's prompts are without a reply."""
        if missing > self.judge.max_unanswered * prompts:
            raise JudgeSilent(
                f"the judge ({self.judge.who}, reward.judge.model={self.judge.model}) left {missing} of {prompts} "
                f"prompts without a reply ({self.reason}), and reward.judge.max_unanswered="
                f"{self.judge.max_unanswered:g} of them may be: see that it answers; the same command goes on from the "
                "last checkpoint"
            )

    def said(self, prompts: dict[str, str]) -> dict[str, str]:
        """Replies by key: those that are in the file, and those of the judge, which then are."""
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self.cache, timeout=60) as file:
            file.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT)")
            rows = (file.execute("SELECT key, reply FROM replies WHERE key = ?", (key,)).fetchone() for key in prompts)
            known = dict(row for row in rows if row)
            new = [key for key in prompts if key not in known]
            made = dict(zip(new, self.replies([prompts[key] for key in new]), strict=True)) if new else {}
            fresh = {key: reply for key, reply in made.items() if isinstance(reply, str)}
            self.reason = next((str(why) for why in made.values() if isinstance(why, NoReply)), self.reason)
            file.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", fresh.items())
        file.close()
        self.counts["asked"] += len(new)
        self.counts["cached"] += len(known)
        return known | fresh

    def rewards(
        self, questions: Sequence[tuple[str, Sequence[str], Sequence[str]]], width: int
    ) -> Float[Tensor, "batch step"]:
        """The subgoal rewards of every step of every response; ``width`` is the number of step slots."""
        most = max(len(subgoals) for _, subgoals, _ in questions)
        hit = torch.zeros(len(questions), width, max(most, 1), dtype=torch.bool)
        for row, pairs in enumerate(self.achieved(questions)):
            for step, goal in pairs:
                hit[row, step, goal] = True
        there = torch.tensor([len(steps) for _, _, steps in questions])
        goals = torch.tensor([len(subgoals) for _, subgoals, _ in questions])
        return subgoal_rewards(hit, torch.arange(width) < there[:, None], goals, beta=self.judge.beta)

    def take_counts(self) -> dict[str, float]:
        """What happened since the last time."""
        taken, self.counts = self.counts, Counter()
        return {f"judge/{name}": float(taken[name]) for name in ("asked", "cached", "malformed", "unanswered")}
