"""What Hydra and OmegaConf read again in each of the suite's thousand compositions, read once.

A composition takes a third of a second of a processor, half of it for the same yaml files and interpolations as the one
before. Both are functions of a text, so that a text that was parsed once is copied. Processes that tests start read
everything themselves.
"""

import copy
import functools
from pathlib import Path
from typing import IO, Any

import omegaconf
from omegaconf import OmegaConf, grammar_parser

READS_GRAMMAR = (omegaconf._utils, omegaconf.base, omegaconf.resolvers.oc)  # modules that took the name of the function


def remember() -> None:
    """From here on, in this process."""
    parse = functools.lru_cache(maxsize=10_000)(grammar_parser.parse)  # its trees are visited and never changed
    for module in READS_GRAMMAR:
        assert module.parse is grammar_parser.parse
        module.parse = parse  # type: ignore[attr-defined]
    load, known = OmegaConf.load, {}

    def load_once(file: str | Path | IO[Any]) -> Any:
        if isinstance(file, str | Path):
            return load(file)
        text = file.read()
        if text not in known:
            file.seek(0)
            known[text] = load(file)
        return copy.deepcopy(known[text])

    OmegaConf.load = staticmethod(load_once)  # type: ignore[assignment, method-assign]
