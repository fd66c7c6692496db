"""A run's own records, as they are taken up: cut back to the checkpoint, and what they have lost is said."""

import sys

from pure_repro.models.checkpoint import BrokenState
from pure_repro.models.context import Context
from pure_repro.track.manifest import write_json
from pure_repro.train.journal import Journal
from pure_repro.types import Problem

NAMES = ("metrics", "validation", "rollouts")


def open_journals(context: Context, problems: list[Problem]) -> list[Journal]:
    """Metrics, validations and rollouts, cut back to the checkpoint; which problems are answered is written beside.

    Raises ``BrokenState`` where a validation before the checkpoint is lost.
    """
    metrics, validations, rollouts = (Journal(context.out / f"{name}.jsonl") for name in NAMES)
    if context.ranks.first:
        write_json(context.out / "answered.json", {"problems": [p.id for p in problems if p.answer is not None]})
        step = context.progress.step
        for journal in (metrics, validations, rollouts):
            if step and (broken := journal.broken()):
                print(f"warning: {journal.path}:{broken[0]} is no row, and is left out", file=sys.stderr)
            journal.cut_after(step or -1)  # without a checkpoint nothing counts, not even the first validation
        if step:
            require_validations(context, validations)
            tell_lost_metrics(step, metrics)
    return [metrics, validations, rollouts]


def tell_lost_metrics(step: int, journal: Journal) -> None:
    """Say it where rows before the checkpoint are lost: nothing hangs on them but what is drawn of them."""
    if lost := step - len({row["step"] for row in journal.rows()}):
        print(
            f"warning: {journal.path} lacks {lost} of the {step} steps before the checkpoint: its curves are of what "
            "is left",
            file=sys.stderr,
        )


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
