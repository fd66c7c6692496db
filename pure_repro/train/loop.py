"""Stage ``train``: the reinforcement loop. It reads in the order the data flows."""

from pathlib import Path

from tqdm import tqdm

from pure_repro.config import Config
from pure_repro.models.ranks import Ranks
from pure_repro.train.draws import Draw, Experience, chosen, wanting
from pure_repro.train.explained import explained
from pure_repro.train.implicit import judged
from pure_repro.train.run import Run


def train(config: Config, base: Path, prm: Path | None, out: Path, ranks: Ranks) -> None:
    """Train the base model under the composed reward, credit, advantage and objective; resume where it was left.

    ``base`` and ``prm`` are folders of finished stages; ``prm`` is ``None`` when no process reward is paid.
    Every rank of a group calls it and goes through the same lines.
    """
    run = Run.open(config, base, prm, out, ranks)
    steps_left = {"total": config.train.steps, "initial": run.progress.step, "disable": not ranks.first}
    with tqdm(**steps_left, desc="train", unit="step") as bar:
        run.validate()
        while run.progress.step < config.train.steps and not run.stopped():
            problems, rollouts, steps, rewards, drawn = experience(run)
            lesson = run.lesson(rewards, rollouts, steps)
            outcome = run.update(rollouts, rewards, lesson)
            bar.set_postfix(run.record(problems, rollouts, steps, rewards, lesson.advantages, outcome | drawn))
            bar.update()
            run.validate()
            run.checkpoint()
    run.finish()


def experience(run: Run) -> Experience:
    """Problems, answered and rewarded; drawn again until enough of them pass the filter."""
    draws: list[Draw] = []
    while wanting(draws, run.config):
        problems = run.next_problems(len(draws))
        rollouts, steps = run.sample(problems)
        draws.append(Draw(problems, rollouts, steps, run.reward(problems, rollouts, steps)))
    run.progress.redraws += len(draws) - 1
    return explained(run, judged(run, chosen(draws, run.config)))
