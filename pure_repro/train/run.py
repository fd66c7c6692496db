"""One reinforcement run: what it holds, and each line of the loop in :mod:`pure_repro.train.loop`."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.advantage.combine import Streams, compared, finished, penalty_to_go, total
from pure_repro.advantage.gae import rewards_of
from pure_repro.config import (
    Config,
    Embedded,
    ExpoGrpo,
    Gae,
    MacroActions,
    PolicyGradient,
    Preference,
    PretrainedPrm,
    Rollout,
    TregWeights,
    VllmRollout,
)
from pure_repro.credit import credit_form
from pure_repro.credit.on_tokens import spread
from pure_repro.credit.treg_weights import treg_weights
from pure_repro.data.order import indices_at
from pure_repro.data.source import training, validation
from pure_repro.grading import grade_many
from pure_repro.judge.ask import world_subgoals
from pure_repro.judge.fit import open_judge
from pure_repro.judge.judges import CachedJudge
from pure_repro.macro import macro_rule
from pure_repro.macro.actions import macro_gae
from pure_repro.models.allocator import keep_freed_memory
from pure_repro.models.checkpoint import Progress
from pure_repro.models.compiled import compile_layers
from pure_repro.models.engine import Engine, open_engine
from pure_repro.models.head import install_target_head
from pure_repro.models.offload import at_work, resting
from pure_repro.models.policy import load_policy
from pure_repro.models.precision import sampling_copy, sampling_dtype
from pure_repro.models.ranks import Ranks
from pure_repro.objective.kl import kl_estimate
from pure_repro.objective.treg import contrastive_rewards
from pure_repro.prm.gate import step_agreement
from pure_repro.prm.score import newline_id
from pure_repro.prm.scorer import Scorer, TokenScorer, load_scorer
from pure_repro.reward.answered import told
from pure_repro.reward.at_end import at_end
from pure_repro.reward.groups import kept
from pure_repro.reward.overlong import overlong
from pure_repro.reward.verifiable import verifiable
from pure_repro.rollout.fingerprint import StaleWeights
from pure_repro.rollout.hf import SamplingPlan
from pure_repro.rollout.join import joined
from pure_repro.rollout.reprompt import reprompted
from pure_repro.rollout.sampler import Sampler, open_sampler
from pure_repro.rollout.steps import separator_ids, split_steps, token_steps
from pure_repro.rollout.text import texts
from pure_repro.track.follow import follow
from pure_repro.track.manifest import write_json
from pure_repro.train.companion import (
    Columns,
    Companion,
    Lesson,
    drop_older_states,
    load_companions,
    open_companions,
    save_companions,
)
from pure_repro.train.critic import ValueModel
from pure_repro.train.journal import Journal
from pure_repro.train.positives import Positives
from pure_repro.train.terms import Side, likelihood, pairs, preference
from pure_repro.train.update import all_logprobs, one_pass, sampler_gap, update
from pure_repro.types import Problem, Rollouts, Steps
from pure_repro.watch.collapse import collapsed_at
from pure_repro.watch.signals import mean, shape_signals, skipped_share, text_signals

VALIDATION_STEP = -1  # validation draws its noise as if before the first step, so every validation has the same noise
SHOWN_RESPONSES = 24


@dataclass(frozen=True)
class Rewards:
    """What a batch earned: process rewards, outcomes, which are known, and which prompts stay.

    Process rewards belong to ``Run.units``: steps that a reward model scores, or tokens of implicit rewards.
    ``lessons`` are what a reward model that learns beside the policy is to learn from it; ``tokens`` what the base
    model thinks of each token, by contrastive prompting.
    """

    process: Float[Tensor, "batch unit"] | None
    outcome: Float[Tensor, " batch"] | None
    known: Bool[Tensor, " batch"] | None
    kept: Bool[Tensor, " batch"]
    lessons: Mapping[str, Columns] = field(default_factory=dict)
    positives: Positives | None = None
    tokens: Float[Tensor, "batch token"] | None = None


@dataclass
class Run:
    """Models, data and position of a run; its methods are the lines of the loop.

    Ranks share the work of each line and all hold its outcome; the first one alone writes.
    """

    config: Config
    out: Path
    ranks: Ranks
    engine: Engine
    sampler: Sampler
    judge: CachedJudge | None
    companions: dict[str, Companion]
    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prm: Scorer | None
    progress: Progress
    problems: list[Problem]
    answers: dict[str, str]  # of all training problems, for the log alone: a hidden answer is never rewarded
    validation: list[Problem]
    metrics: Journal
    validations: Journal
    rollouts: Journal
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, config: Config, base: Path, prm: Path | None, out: Path, ranks: Ranks) -> "Run":
        """Load what the run starts from and, where ``out`` holds a checkpoint, where it was left."""
        keep_freed_memory()
        train = config.train
        policy, tokenizer = load_policy(base, config.model, train.attention)
        reference = resting(load_policy(base, config.model, train.attention)[0], train.offload)
        if train.chunked_logprobs:
            install_target_head(reference)
        engine = open_engine(policy, train, ranks)
        progress = engine.load(out)
        companions = open_companions(config, base, ranks, prm)
        load_companions(companions, out, progress)
        source = training(config.data, config.seed)
        answers = {p.id: str(p.answer) for p in source.problems}
        problems = short_enough(told(source, config.reward.answered_share, config.seed), tokenizer, config)
        journals = [Journal(out / f"{name}.jsonl") for name in ("metrics", "validation", "rollouts")]
        if ranks.first:
            write_json(out / "answered.json", {"problems": [p.id for p in problems if p.answer is not None]})
            for journal in journals:  # without a checkpoint nothing counts, not even the first validation
                journal.cut_after(progress.step if progress.best >= 0 else -1)
        return cls(
            config=config,
            out=out,
            ranks=ranks,
            engine=engine,
            sampler=open_sampler(
                config.rollout,
                engine.sampler,
                tokenizer,
                context=config.model.context,
                dtype=sampling_dtype(engine.sampler),
                ranks=ranks.size,
            ),
            companions=companions,
            base=reference,
            tokenizer=tokenizer,
            prm=None if prm is None or not pays_scores(config) else open_scorer(prm, config, tokenizer),
            judge=None if prm is None or not config.reward.judge else open_judge(config, prm, out / "replies.sqlite"),
            progress=progress,
            problems=problems,
            answers=answers,
            validation=validation(config),
            metrics=journals[0],
            validations=journals[1],
            rollouts=journals[2],
        )

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to ``seconds[phase]`` of the current step."""
        start = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start

    def next_problems(self, draws: int) -> list[Problem]:
        """The next problems in order, after so many draws of this step."""
        size, position = self.config.train.prompts_per_step, self.progress.step + self.progress.redraws + draws
        chosen = indices_at(position, size, len(self.problems), self.config.seed)
        return [self.problems[i] for i in chosen]

    def prompts(self, problems: Sequence[Problem]) -> list[str]:
        """Problems as the policy reads them."""
        return [prompt_of(self.config, problem) for problem in problems]

    def respond(self, problems: Sequence[Problem], plan: SamplingPlan, step: int) -> Rollouts:
        """Responses of the weights that the sampler holds; each rank samples those of its own problems.

        So groups stay whole, and noise belongs to the problem: the responses do not depend on who samples them.
        """

        def own(share: slice) -> Rollouts:
            some = problems[share]
            return self.sampler.generate(some, self.prompts(some), plan, seed=self.config.seed, step=step)

        return joined(self.ranks.parts(own, len(problems)))

    def steps_of(self, rollouts: Rollouts) -> Steps:
        """Where the steps of responses end."""
        return split_steps(rollouts.tokens, rollouts.mask, separator_ids(self.tokenizer))

    def units(self, rollouts: Rollouts, steps: Steps) -> Steps:
        """What each process reward is paid for: a step, or under implicit rewards a token."""
        return steps if self.config.reward.implicit is None else token_steps(rollouts.mask)

    def sample(self, problems: Sequence[Problem]) -> tuple[Rollouts, Steps]:
        """Training responses and their steps."""
        rollout = self.config.rollout
        plan = SamplingPlan(
            self.config.train.samples_per_prompt, rollout.temperature, rollout.top_p, rollout.max_new_tokens
        )
        with self.timed("sync"):
            self.sampler.push(sampling_copy(self.engine.sampler, compiled=self.config.train.compile))
        with self.timed("sample"):
            rollouts = self.respond(problems, plan, self.progress.step)
            self.sampler.rest()
            return rollouts, self.steps_of(rollouts)

    def reward(self, problems: Sequence[Problem], rollouts: Rollouts, steps: Steps) -> Rewards:
        """Process scores where a reward model is paid, outcomes where verifiable rewards are."""
        process = outcome = known = None
        if self.prm is not None:
            with self.timed("prm"), at_work(self.prm.model, self.config.train.offload):
                asked, score = [problems[group] for group in rollouts.group.tolist()], self.prm
                process = self.ranks.shared(
                    lambda own: score(asked[own], rollouts.rows(own), steps.rows(own)), len(steps.end)
                )
                if self.config.reward.judges == "response":
                    process = at_end(process, steps.mask)
        if self.judge is not None:
            with self.timed("judge"):
                process = self.judged(
                    [problems[group] for group in rollouts.group.tolist()], rollouts, steps, self.judge
                )
        stay = torch.ones(len(rollouts.tokens), dtype=torch.bool)
        if self.config.reward.verifiable_weight > 0:
            with self.timed("grade"):
                asked = [problems[group] for group in rollouts.group.tolist()]
                responses = texts(self.tokenizer, rollouts)
                rule = self.config.grading
                paid = self.ranks.shared(
                    lambda own: torch.stack(verifiable(asked[own], responses[own], rule), dim=1), len(responses)
                )
                outcome, known = paid[:, 0], paid[:, 1].bool()
                stay = kept(outcome, rollouts.group, self.config.reward.keep_groups)
        return Rewards(process, outcome, known, stay, tokens=self.token_rewards(problems, rollouts))

    def judged(
        self, asked: Sequence[Problem], rollouts: Rollouts, steps: Steps, judge: CachedJudge
    ) -> Float[Tensor, "batch step"]:
        """What the judge pays for each step; each rank asks about its share."""
        responses, width = texts(self.tokenizer, rollouts), steps.end.shape[1]
        questions = [
            (problem.question, self.subgoals[problem.question], response.split("\n\n")[: int(there)])
            for problem, response, there in zip(asked, responses, steps.mask.sum(dim=1), strict=True)
        ]
        return self.ranks.shared(lambda own: judge.rewards(questions[own], width), len(questions))

    @cached_property
    def subgoals(self) -> dict[str, list[str]]:
        """The subgoals of every training problem, by question: of the file, or of the embedded world."""
        judge, data = self.config.reward.judge, self.config.data
        if judge is not None and judge.subgoals is not None:
            rows = map(json.loads, judge.subgoals.read_text().splitlines())
            return {row["question"]: row["subgoals"] for row in rows}
        assert isinstance(data, Embedded)
        return {p.question: world_subgoals(p.question, data.modulus) for p in self.problems}

    def token_rewards(self, problems: Sequence[Problem], rollouts: Rollouts) -> Float[Tensor, "batch token"] | None:
        """What the base model thinks of each token, asked in two ways, where objective or credit wants to know."""
        contrast = self.config.contrast
        if contrast is None:
            return None
        asked = [problems[group] for group in rollouts.group.tolist()]
        responses = texts(self.tokenizer, rollouts)

        def under(pattern: str) -> Float[Tensor, "batch token"]:
            """Log-probabilities of the responses, asked for in this way."""
            ways = [
                replace(p, question=pattern.replace("{response}", response).replace("{question}", p.question))
                for p, response in zip(asked, responses, strict=True)
            ]
            return self.base_logprobs(reprompted(rollouts, self.tokenizer, self.prompts(ways)), 1.0)

        with self.timed("contrast"):
            return contrastive_rewards(under(contrast.better), under(contrast.worse), rollouts.mask)

    def lesson(self, rewards: Rewards, rollouts: Rollouts, steps: Steps) -> Lesson:
        """Credit for every stream, then advantages: less a baseline, or less what a critic had foretold."""
        chosen, reward, limit = self.config.advantage, self.config.reward, self.config.rollout.max_new_tokens
        if isinstance(self.config.objective, Preference):  # pairs have no advantages
            return Lesson(torch.zeros(rollouts.tokens.shape), {})
        streams = self.streams(rewards, rollouts, steps)
        told = dict(rewards.lessons)
        if isinstance(chosen, Gae):
            with self.timed("values"):
                values = self.critic.values(rollouts)
            earned = rewards_of(total(streams, reward), rollouts.mask)
            made, returns = macro_gae(
                *(earned, values, self.action_ends(rollouts, steps), rollouts.mask),
                gamma=chosen.gamma,
                lam=chosen.lam,
                **self.config.macro.model_dump(include=set(MacroActions.model_fields)),
            )
            told["critic"] = {"values": values, "returns": returns}
        else:
            made = compared(streams, rollouts, self.units(rollouts, steps), reward, chosen, max_tokens=limit)
        if rewards.tokens is not None and isinstance(self.config.credit, TregWeights):
            made = treg_weights(made, rewards.tokens, rollouts.mask, kappa=self.config.credit.kappa)
        return Lesson(finished(made, rollouts, steps, rewards.kept, chosen), told)

    def action_ends(self, rollouts: Rollouts, steps: Steps) -> Bool[Tensor, "batch token"]:
        """Which tokens end a macro action; what is drawn by lot depends on the seed and the step alone."""
        keys = self.config.macro.model_dump(exclude={"name", *MacroActions.model_fields})
        surprise = None
        if self.config.macro.name == "perplexity":
            with self.timed("reference"):
                surprise = -self.logprobs(self.base, rollouts)
        chance = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.progress.step)
        return macro_rule(self.config.macro.name)(rollouts.mask, steps, surprise, chance, **keys)

    @property
    def critic(self) -> ValueModel:
        """The companion that foretells rewards (``advantage=gae``)."""
        critic = self.companions["critic"]
        assert isinstance(critic, ValueModel)
        return critic

    def streams(self, rewards: Rewards, rollouts: Rollouts, steps: Steps) -> Streams:
        """What is still to come of each reward at every token."""
        limit, reward = self.config.rollout.max_new_tokens, self.config.reward
        process = outcome = penalty = None
        if rewards.process is not None:
            credit = self.config.credit.model_dump()
            form, units = credit_form(credit.pop("name")), self.units(rollouts, steps)
            process = spread(form(rewards.process, units.mask, **credit), units, rollouts.mask)
        if rewards.outcome is not None:
            paid = reward.wrong + (reward.right - reward.wrong) * rewards.outcome
            if reward.overlong is not None:
                paid = paid + overlong(rollouts.mask.sum(dim=1), max_tokens=limit, **reward.overlong.model_dump())
            outcome = paid[:, None] * rollouts.mask
        objective = self.config.objective
        if isinstance(objective, PolicyGradient) and objective.penalised:
            kl = objective.kl
            with self.timed("reference"):
                estimate = kl_estimate(
                    kl.estimator,
                    self.logprobs(self.engine.sampler, rollouts),
                    self.base_logprobs(rollouts),
                    kl.clamp,
                )
            penalty = penalty_to_go(kl.beta * estimate, rollouts.mask)
        return Streams(process, outcome, rewards.known, penalty)

    def logprobs(
        self, model: PreTrainedModel, rollouts: Rollouts, temperature: float | None = None
    ) -> Float[Tensor, "batch token"]:
        """Log-probabilities of the sampled tokens under a model, at the temperature of the objective unless told."""
        budget = self.config.train.tokens_per_microbatch
        heat = self.config.objective.temperature if temperature is None else temperature
        return self.ranks.shared(
            lambda own: all_logprobs(model, rollouts.rows(own), heat, budget, packing=self.config.train.packing),
            len(rollouts.tokens),
        )

    def base_logprobs(self, rollouts: Rollouts, temperature: float | None = None) -> Float[Tensor, "batch token"]:
        """Those under the model that training started from."""
        with at_work(self.base, self.config.train.offload):
            return self.logprobs(self.base, rollouts, temperature)

    def graded(self, responses: Sequence[str], answers: Sequence[str]) -> list[bool]:
        """Which responses are right, by the rules that pay the verifiable reward."""
        own = self.ranks.own(len(responses))
        verdicts = grade_many(responses[own], answers[own], **self.config.grading.model_dump())
        return [right for part in self.ranks.gather([verdict.correct for verdict in verdicts]) for right in part]

    def update(self, rollouts: Rollouts, rewards: Rewards, lesson: Lesson) -> dict[str, float]:
        """Change the policy, and the models beside it, by the responses whose prompts stay, and by positives."""
        with self.timed("update"):
            if isinstance(self.config.objective, PolicyGradient):
                told = self.follow_advantages(rollouts, rewards, lesson)
            else:
                told = self.prefer(rollouts, rewards)
        require_small(told["sampler/logprob_gap_mean"], self.config.rollout)
        stay = rewards.kept
        for name, columns in lesson.rows(stay).companions.items():
            with self.timed(name):
                told |= self.companions[name].learn(rollouts.rows(stay), columns)
        self.progress.step += 1
        return told

    def follow_advantages(self, rollouts: Rollouts, rewards: Rewards, lesson: Lesson) -> dict[str, float]:
        """One pass of the policy gradient; beside it the likelihood of positives, where there are any."""
        objective, train = self.config.objective, self.config.train
        assert isinstance(objective, PolicyGradient)
        if not rewards.kept.all():
            rollouts, lesson = rollouts.rows(rewards.kept), lesson.rows(rewards.kept)
        in_loss = objective.reads_reference and not objective.penalised
        single = train.rollouts_per_update >= len(lesson.advantages)
        heat = self.config.rollout.temperature
        beside = []
        if rewards.positives is not None and isinstance(objective, ExpoGrpo):
            positives = rewards.positives
            beside.append(likelihood(self.engine, positives.rollouts, positives.share, objective, train))
        return update(
            self.engine,
            rollouts,
            lesson.advantages,
            None if single else self.logprobs(self.engine.sampler, rollouts),
            self.base_logprobs(rollouts) if in_loss else None,
            objective,
            train,
            temperature=objective.temperature,
            max_tokens=self.config.rollout.max_new_tokens,
            heated_logprobs=None
            if heat == objective.temperature
            else self.logprobs(self.engine.sampler, rollouts, heat),
            beside=beside,
        )

    def prefer(self, rollouts: Rollouts, rewards: Rewards) -> dict[str, float]:
        """One pass over pairs of a right and a wrong response to the same problem; none of them, no update."""
        objective, train = self.config.objective, self.config.train
        assert isinstance(objective, Preference) and rewards.outcome is not None and rewards.known is not None
        judged = (rewards.known & rewards.kept).nonzero().squeeze(1)
        outcome, group = rewards.outcome[judged], rollouts.group[judged]
        whole, tokens = rollouts.rows(judged), None if rewards.tokens is None else rewards.tokens[judged]
        if (positives := rewards.positives) is not None:  # they are the right ones, and the policy's own the wrong
            wrong = outcome < 0.5
            found = replace(positives.rollouts, group=torch.tensor(positives.problems))
            outcome = torch.cat([torch.ones(len(found.tokens)), outcome[wrong]])
            group = torch.cat([found.group, group[wrong]])
            whole = joined([found, whole.rows(wrong)])
        right, wrong_ones = pairs(outcome.tolist(), group.tolist(), objective.pairs_per_prompt)
        ours = self.logprobs(self.engine.sampler, rollouts, self.config.rollout.temperature)
        told = {"pairs/count": float(len(right))} | sampler_gap(ours, rollouts.logprobs, rollouts.mask)
        if len(right) == 0:
            return told

        def side(rows: Int[Tensor, " pair"]) -> Side:
            some = whole.rows(rows)
            return Side(some, self.base_logprobs(some), None if tokens is None else tokens[rows])

        term = preference(self.engine, side(right), side(wrong_ones), objective, train)
        return told | one_pass(self.engine, [term], train)

    def record(
        self,
        problems: Sequence[Problem],
        rollouts: Rollouts,
        steps: Steps,
        rewards: Rewards,
        advantages: Float[Tensor, "batch token"],
        outcome: dict[str, float],
    ) -> dict[str, str]:
        """Log the step; returns the numbers for the progress bar."""
        with self.timed("log"):
            asked = [problems[group] for group in rollouts.group.tolist()]
            responses = texts(self.tokenizer, rollouts)
            correct = self.graded(responses, [self.answers[p.id] for p in asked])
            if not self.ranks.first:
                return {}
            row = {"accuracy": mean(correct), "advantage/std": advantages[rollouts.mask].std().item()} | outcome
            if self.judge is not None:
                row |= self.judge.take_counts()
            row |= {f"response/{name}": value for name, value in shape_signals(rollouts, steps).items()}
            if rewards.outcome is not None and rewards.known is not None and rewards.known.any():
                row["reward/verifiable"] = rewards.outcome[rewards.known].mean().item()
            units = self.units(rollouts, steps)
            if rewards.process is not None:
                row["reward/process"] = rewards.process[units.mask].mean().item()
                row["reward/process_min"] = rewards.process.masked_fill(~units.mask, 1).min(dim=1).values.mean().item()
                row["reward/process_sum"] = rewards.process.sum(dim=1).mean().item()
                judged = self.prm is not None and self.config.reward.judges == "steps"
                if judged and isinstance(self.config.data, Embedded):
                    found = step_agreement(asked, responses, rewards.process, self.config.data.modulus)
                    row |= {"prm/agreement": found.pop("accuracy")} | {f"prm/{k}": v for k, v in found.items()}
        row |= {f"seconds/{phase}": seconds for phase, seconds in self.seconds.items()}
        self.progress.seconds += sum(self.seconds.values())
        self.seconds = {}
        self.metrics.append({"step": self.progress.step} | row)
        if self.progress.step % self.config.train.rollouts_every == 0:
            self.show(asked, responses, correct, rewards, units, advantages)
        return {
            "accuracy": f"{row['accuracy']:.2f}",
            "tokens": f"{row['response/tokens']:.0f}",
            "steps": f"{row['response/steps']:.1f}",
        }

    def show(
        self,
        asked: Sequence[Problem],
        responses: Sequence[str],
        correct: Sequence[bool],
        rewards: Rewards,
        units: Steps,
        advantages: Float[Tensor, "batch token"],
    ) -> None:
        """Keep some responses of this step for a reader."""
        for i in range(0, len(asked), max(len(asked) // SHOWN_RESPONSES, 1)):
            scores = [] if rewards.process is None else rewards.process[i][units.mask[i]].tolist()
            self.rollouts.append(
                {
                    "step": self.progress.step,
                    "problem": asked[i].question,
                    "answer": self.answers[asked[i].id],
                    "response": responses[i],
                    "correct": correct[i],
                    "process_rewards": [round(score, 3) for score in scores],
                    "advantage": round(advantages[i, 0].item(), 4),
                }
            )

    def validate(self) -> None:
        """Every ``validate_every`` steps: accuracy on the validation problems; the best policy so far is kept.

        Without validation problems there is nothing to say, and no policy is better than another.
        """
        if not self.validation:
            return
        step, rollout = self.progress.step, self.config.rollout
        if step % self.config.train.validate_every or self.ranks.agree(self.validated(step)):
            return
        row: dict[str, float] = {"step": step}
        self.sampler.push(self.engine.sampler)
        for name, samples, temperature in (("greedy", 1, 0.0), ("sampled", 4, 1.0)):
            plan = SamplingPlan(samples, temperature, 1.0, rollout.max_new_tokens)
            rollouts = self.respond(self.validation, plan, VALIDATION_STEP)
            asked = [self.validation[group] for group in rollouts.group.tolist()]
            responses = texts(self.tokenizer, rollouts)
            row[name] = mean(self.graded(responses, [str(p.answer) for p in asked]))
        self.sampler.rest()
        divergence = self.divergence(rollouts.rows(slice(0, None, 4)))
        if not self.ranks.first:
            return
        row |= shape_signals(rollouts, self.steps_of(rollouts)) | text_signals(responses)
        row["kl"] = divergence
        if isinstance(self.config.data, Embedded):
            row["skipped"] = skipped_share([p.question for p in asked], responses)
        self.validations.append(row)
        if row["sampled"] > self.progress.best:
            self.progress.best, self.progress.chosen_step = row["sampled"], step
            self.save_policy("chosen")
        follow(self.out, self.config.track)

    def validated(self, step: int) -> bool:
        """Whether the validation at this step is in the journal."""
        return step in [row["step"] for row in self.validations.rows()]

    def divergence(self, rollouts: Rollouts) -> float:
        """Mean KL estimate (k1) per token between the policy and the base model on the policy's own responses."""
        gap = self.logprobs(self.engine.sampler, rollouts, 1.0) - self.base_logprobs(rollouts, 1.0)
        return (gap.sum() / rollouts.mask.sum()).item()

    def collapse_step(self) -> int | None:
        """The step at which validated accuracy broke down, if it did."""
        accuracies = [(row["step"], row["sampled"]) for row in self.validations.rows()]
        watch = self.config.watch
        return collapsed_at(accuracies, watch.collapse_below, watch.collapse_validations)

    def stopped(self) -> bool:
        """Whether the run ends before its last step; the rank that writes the journal knows."""
        return self.config.watch.on_collapse == "stop" and self.ranks.agree(self.collapse_step()) is not None

    def checkpoint(self) -> None:
        """Every ``checkpoint_every`` steps: save all state."""
        if self.progress.step % self.config.train.checkpoint_every == 0:
            save_companions(self.companions, self.out, self.progress)
            self.engine.save(self.out, self.progress)
            if self.ranks.first:
                drop_older_states(self.companions, self.out, self.progress)

    def save_policy(self, name: str) -> None:
        """Save the policy as an ordinary Hugging Face folder."""
        self.engine.sampler.save_pretrained(self.out / name)
        self.tokenizer.save_pretrained(self.out / name)

    def finish(self) -> None:
        """Save the last policy and the summary."""
        stopped = self.stopped()
        if not self.ranks.first:
            return
        self.save_policy("last")
        self.rollouts.compress()
        collapse = self.collapse_step()
        write_json(
            self.out / "summary.json",
            {
                "chosen_step": self.progress.chosen_step,
                "last_step": self.progress.step,
                "collapsed_at": collapse,
                "stopped": "collapse" if stopped else "steps",
                "seconds": round(self.progress.seconds, 1),
            },
        )
        follow(self.out, self.config.track)


def prompt_of(config: Config, problem: Problem) -> str:
    """A problem as the policy reads it."""
    return config.data.prompt.replace("{question}", problem.question)


def short_enough(problems: list[Problem], tokenizer: PreTrainedTokenizerBase, config: Config) -> list[Problem]:
    """The problems whose prompt is not longer than ``rollout.max_prompt_tokens``."""
    limit = config.rollout.max_prompt_tokens
    if limit is None:
        return problems
    lengths = map(len, tokenizer([prompt_of(config, problem) for problem in problems])["input_ids"])
    return [problem for problem, length in zip(problems, lengths, strict=True) if length <= limit]


def require_small(gap: float, rollout: Rollout) -> None:
    """Raises ``StaleWeights`` where the sampler's log-probabilities are too far off the trainer's."""
    if isinstance(rollout, VllmRollout) and rollout.max_gap is not None and gap > rollout.max_gap:
        raise StaleWeights(
            f"the sampler's log-probabilities are off the trainer's by {gap:.3g} a token on average, above "
            f"rollout.max_gap={rollout.max_gap:g}: it samples from something else than the policy"
        )


def open_scorer(folder: Path, config: Config, tokenizer: PreTrainedTokenizerBase) -> Scorer:
    """The reward model of a run, made here or by somebody else; its rollouts are packed like the policy's."""
    packed_tokens = config.train.tokens_per_microbatch if config.train.packing else None
    if isinstance(config.prm, PretrainedPrm):
        scorer = load_scorer(folder, config.prm, tokenizer, packed_tokens)
    else:
        scorer = TokenScorer(load_prm(folder), newline_id(tokenizer), packed_tokens)
    if config.train.compile:
        compile_layers(scorer.model)
    resting(scorer.model, config.train.offload)
    return scorer


def pays_scores(config: Config) -> bool:
    """Whether a reward model scores steps, and neither tokens nor subgoals are paid."""
    return config.reward.implicit is None and config.reward.judge is None


def load_prm(folder: Path) -> PreTrainedModel:
    """A reward model from its folder, safetensors only."""
    prm = AutoModelForTokenClassification.from_pretrained(
        folder, use_safetensors=True, dtype=torch.float32, attn_implementation="eager"
    )
    return prm.eval()
