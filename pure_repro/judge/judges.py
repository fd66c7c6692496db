"""Who judges: a model behind an OpenAI-compatible endpoint, or one in this process. Both turn prompts into replies."""

import hashlib
import json
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Judge
from pure_repro.judge.ask import Pairs, asked, read
from pure_repro.judge.subgoals import subgoal_rewards
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.text import texts
from pure_repro.types import Problem

LARGEST_REPLY = 2**20  # bytes that are read of an endpoint's answer; what is longer is cut and so malformed
Replies = Callable[[Sequence[str]], list[str | None]]  # None: no reply came


def endpoint(judge: Judge) -> Replies:
    """A model behind ``url``, asked for one greedy reply to each prompt; whatever goes wrong is no reply."""

    def reply(prompt: str) -> str | None:
        """What the model says to one prompt."""
        body = {
            "model": judge.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": judge.max_new_tokens,
        }
        request = urllib.request.Request(
            f"{str(judge.url).rstrip('/')}/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=judge.timeout) as answer:
                said = json.loads(answer.read(LARGEST_REPLY))["choices"][0]["message"]["content"]
        except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError):
            return None
        return said if isinstance(said, str) else None

    def replies(prompts: Sequence[str]) -> list[str | None]:
        """All prompts, ``at_once`` of them at a time."""
        with ThreadPoolExecutor(judge.at_once) as pool:
            return [*pool.map(reply, prompts)]

    return replies


def in_process(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, judge: Judge) -> Replies:
    """A model here, through the sampler of the policy, greedily."""

    def replies(prompts: Sequence[str]) -> list[str | None]:
        """All prompts as one batch."""
        problems = [Problem(str(n), prompt, None) for n, prompt in enumerate(prompts)]
        plan = SamplingPlan(1, 0.0, 1.0, judge.max_new_tokens)
        return [*texts(tokenizer, generate(model, tokenizer, problems, prompts, plan, seed=0, step=0))]

    return replies


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

    def achieved(self, questions: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> list[Pairs]:
        """What each response achieves, of (question, subgoals, steps); nothing where no good reply came."""
        prompts = [asked(self.judge, *question) for question in questions]
        keys = [hashlib.sha256(json.dumps([self.identity, prompt]).encode()).hexdigest() for prompt in prompts]
        said = self.said(dict(zip(keys, prompts, strict=True)))
        found = []
        for key, (_, subgoals, steps) in zip(keys, questions, strict=True):
            reply = said.get(key)
            pairs = None if reply is None else read(reply, min(len(steps), self.judge.max_steps), len(subgoals))
            self.counts["unanswered"] += reply is None
            self.counts["malformed"] += reply is not None and pairs is None
            found.append(pairs or ())
        return found

    def said(self, prompts: dict[str, str]) -> dict[str, str]:
        """Replies by key: those that are in the file, and those of the judge, which then are."""
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self.cache, timeout=60) as file:
            file.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT)")
            rows = (file.execute("SELECT key, reply FROM replies WHERE key = ?", (key,)).fetchone() for key in prompts)
            known = dict(row for row in rows if row)
            new = [key for key in prompts if key not in known]
            made = dict(zip(new, self.replies([prompts[key] for key in new]), strict=True)) if new else {}
            fresh = {key: reply for key, reply in made.items() if reply is not None}
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
