"""The schema of a run: every key of ``conf/``, its type and range, and the rules that hold between keys.

The choices of ``conf/<group>/`` have their schema in the module of that name. ``choices`` puts the groups together,
``rules`` says which of them go together, and ``run`` is the whole. What the rest of the package asks for is named here.

Nothing here has a default: a value's one home is its yaml. Importing this package imports no torch.
"""

from pure_repro.config.advantage import Compared, Critic, Gae
from pure_repro.config.base import ConfigError, Fit, Means, meaning
from pure_repro.config.benchmark import Benchmark, Difficulty, FileSet, HubSet, Published, TestSet, UrlSet
from pure_repro.config.choices import STAGES
from pure_repro.config.credit import Credit, TregWeights
from pure_repro.config.data import SPLITS, Embedded, ErrorRates, Mathematics
from pure_repro.config.examine import Aggregate, Chosen, Examined, Split, StepSet
from pure_repro.config.filter import Filter, Prof, Unfiltered
from pure_repro.config.grading import Grading
from pure_repro.config.launch import Torchrun
from pure_repro.config.macro import MacroActions
from pure_repro.config.model import Adapter, Model, Pretrained, Tiny, Weights
from pure_repro.config.objective import Dpo, ExpoGrpo, Kl, Objective, PolicyGradient, Positives, Preference, Treg
from pure_repro.config.prm import (
    Critique,
    EmbeddedPrm,
    EndpointPrm,
    FitPrm,
    Gate,
    GenerativePrm,
    ImplicitPrm,
    Online,
    PretrainedPrm,
    Reading,
    ScheduledFit,
    StepRows,
)
from pure_repro.config.reward import Implicit, Judge, Reward
from pure_repro.config.rollout import HfRollout, Rollout, VllmRollout
from pure_repro.config.run import Config
from pure_repro.config.score import Score
from pure_repro.config.track import Track
from pure_repro.config.train import LOGITS_AT_ONCE, REDUCED_AT_ONCE, Train, Zero
from pure_repro.config.watch import Alarm, Watch
