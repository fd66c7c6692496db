"""How likely responses are under the policy and under the model that it started from; ranks share the work."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.models.adapter import without_adapter
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.offload import at_work
from pure_repro.types import Rollouts


@dataclass(frozen=True)
class Likelihoods:
    """Log-probabilities of sampled tokens, at the temperature of the objective unless another is given."""

    context: Context
    engine: Engine
    base: PreTrainedModel

    def of_policy(self, rollouts: Rollouts, temperature: float | None = None) -> Float[Tensor, "batch token"]:
        """Those under the policy as it is."""
        return self._of(self.engine.sampler, rollouts, temperature)

    def of_base(self, rollouts: Rollouts, temperature: float | None = None) -> Float[Tensor, "batch token"]:
        """Those under the model that training started from."""
        with at_work(self.base, self.context.config.train.offload), without_adapter(self.base):
            return self._of(self.base, rollouts, temperature)

    def divergence(self, rollouts: Rollouts) -> float:
        """Mean KL estimate (k1) per token between the two, on the policy's own responses."""
        gap = self.of_policy(rollouts, 1.0) - self.of_base(rollouts, 1.0)
        return (gap.sum() / rollouts.mask.sum()).item()

    def _of(
        self, model: PreTrainedModel, rollouts: Rollouts, temperature: float | None
    ) -> Float[Tensor, "batch token"]:
        train = self.context.config.train
        heat = self.context.config.objective.temperature if temperature is None else temperature
        return self.context.ranks.shared(
            lambda own: all_logprobs(
                model, rollouts.rows(own), heat, train.tokens_per_microbatch, packing=train.packing
            ),
            len(rollouts.tokens),
        )
