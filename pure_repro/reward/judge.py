"""Judged subgoals (CALM): a language model says which steps achieve which subgoals."""

from dataclasses import dataclass
from typing import ClassVar

from pure_repro.config import Config, ConfigError, Embedded
from pure_repro.judge.ask import world_subgoals
from pure_repro.judge.files import subgoals_by_question
from pure_repro.judge.fit import open_judge
from pure_repro.judge.judges import CachedJudge
from pure_repro.models.context import Context
from pure_repro.reward.source import Opening
from pure_repro.rollout.text import step_texts
from pure_repro.types import Batch, Stream


@dataclass(frozen=True)
class JudgedSubgoals:
    """A stream of one reward a step, for the subgoals that it is the first to achieve."""

    phase: ClassVar[str] = "judge"
    every_draw: ClassVar[bool] = True
    context: Context
    judge: CachedJudge
    modulus: int | None  # of the embedded world, whose chains have subgoals of their own
    subgoals: dict[str, list[str]]  # of a file, by question

    def pay(self, batch: Batch) -> Batch:
        """What the judge pays for each step; each rank asks about its share."""
        questions = [
            (problem.question, self.subgoals_of(problem.question), steps)
            for problem, steps in zip(
                batch.asked, step_texts(self.context.tokenizer, batch.rollouts, batch.steps), strict=True
            )
        ]
        width = batch.steps.end.shape[1]
        rewards = self.context.ranks.shared(lambda own: self.judge.rewards(questions[own], width), len(questions))
        known, weight = batch.steps.mask.any(dim=1), self.context.config.reward.process_weight
        return batch.paid(
            "process", Stream(rewards, batch.steps, known, weight, credited=True), self.judge.take_counts()
        )

    def subgoals_of(self, question: str) -> list[str]:
        """What is to be achieved on the way to an answer."""
        if self.modulus is None and question not in self.subgoals:
            raise ConfigError(f"reward.judge.subgoals has no line for the problem {question[:60]!r}")
        return self.subgoals[question] if self.modulus is None else world_subgoals(question, self.modulus)


def open_source(opening: Opening) -> JudgedSubgoals:
    """The judge that was fitted in stage ``prm``, or one that is named; its replies are kept with the run."""
    context, config = opening.context, opening.context.config
    assert opening.reward_model is not None, "a judge is examined before it is asked"
    judge = open_judge(config, opening.reward_model, context.out / "replies.sqlite")
    written = subgoals_in(config)
    modulus = config.data.modulus if isinstance(config.data, Embedded) and not written else None
    return JudgedSubgoals(context, judge, modulus, written)


def subgoals_in(config: Config) -> dict[str, list[str]]:
    """The subgoals of every training problem, by question, where a file holds them."""
    judge = config.reward.judge
    if judge is None or judge.subgoals is None:
        return {}
    return subgoals_by_question(judge.subgoals)
