"""Numbers that are none: where one appears, the step that made it ends the run, before it can be learned from."""

import math
from collections.abc import Iterable, Sequence

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
        raise NotFinite(f"the weights are not finite ({first_of(broken)})")


def first_of(names: Sequence[str]) -> str:
    """The first of some names, and how many there are beside it.

    >>> first_of(["lm_head.weight"]), first_of(["lm_head.weight", "norm.weight", "norm.bias"])
    ('lm_head.weight', 'lm_head.weight and 2 more')
    """
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def not_finite(weights: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of those weights that hold a value which is not finite.

    >>> import torch
    >>> not_finite([("a", torch.tensor([1.0])), ("b", torch.tensor([1.0, float("inf")]))])
    ['b']
    """
    return [name for name, weight in weights if not bool(weight.isfinite().all())]
