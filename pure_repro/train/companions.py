"""Which models learn beside the policy: the one place that knows them all."""

from pathlib import Path

from pure_repro.config import Config, Gae
from pure_repro.models.companion import Companion
from pure_repro.models.ranks import Ranks
from pure_repro.reward.online_prm import OnlinePrm
from pure_repro.reward.outcome_model import OutcomeModel
from pure_repro.train.critic import ValueModel


def open_companions(config: Config, base: Path, ranks: Ranks, prm: Path | None = None) -> dict[str, Companion]:
    """The models that the configuration has beside the policy, by name.

    They start as the base model, or as the reward model of the folder ``prm`` where the configuration says so.
    """
    companions: dict[str, Companion] = {}
    if isinstance(config.advantage, Gae):
        companions["critic"] = ValueModel.open(config, config.advantage.critic, base, ranks)
    if config.online is not None:
        assert prm is not None, "who goes on learning was fitted before"
        companions["online"] = OnlinePrm.open(config, config.online, prm, ranks)
    if config.reward.implicit is not None:
        start = prm if prm is not None and config.reward.implicit.start == "prm" else base
        companions["implicit"] = OutcomeModel.open(config, config.reward.implicit, start, ranks)
    return companions
