"""Stage ``train``: the reinforcement loop. It reads in the order the data flows; each of its lines is a stage."""

from pathlib import Path

from tqdm import tqdm

from pure_repro.config import Config
from pure_repro.models.ranks import Ranks
from pure_repro.train.open import open_training
from pure_repro.train.position import naming_the_step


def train(config: Config, base: Path, prm: Path | None, out: Path, ranks: Ranks) -> None:
    """Train the base model under the composed reward, credit, advantage and objective; resume where it was left.

    ``base`` and ``prm`` are folders of finished stages; ``prm`` is ``None`` when no process reward is paid.
    Every rank of a group calls it and goes through the same lines.
    """
    run = open_training(config, base, prm, out, ranks)
    progress = run.context.progress
    bar = tqdm(total=config.train.steps, initial=progress.step, disable=not ranks.first, desc="train", unit="step")
    with bar, naming_the_step(run.context):
        run.validator.validate()
        while progress.step < config.train.steps and not (run.validator.stopped() or run.watcher.stopped()):
            batch = run.experience.batch()
            batch = run.advantages.of(batch)
            metrics = run.learners.learn(batch)
            bar.set_postfix(run.recorder.record(batch, metrics))
            bar.update()
            run.watcher.look()
            run.validator.validate()
            run.checkpointer.keep()
            run.checkpointer.save()
    run.checkpointer.finish(run.validator, run.recorder, run.watcher)
