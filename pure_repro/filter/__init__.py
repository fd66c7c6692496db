"""Prompt filters: which prompts of a draw are worth training on, judged by the outcomes of their responses.

One filter is one file, one function of the same name and one ``conf/filter/<name>.yaml``; the other keys of the
yaml are the function's keywords, but for ``max_rounds``, which says how often a step may draw to be filled. Every
filter has the signature ``(outcome, group, *, …) -> keep``, with the same verdict for all responses to one prompt.
Outcomes alone are looked at (1 right, 0 wrong), never process rewards: a filter must not be something to hack.

``prof`` is another kind. It keeps some of the responses to every prompt instead of some prompts, looks at step scores
too, and is called with them: ``(outcome, group, step_scores, step_mask, *, …)``.
"""

from collections.abc import Callable
from importlib import import_module

from jaxtyping import Bool
from torch import Tensor


def prompt_filter(name: str) -> Callable[..., Bool[Tensor, " batch"]]:
    """The filter called ``name``, from the file called ``name``: nothing to register.

    >>> prompt_filter("differing").__module__
    'pure_repro.filter.differing'
    """
    keep: Callable[..., Bool[Tensor, " batch"]] = getattr(import_module(f"{__name__}.{name}"), name)
    return keep
