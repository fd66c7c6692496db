"""The values that cross from one stage to the next.

Axes: ``batch`` = prompts × samples, ``token`` = response tokens (padded on the right),
``step`` = reasoning steps of a response (padded on the right). A mask is ``True`` where a slot is real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Selection = slice | Bool[Tensor, " batch"] | Int[Tensor, " row"]  # of rows
Columns = dict[str, Tensor]  # a row per response


@dataclass(frozen=True)
class Problem:
    """One question. ``answer is None`` means that nobody told us: no verifiable reward can be computed."""

    id: str
    question: str
    answer: str | None


@dataclass(frozen=True)
class Rollouts:
    """Sampled responses; ``group`` numbers the prompt a response belongs to, samples of one prompt are adjacent."""

    prompt: Int[Tensor, "batch prompt"]  # padded on the left
    prompt_mask: Bool[Tensor, "batch prompt"]
    tokens: Int[Tensor, "batch token"]  # padded on the right; includes EOS where there is one
    mask: Bool[Tensor, "batch token"]
    logprobs: Float[Tensor, "batch token"]  # of the sampled tokens under the sampling policy; 0 where masked
    finished: Bool[Tensor, " batch"]  # ended by EOS, not by the length limit
    group: Int[Tensor, " batch"]
    stale: Int[Tensor, " batch"]  # leading tokens that the weights of an earlier step have drawn

    @property
    def fresh(self) -> Bool[Tensor, "batch token"]:
        """The tokens that the weights of this step have drawn."""
        return self.mask & (torch.arange(self.tokens.shape[1]) >= self.stale[:, None])

    def rows(self, selection: Selection) -> "Rollouts":
        """Some of the responses."""
        return Rollouts(**{name: tensor[selection] for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class Steps:
    """Where the reasoning steps of each response end.

    ``end[b, s]`` is the token index of the last token of step ``s`` (its separator, EOS, or the last valid token
    of a truncated response); ``mask[b, s]`` tells which steps exist. Masked slots of ``end`` hold 0.
    """

    end: Int[Tensor, "batch step"]
    mask: Bool[Tensor, "batch step"]

    def rows(self, selection: Selection) -> "Steps":
        """Those of some of the responses."""
        return Steps(self.end[selection], self.mask[selection])


@dataclass(frozen=True)
class Stream:
    """What one reward source pays: a number for every unit of every response.

    ``units`` says where the units end: the steps, every token, or the response as a whole. A row that is not ``known``
    earned nothing and lost nothing. With ``credited`` the credit form decides what a unit sees of the rewards still to
    come; otherwise every token sees the reward of its unit. ``weight`` is its part in the advantages; ``None``: it is
    not paid, and read by who knows its name.
    """

    rewards: Float[Tensor, "batch unit"]
    units: Steps
    known: Bool[Tensor, " batch"]
    weight: float | None
    credited: bool

    def rows(self, selection: Selection) -> "Stream":
        """That of some of the responses."""
        return replace(
            self, rewards=self.rewards[selection], units=self.units.rows(selection), known=self.known[selection]
        )


@dataclass(frozen=True)
class Outcomes:
    """Which responses are right, as far as a run is told: 1 right and 0 wrong, whether the answer is known at all."""

    right: Float[Tensor, " batch"]
    known: Bool[Tensor, " batch"]

    def rows(self, selection: Selection) -> "Outcomes":
        """Those of some of the responses."""
        return Outcomes(self.right[selection], self.known[selection])


@dataclass(frozen=True)
class RightResponses:
    """One right response under the plain prompt to each of some problems of a step."""

    rollouts: Rollouts
    problems: list[int]  # their numbers in the step
    share: float  # of the step's problems that have one


@dataclass(frozen=True)
class Batch:
    """Responses, what they say, and what has become of them on their way through a step.

    ``problems`` are numbered as ``rollouts.group`` numbers them. ``responses`` are the texts, ``verdicts`` how each was
    graded against its problem's true answer, for the log and for who is told the answer. ``streams`` are rewards by
    name; ``kept`` says whose prompt stays in the update, ``columns`` what companions are to learn, ``advantages`` what
    the policy is to learn, ``logprobs`` how likely the tokens were under it before the update, where something has
    needed that, ``heated_logprobs`` the same at the sampler's temperature; ``metrics`` are numbers for the log.
    Whatever belongs to a row is selected with it.
    """

    problems: Sequence[Problem]
    rollouts: Rollouts
    steps: Steps
    responses: Sequence[str]
    verdicts: Sequence[str]
    kept: Bool[Tensor, " batch"]
    streams: Mapping[str, Stream] = field(default_factory=dict)
    outcomes: Outcomes | None = None
    columns: Mapping[str, Columns] = field(default_factory=dict)
    advantages: Float[Tensor, "batch token"] | None = None
    logprobs: Float[Tensor, "batch token"] | None = None
    heated_logprobs: Float[Tensor, "batch token"] | None = None
    positives: RightResponses | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rollouts.tokens)

    @property
    def asked(self) -> list[Problem]:
        """The problem of each row."""
        return [self.problems[number] for number in self.rollouts.group.tolist()]

    @property
    def units(self) -> Steps:
        """What credit is given to: the units of the credited stream, or the steps where there is none."""
        return next((stream.units for stream in self.streams.values() if stream.credited), self.steps)

    def rows(self, selection: Selection) -> "Batch":
        """Some of the responses, with all that belongs to them; problems keep their numbers."""
        numbers = torch.arange(len(self))[selection].tolist()
        return replace(
            self,
            rollouts=self.rollouts.rows(selection),
            steps=self.steps.rows(selection),
            responses=[self.responses[number] for number in numbers],
            verdicts=[self.verdicts[number] for number in numbers],
            kept=self.kept[selection],
            streams={name: stream.rows(selection) for name, stream in self.streams.items()},
            outcomes=self.outcomes.rows(selection) if self.outcomes else None,
            columns={name: {k: v[selection] for k, v in columns.items()} for name, columns in self.columns.items()},
            advantages=None if self.advantages is None else self.advantages[selection],
            logprobs=None if self.logprobs is None else self.logprobs[selection],
            heated_logprobs=None if self.heated_logprobs is None else self.heated_logprobs[selection],
        )

    def paid(self, name: str, stream: Stream, metrics: Mapping[str, float] | None = None) -> "Batch":
        """The batch with what a source has paid, and with its numbers for the log."""
        return replace(self, streams={**self.streams, name: stream}, metrics={**self.metrics, **(metrics or {})})
