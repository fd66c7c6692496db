"""Where a run stands when it cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from pure_repro.models.checkpoint import load_state
from pure_repro.models.context import Context
from pure_repro.models.finite import NotFinite


@contextmanager
def naming_the_step(context: Context) -> Iterator[None]:
    """Inside, a number that is none is told with the step that it followed and the checkpoint that is without it."""
    try:
        yield
    except NotFinite as error:
        saved = load_state(context.out)[1].step
        checkpoint = f"the last checkpoint, of step {saved}, is without it" if saved else "there is no checkpoint yet"
        raise NotFinite(
            f"after step {context.progress.step} {error}; {checkpoint}, and the same command would come to the same: "
            "take a smaller train.learning_rate, or look at what the rewards are"
        ) from error
