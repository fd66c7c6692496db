"""Objectives: what the update minimises, token by token, and how tokens are weighed against each other.

One loss is one file, one function of the same name and one ``conf/objective/<name>.yaml``.
"""

from collections.abc import Callable
from importlib import import_module

from jaxtyping import Float
from torch import Tensor


def policy_loss(name: str) -> Callable[..., Float[Tensor, "batch token"]]:
    """The loss called ``name``, from the file called ``name``: nothing to register.

    >>> policy_loss("ppo_clip").__module__
    'pure_repro.objective.ppo_clip'
    """
    loss: Callable[..., Float[Tensor, "batch token"]] = getattr(import_module(f"{__name__}.{name}"), name)
    return loss
