"""Every key of a run: what ``conf/config.yaml`` composes."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from pure_repro.config.advantage import Advantage
from pure_repro.config.base import Place, Strict
from pure_repro.config.credit import Contrast, Credit, TregWeights
from pure_repro.config.data import Data
from pure_repro.config.filter import Filter, Prof
from pure_repro.config.grading import Grading
from pure_repro.config.launch import Launch
from pure_repro.config.macro import Macro
from pure_repro.config.model import Model
from pure_repro.config.objective import AnyObjective, ExpoDpo, ExpoGrpo, PolicyGradient, Positives, Treg
from pure_repro.config.prm import EmbeddedPrm, FitPrm, Online, Prm
from pure_repro.config.prompt import Prompt
from pure_repro.config.reward import Reward
from pure_repro.config.rollout import Rollout
from pure_repro.config.score import Score
from pure_repro.config.sweep import Sweep
from pure_repro.config.track import Track
from pure_repro.config.train import Train
from pure_repro.config.watch import Watch

Stage = Literal["base", "prm", "train", "score"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Choices(Strict):
    """Every key of a run, by itself: nobody has asked yet whether the choices go together."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    store: Place
    recipe: str
    model: Model
    data: Data
    prompt: Prompt
    prm: Prm
    reward: Reward
    credit: Credit
    advantage: Advantage
    macro: Macro
    objective: AnyObjective
    rollout: Rollout
    filter: Filter
    train: Train
    score: Score
    grading: Grading
    watch: Watch
    track: Track
    launch: Launch
    sweep: Sweep

    @property
    def sources(self) -> list[str]:
        """Who says something of every response: the reward's own sources, and contrastive prompting."""
        reads = isinstance(self.filter, Prof) and "process_scores" not in self.reward.sources
        return [
            *(["process_scores"] if reads else []),
            *self.reward.sources,
            *(["online"] if self.online else []),
            *(["contrast"] if self.contrast else []),
        ]

    @property
    def reads_scores(self) -> bool:
        """Whether a reward model scores the steps of responses, to be paid or to be filtered by."""
        return "process_scores" in self.reward.sources or isinstance(self.filter, Prof)

    @property
    def online(self) -> Online | None:
        """How the reward model that scores steps goes on learning, where it does."""
        learns = isinstance(self.prm, EmbeddedPrm | FitPrm) and self.reads_scores
        return self.prm.online if learns else None  # type: ignore[union-attr]

    @property
    def contrast(self) -> Contrast | None:
        """The two ways to ask by which tokens are rewarded, where objective or credit reads such rewards."""
        if isinstance(self.objective, Treg):
            return self.objective.contrast
        if isinstance(self.objective, PolicyGradient) and isinstance(self.credit, TregWeights):
            return self.credit.contrast
        return None

    @property
    def positives(self) -> Positives | None:
        """Right answers that the objective learns from besides the policy's responses."""
        return self.objective.positives if isinstance(self.objective, ExpoGrpo | ExpoDpo) else None
