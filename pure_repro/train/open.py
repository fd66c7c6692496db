"""What a run is made of, opened once from its configuration and from where it was left."""

import sys
from dataclasses import dataclass
from pathlib import Path

from pure_repro.config import Config
from pure_repro.data.source import validation
from pure_repro.models.checkpoint import BrokenState
from pure_repro.models.companion import load_companions
from pure_repro.models.context import Context
from pure_repro.models.ranks import Ranks
from pure_repro.reward.source import Opening, open_sources
from pure_repro.rollout.steps import separator_ids
from pure_repro.track.manifest import write_json
from pure_repro.train.advantages import Advantages, open_advantages
from pure_repro.train.checkpoints import Checkpointer
from pure_repro.train.companions import open_companions
from pure_repro.train.experience import Experience
from pure_repro.train.explanations import Explainer
from pure_repro.train.journal import Journal
from pure_repro.train.learners import Learners, open_learner
from pure_repro.train.models import open_models
from pure_repro.train.problems import training_problems
from pure_repro.train.record import Recorder
from pure_repro.train.responder import Responder
from pure_repro.train.validation import Validator
from pure_repro.types import Problem


@dataclass(frozen=True)
class TrainingRun:
    """The parts of a run, in the order in which a step goes through them."""

    context: Context
    experience: Experience
    advantages: Advantages
    learners: Learners
    recorder: Recorder
    validator: Validator
    checkpointer: Checkpointer


def open_training(config: Config, base: Path, prm: Path | None, out: Path, ranks: Ranks) -> TrainingRun:
    """Every part of a run: which rewards, learners and models it has is decided here, and nowhere later."""
    models = open_models(config, base, out, ranks)
    context, engine, likelihoods = models.context, models.engine, models.likelihoods
    companions = open_companions(config, base, ranks, prm)
    load_companions(companions, out, context.progress)
    problems, answers = training_problems(context)
    metrics, validations, rollouts = open_journals(context, problems)
    responder = Responder(context, engine, models.sampler, separator_ids(context.tokenizer), answers)
    explainer = None if config.positives is None else Explainer(responder, likelihoods, config.positives)
    sources = open_sources(Opening(context, likelihoods, companions, prm))
    return TrainingRun(
        context,
        Experience(context, responder, problems, sources, explainer),
        open_advantages(context, likelihoods, companions),
        Learners(context, open_learner(context, engine, likelihoods), companions),
        Recorder(context, metrics, rollouts, answers),
        Validator(context, responder, likelihoods, validation(config), validations),
        Checkpointer(context, engine, companions),
    )


def open_journals(context: Context, problems: list[Problem]) -> list[Journal]:
    """Metrics, validations and rollouts, cut back to the checkpoint; which problems are answered is written beside."""
    journals = [Journal(context.out / f"{name}.jsonl") for name in ("metrics", "validation", "rollouts")]
    if context.ranks.first:
        progress = context.progress
        write_json(context.out / "answered.json", {"problems": [p.id for p in problems if p.answer is not None]})
        resumed = progress.step > 0
        for journal in journals:  # without a checkpoint nothing counts, not even the first validation
            if resumed and (broken := journal.broken()):
                print(f"warning: {journal.path}:{broken[0]} is no row, and is left out", file=sys.stderr)
            journal.cut_after(progress.step if resumed else -1)
        if resumed:
            require_validations(context, journals[1])
            lost = progress.step - len({row["step"] for row in journals[0].rows()})
            if lost:
                print(
                    f"warning: {journals[0].path} lacks {lost} of the {progress.step} steps before the checkpoint: "
                    "its curves are of what is left",
                    file=sys.stderr,
                )
    return journals


def require_validations(context: Context, journal: Journal) -> None:
    """Every validation before the checkpoint is in its journal: whether a run has collapsed is read from there.

    Raises ``BrokenState`` where one is missing.
    """
    if context.progress.best < 0:  # nothing to validate on
        return
    due = range(0, context.progress.step + 1, context.config.train.validate_every)
    if lost := sorted(set(due) - {row["step"] for row in journal.rows()}):
        raise BrokenState(
            f"{journal.path} lacks the validation at step {lost[0]}, which the checkpoint has behind it: put the file "
            f"back, or remove {context.out / 'state.pt'}, and the stage begins again"
        )
