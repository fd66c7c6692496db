"""Any reward model as a function from solutions to the scores of their steps: one loaded here, served, or asked."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from pure_repro.config import EndpointPrm, GenerativePrm, PretrainedPrm, Reading
from pure_repro.models.ranks import placed
from pure_repro.prm.endpoint import Endpoint
from pure_repro.prm.generative import Generative
from pure_repro.prm.reading import classes_of, marked, scores_at
from pure_repro.prm.scorer import load_reader

Asked = tuple[str, Sequence[str]]  # a problem, and the steps of a solution
Scores = list[float] | None  # ``P(right) − P(wrong)`` of every step; None: none came


@runtime_checkable
class Reader(Protocol):
    """Scores of solutions, how often something went wrong, and why nothing came where nothing did."""

    counts: Counter[str]
    reason: str

    def __call__(self, asked: Sequence[Asked]) -> list[Scores]:
        """The scores of every step of every solution."""


class Local:
    """A model that is loaded here and read at markers, texts packed one after the other."""

    reason = ""

    def __init__(self, folder: Path, plan: PretrainedPrm, packed_tokens: int) -> None:
        model, self.tokenizer = load_reader(folder, plan)
        self.model, self.plan, self.packed_tokens = placed(model), plan, packed_tokens
        self.longest = int(self.model.config.max_position_embeddings)
        self.counts: Counter[str] = Counter()

    def __call__(self, asked: Sequence[Asked]) -> list[Scores]:
        """The scores; none where a text is longer than the model has positions."""
        read = [marked(self.tokenizer, question, steps, self.plan) for question, steps in asked]
        fit = [i for i, (ids, _) in enumerate(read) if len(ids) <= self.longest]
        self.counts["too long"] += len(read) - len(fit)
        found: list[Scores] = [None] * len(read)
        if fit:
            classes = classes_of(self.tokenizer, self.plan)
            scores = scores_at(self.model, [read[i] for i in fit], classes, self.packed_tokens)
            for i, one in zip(fit, scores, strict=True):
                found[i] = one.tolist()
        return found


def open_reader(plan: Reading, folder_of: Callable[[Reading], Path], cache: Path, packed_tokens: int) -> Reader:
    """The reader that a choice of ``prm`` asks for.

    ``folder_of`` fetches the weights of one that is loaded here; replies of one that is served are kept in ``cache``
    unless ``prm.cache`` names another file.
    """
    match plan:
        case EndpointPrm():
            return Endpoint(plan, plan.cache or cache)
        case GenerativePrm():
            return Generative(folder_of(plan), plan, packed_tokens)
        case _:
            return Local(folder_of(plan), plan, packed_tokens)
