"""From a loss per token to one number: what each token of a batch counts."""

from jaxtyping import Bool, Float
from torch import Tensor


def token_weights(name: str, mask: Bool[Tensor, "batch token"], *, max_tokens: int) -> Float[Tensor, "batch token"]:
    """Weights w with ``loss = Σ w·l``, taken once over the whole batch of B responses; 0 outside ``mask``.

    - ``token_mean``: ``m / Σm``, every token alike (DAPO; the verl release of PURE, up to its micro-batches);
    - ``sequence_mean``: ``m / (B·Lᵢ)``, every response alike (GRPO; the OpenRLHF release of PURE);
    - ``constant``: ``m / (B·N)``, N = ``max_tokens``, no length favoured (Dr. GRPO, as TRL scales it).

    Because the weights know the whole batch, the sums of its micro-batches add up to the loss of the batch
    exactly, however it is cut; a response without tokens counts 0. Raises ``ValueError`` for another name.

    >>> import torch
    >>> token_weights("sequence_mean", torch.tensor([[True, True], [True, False]]), max_tokens=4)
    tensor([[0.2500, 0.2500],
            [0.5000, 0.0000]])
    """
    batch_size = mask.shape[0]
    match name:
        case "token_mean":
            return mask / mask.sum().clamp(min=1)
        case "sequence_mean":
            return mask / (batch_size * mask.sum(dim=1, keepdim=True).clamp(min=1))
        case "constant":
            return mask / (batch_size * max_tokens)
    raise ValueError(f"objective.aggregation={name} is unknown: use token_mean, sequence_mean or constant")
