"""Advantage estimators: how the token returns of a batch become token advantages.

One estimator is one file, one function of the same name and one ``conf/advantage/<name>.yaml``. All share one
signature, so that the training loop calls any of them by name and each takes from it what its formula needs:

- ``returns (batch, token)``: G_{i,t}, the undiscounted return from token t on, 0 outside the mask. G_{i,0} is
  the response's total return R_i; a verifiable reward v_i on the last token is the return v_i of every token;
- ``mask (batch, token)``: the L_i tokens of response i, EOS included, padded on the right;
- ``group (batch,)``: which responses answer the same prompt; groups may differ in size;
- ``steps``: where the reasoning steps end;
- ``max_tokens``: N, the response limit in tokens.
"""

from collections.abc import Callable
from importlib import import_module

from jaxtyping import Float
from torch import Tensor


def advantage_estimator(name: str) -> Callable[..., Float[Tensor, "batch token"]]:
    """The estimator called ``name``, from the file called ``name``: nothing to register.

    >>> advantage_estimator("rloo").__module__
    'pure_repro.advantage.rloo'
    """
    estimator: Callable[..., Float[Tensor, "batch token"]] = getattr(import_module(f"{__name__}.{name}"), name)
    return estimator
