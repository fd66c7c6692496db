"""What a run trains on: its problems, as far as it is told their answers."""

import sys

from pure_repro.data.answered import with_known_answers
from pure_repro.data.overlap import without_overlap
from pure_repro.data.prompts import short_enough
from pure_repro.data.source import training_set
from pure_repro.models.context import Context
from pure_repro.types import Problem


def training_problems(context: Context) -> tuple[list[Problem], dict[str, str]]:
    """The problems as the run is told them, as far as their prompts are short enough; and all true answers by id."""
    config = context.config
    source = training_set(config.data, config.seed)
    known = with_known_answers(source, config.reward.answered_share, config.seed)
    problems, said = without_overlap(known, config)
    if said and context.ranks.first:
        print(f"warning: {said}", file=sys.stderr)
    return short_enough(problems, context.tokenizer, config), {p.id: str(p.answer) for p in source.problems}
