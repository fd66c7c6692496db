"""What a return is compared with (``conf/advantage/``)."""

from typing import Annotated, Literal

from pydantic import Field

from pure_repro.config.base import Count, Positive, Rate, Strict

Estimator = Literal[
    "rloo",
    "rloo_token_pooled",
    "rloo_return_mean",
    "rloo_paper",
    "rloo_step",
    "prime_rloo",
    "released_prime_rloo",
    "grpo",
    "dr_grpo",
    "prpo",
    "reinforce",
    "reinforce_pp",
    "reinforce_pp_baseline",
]
WHOLE_RESPONSE = ("dr_grpo", "reinforce_pp_baseline")  # they reduce a response to its total return
PER_STEP_LEFT = (  # their baseline is a rate times what is left
    "rloo_token_pooled",
    "rloo_paper",
    "rloo_step",
    "prime_rloo",
    "released_prime_rloo",
)


class Compared(Strict):
    """Estimators of the process and of the outcome part, without a critic, and what happens to their sum."""

    name: Estimator
    outcome: Estimator
    penalty: Estimator | Literal["none"]  # baseline of a KL penalty in the reward
    whiten: bool
    whiten_eps: Positive
    mask_step_ends: bool
    streams: Literal["each", "sum"]  # each reward stream by its own estimator, or their sum by the first


class Critic(Strict):
    """The model of values that learns beside the policy: the base model with a head of one number, at its own rate."""

    learning_rate: Positive
    max_grad_norm: Positive
    rollouts_per_update: Count
    value_clip: Positive | None  # how far a value counts from the one before the update; null: however far


class Gae(Strict):
    """Generalised advantages of the sum of all rewards, with a critic; ``gamma`` and ``lam`` per action."""

    name: Literal["gae"]
    gamma: Rate
    lam: Rate
    critic: Critic
    whiten: bool
    whiten_eps: Positive
    mask_step_ends: bool


Advantage = Annotated[Compared | Gae, Field(discriminator="name")]
