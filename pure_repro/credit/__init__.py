"""Credit forms: how the scores of a response's steps become the return of each step.

One form is one file, one function of the same name and one ``conf/credit/<name>.yaml``; the other keys of
the yaml are the function's keywords. Every form has the signature ``(step_rewards, step_mask, *, …) ->
step_returns``.
"""

from collections.abc import Callable
from importlib import import_module

from jaxtyping import Float
from torch import Tensor


def credit_form(name: str) -> Callable[..., Float[Tensor, "batch step"]]:
    """The credit form called ``name``, from the file called ``name``: nothing to register.

    >>> credit_form("min_strict").__module__
    'pure_repro.credit.min_strict'
    """
    form: Callable[..., Float[Tensor, "batch step"]] = getattr(import_module(f"{__name__}.{name}"), name)
    return form
