"""How likely responses are under the policy and under the model that it started from; ranks share the work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from pure_repro.models.adapter import without_adapter
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine
from pure_repro.models.logprobs import logprobs_at
from pure_repro.models.offload import at_work
from pure_repro.types import Batch, Rollouts


@dataclass(frozen=True)
class Likelihoods:
    """Log-probabilities of sampled tokens, at the temperature of the objective unless another is given."""

    context: Context
    engine: Engine
    base: PreTrainedModel

    def of_policy(self, rollouts: Rollouts, temperature: float | None = None) -> Float[Tensor, "batch token"]:
        """Those under the policy as it is."""
        return self._of(self.engine.sampler, rollouts, temperature)

    def before_update(self, batch: Batch) -> Batch:
        """The batch with those under the policy that is to learn from it, also at the sampler's temperature.

        One pass, and none where the batch has them.
        """
        if batch.logprobs is not None:
            return batch
        config = self.context.config
        temperatures = [config.objective.temperature]
        if config.rollout.temperature not in temperatures:
            temperatures.append(config.rollout.temperature)
        made = self._at(self.engine.sampler, batch.rollouts, temperatures)
        return replace(batch, logprobs=made[:, 0], heated_logprobs=made[:, -1])

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
        heat = self.context.config.objective.temperature if temperature is None else temperature
        return self._at(model, rollouts, [heat])[:, 0]

    def _at(
        self, model: PreTrainedModel, rollouts: Rollouts, temperatures: Sequence[float]
    ) -> Float[Tensor, "batch heat token"]:
        budget, packing = self.context.config.train.tokens_per_microbatch, self.context.config.train.packing
        return self.context.ranks.shared(
            lambda own: logprobs_at(model, rollouts.rows(own), temperatures, budget, packing=packing),
            len(rollouts.tokens),
        )
