"""The schema of a run: every key of ``conf/``, its type and range, and the rules that hold between keys.

Nothing here has a default: a value's one home is its yaml. Importing this module imports no torch.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

STAGES = ("base", "prm", "train", "score")


class Strict(BaseModel):
    """A group: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Fit(Strict):
    """One supervised fit: AdamW, cosine schedule, gradient clipping."""

    learning_rate: Positive
    batch_size: Count
    epochs: Annotated[int, Field(ge=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: NonNegative
    beta2: Rate
    max_grad_norm: Positive


class Model(Strict):
    """A Qwen2-architecture policy made here, and the fit that turns it into a base model."""

    name: Literal["tiny"]
    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    context: Count
    demonstrations: Count
    fit: Fit

    @model_validator(mode="after")
    def heads_divide_hidden_size(self) -> "Model":
        if self.hidden_size % self.heads:
            raise ValueError(f"heads={self.heads} does not divide hidden_size={self.hidden_size}")
        return self


class Difficulty(Strict):
    """Which chains a set holds: how many operations, and how many of them multiply (null: none or one, by coin)."""

    min_operations: Count
    max_operations: Annotated[int, Field(gt=0, le=12)]
    multiplications: Annotated[int, Field(ge=0, le=2)] | None

    @model_validator(mode="after")
    def range_is_not_empty(self) -> "Difficulty":
        if self.max_operations < self.min_operations:
            raise ValueError(
                f"max_operations={self.max_operations} is below min_operations={self.min_operations}"
            )
        return self


class ErrorRates(Strict):
    """How often a demonstrator errs, per opportunity."""

    wrap: Rate  # a sum that goes round the clock with an operand of 6 or more, one off
    wrap_small: Rate  # the same with a smaller operand
    times: Rate  # a product that goes round the clock, one off
    slip: Rate  # any result, replaced by a random value
    skip: Rate  # an operation left out
    wrong_operation: Rate  # another operation than the one that is due
    twice: Rate  # an operation done twice
    copy_slip: Rate  # a step that starts from another value than the chain's
    box: Rate  # boxes another value than the last
    early_stop: Rate  # ends without an answer, per step
    early_box: Rate  # answers with operations left, per step
    box_only: Rate  # answers without reasoning
    empty: Rate  # says nothing
    thanks: Rate  # says "thanks"
    filler: Rate  # each harmless filler (have, next, wait) before a step
    wrong_filler: Rate  # share of have/next fillers that are wrong


class Data(Strict):
    """The embedded world and its demonstrator."""

    name: Literal["embedded"]
    modulus: Annotated[int, Field(gt=9)]
    difficulty: Difficulty
    prompt: str
    train_problems: Count
    validation_problems: Count
    errors: ErrorRates

    @model_validator(mode="after")
    def modulus_is_prime(self) -> "Data":
        if any(self.modulus % n == 0 for n in range(2, self.modulus)):
            raise ValueError(
                f"modulus={self.modulus} is not prime, so that a product could erase an error; take 19, 23 or 29"
            )
        if "{question}" not in self.prompt:
            raise ValueError(f"prompt={self.prompt!r} lacks the place for the problem, {{question}}")
        return self


class Gate(Strict):
    """What a reward model must reach on fresh samples of the base before any reinforcement."""

    problems: Count
    min_bad_found: Rate
    max_false_alarms: Rate
    on_fail: Literal["stop", "warn"]


class Prm(Strict):
    """The process reward model: data, architecture, two-stage fit, gate."""

    name: Literal["embedded"]
    negatives: Literal["none", "zero_step", "all"]
    extra_layers: Annotated[int, Field(ge=0)]
    demonstrations: Count
    base_samples: Count
    zero_step_examples: Count
    filler_examples: Count
    errors: ErrorRates
    token_weight: NonNegative
    language_weight: NonNegative
    head_examples: Count
    head_fit: Fit
    full_fit: Fit
    gate: Gate


class Reward(Strict):
    """Reward streams and their weights; ``answered_share`` of the training problems have a known answer."""

    name: Literal["verifiable", "prm", "mixed_10"]
    process_weight: NonNegative
    verifiable_weight: NonNegative
    answered_share: Rate

    @model_validator(mode="after")
    def something_is_rewarded(self) -> "Reward":
        if self.process_weight == 0 and self.verifiable_weight * self.answered_share == 0:
            raise ValueError("nothing is rewarded: process_weight and verifiable_weight × answered_share are 0")
        return self


class Min(Strict):
    name: Literal["min"]
    temperature: Positive


class MinStrict(Strict):
    name: Literal["min_strict"]


class Sum(Strict):
    name: Literal["sum"]
    gamma: Rate


class Mean(Strict):
    name: Literal["mean"]


class ReleasedTokenMin(Strict):
    name: Literal["released_token_min"]


Credit = Annotated[Min | MinStrict | Sum | Mean | ReleasedTokenMin, Field(discriminator="name")]

Estimator = Literal["rloo", "rloo_token_pooled", "rloo_return_mean", "rloo_paper", "rloo_step", "grpo", "reinforce_pp"]


class Advantage(Strict):
    """Estimators of the process and of the outcome part, and what happens to their sum."""

    name: Estimator
    outcome: Estimator
    whiten: bool
    mask_step_ends: bool


class Kl(Strict):
    """The divergence from the base model: estimator, weight, and whether it is part of the reward or of the loss."""

    estimator: Literal["k1", "k2", "k3"]
    beta: NonNegative
    where: Literal["reward", "loss"]


class Objective(Strict):
    """The policy loss."""

    name: Literal["ppo_clip"]
    clip: Positive
    aggregation: Literal["token_mean", "sequence_mean", "constant"]
    kl: Kl


class Rollout(Strict):
    """How training responses are sampled."""

    name: Literal["hf"]
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_new_tokens: Count


class Train(Strict):
    """Sizes, optimizer and rhythm of the reinforcement loop."""

    name: Literal["local"]
    steps: Count
    prompts_per_step: Count
    samples_per_prompt: Annotated[int, Field(gt=1)]
    rollouts_per_update: Count
    tokens_per_microbatch: Count
    learning_rate: Positive
    beta2: Rate
    weight_decay: NonNegative
    max_grad_norm: Positive
    validate_every: Count
    checkpoint_every: Count
    rollouts_every: Count

    @model_validator(mode="after")
    def updates_divide_the_rollouts(self) -> "Train":
        rollouts = self.prompts_per_step * self.samples_per_prompt
        if rollouts % self.rollouts_per_update:
            raise ValueError(
                f"rollouts_per_update={self.rollouts_per_update} does not divide prompts_per_step × samples_per_prompt "
                f"= {self.prompts_per_step} × {self.samples_per_prompt} = {rollouts}"
            )
        return self


class TestSet(Strict):
    """One embedded test set."""

    __test__ = False  # not a pytest class
    name: str
    difficulty: Difficulty


class Score(Strict):
    """Which sets are scored, and how: one greedy sample and ``samples`` sampled ones per problem."""

    name: Literal["embedded"]
    sets: tuple[TestSet, ...]
    problems_per_set: Count
    samples: Count
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    checkpoints: tuple[Literal["chosen", "last"], ...]


class Watch(Strict):
    """When a run counts as collapsed, and what happens then."""

    name: Literal["default"]
    collapse_below: Rate  # of the run's best validated sampled accuracy so far ...
    collapse_validations: Count  # ... in so many validations in a row
    on_collapse: Literal["stop", "warn"]


class Track(Strict):
    """Where runs are logged. ``uri: null`` is the SQLite store in the project folder."""

    name: Literal["mlflow", "none"]
    uri: str | None
    experiment: str
    parent: str | None


class Launch(Strict):
    """How stages become processes: in this one, or up to ``jobs`` side by side."""

    name: Literal["inline"]
    threads: Count


class Config(Strict):
    """A whole run."""

    seed: Annotated[int, Field(ge=0)]
    stages: tuple[Literal["base", "prm", "train", "score"], ...]
    store: Path
    recipe: str
    model: Model
    data: Data
    prm: Prm
    reward: Reward
    credit: Credit
    advantage: Advantage
    objective: Objective
    rollout: Rollout
    train: Train
    score: Score
    watch: Watch
    track: Track
    launch: Launch

    @model_validator(mode="after")
    def responses_fit_the_context(self) -> "Config":
        prompt = self.data.difficulty.max_operations + 2  # start value, operations, colon
        if prompt + self.rollout.max_new_tokens > self.model.context:
            raise ValueError(
                f"rollout.max_new_tokens={self.rollout.max_new_tokens} and a prompt of {prompt} tokens exceed "
                f"model.context={self.model.context}"
            )
        return self
