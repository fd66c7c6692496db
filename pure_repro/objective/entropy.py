"""Entropy of the policy at each token: reported, to see it collapse."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical


def entropy(logits: Float[Tensor, "batch token vocab"]) -> Float[Tensor, "batch token"]:
    """``H = −Σ_v p_v log p_v`` in nats, with ``p = softmax(logits)``; a logit may be −inf.

    >>> import torch
    >>> entropy(torch.tensor([[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -torch.inf, -torch.inf]]]))
    tensor([[1.3863, 0.6931]])
    """
    return Categorical(logits=logits, validate_args=False).entropy()
