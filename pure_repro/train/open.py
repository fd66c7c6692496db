"""What a run is made of, opened once from its configuration and from where it was left."""

from dataclasses import dataclass
from pathlib import Path

from pure_repro.config import Config
from pure_repro.data.source import validation
from pure_repro.models.companion import load_companions
from pure_repro.models.context import Context
from pure_repro.models.ranks import Ranks
from pure_repro.reward.source import Opening, open_sources
from pure_repro.rollout.steps import StepReader
from pure_repro.train.advantages import Advantages, open_advantages
from pure_repro.train.checkpoints import Checkpointer
from pure_repro.train.companions import open_companions
from pure_repro.train.experience import Experience
from pure_repro.train.explanations import Explainer
from pure_repro.train.journals import open_journals
from pure_repro.train.learners import Learners, open_learner
from pure_repro.train.models import open_models
from pure_repro.train.problems import training_problems
from pure_repro.train.record import Recorder
from pure_repro.train.responder import Responder
from pure_repro.train.validation import Validator
from pure_repro.train.watcher import Watcher


@dataclass(frozen=True)
class TrainingRun:
    """The parts of a run, in the order in which a step goes through them."""

    context: Context
    experience: Experience
    advantages: Advantages
    learners: Learners
    recorder: Recorder
    watcher: Watcher
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
    responder = Responder(context, engine, models.sampler, StepReader.of(context.tokenizer), answers)
    explainer = None if config.positives is None else Explainer(responder, likelihoods, config.positives)
    sources = open_sources(Opening(context, likelihoods, companions, prm))
    return TrainingRun(
        context,
        Experience(context, responder, problems, sources, explainer),
        open_advantages(context, likelihoods, companions),
        Learners(context, open_learner(context, engine, likelihoods), companions),
        Recorder(context, metrics, rollouts, answers, sum(w.numel() for w in engine.sampler.parameters())),
        Watcher(context, metrics),
        Validator(context, responder, likelihoods, validation(config), validations),
        Checkpointer(context, engine, companions),
    )
