"""Numbers that are none: where one appears, the step that made it ends the run, before it can be learned from."""

import math
from collections.abc import Iterable

from torch import Tensor
from torch.nn import Module


class NotFinite(Exception):
    """Something that is infinite or no number, in words; whoever knows the step and the checkpoint adds them."""


def require_finite(what: str, values: Tensor | float) -> None:
    """Raises ``NotFinite``, which names ``what``, unless every value is a finite number.

    >>> import torch
    >>> require_finite("the loss", 0.5)
    >>> require_finite("the advantages", torch.tensor([0.5, float("nan"), float("inf")]))
    Traceback (most recent call last):
    pure_repro.models.finite.NotFinite: the advantages are not finite (2 of 3 values, the first is nan)
    """
    if isinstance(values, Tensor):
        wrong = values[~values.isfinite()]
        if len(wrong):
            raise NotFinite(
                f"{what} are not finite ({len(wrong)} of {values.numel()} values, the first is {wrong[0].item()})"
            )
    elif not math.isfinite(values):
        raise NotFinite(f"{what} is not finite, but {values}")


def require_finite_weights(model: Module) -> None:
    """Raises ``NotFinite`` where a model holds a weight that is none: it is not saved."""
    if broken := not_finite(model.named_parameters()):
        raise NotFinite(f"the weights are not finite ({broken[0]} and {len(broken) - 1} more)")


def not_finite(weights: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of those weights that hold a value which is not finite.

    >>> import torch
    >>> not_finite([("a", torch.tensor([1.0])), ("b", torch.tensor([1.0, float("inf")]))])
    ['b']
    """
    return [name for name, weight in weights if not bool(weight.isfinite().all())]
