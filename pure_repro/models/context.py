"""What every part of a training run knows."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from pure_repro.config import Config
from pure_repro.models.checkpoint import Progress
from pure_repro.models.clock import Clock
from pure_repro.models.ranks import Ranks


@dataclass(frozen=True)
class Context:
    """The configuration, who computes, how text is cut up, where the output goes, how far the run is, where time goes.

    Ranks go through the same lines and all hold their outcome; the first one alone writes.
    """

    config: Config
    ranks: Ranks
    tokenizer: PreTrainedTokenizerBase
    out: Path
    progress: Progress
    clock: Clock
