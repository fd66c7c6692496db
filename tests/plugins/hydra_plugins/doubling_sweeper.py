"""A sweeper that decides as it goes: it doubles the start of an interval for as long as the figure of a job grows."""

from dataclasses import dataclass
from math import inf
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class DoublingSweeperConf:
    _target_: str = "hydra_plugins.doubling_sweeper.DoublingSweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="doubling", node=DoublingSweeperConf, provider="tests")


class DoublingSweeper(Sweeper):
    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> Any:
        words = OverridesParser.create().parse_overrides(arguments)
        [swept] = [word for word in words if word.is_interval_sweep()]
        fixed = [word.input_line for word in words if word is not swept]
        value, best, number = int(swept.value().start), -inf, 0
        while value <= swept.value().end:
            [job] = self.launcher.launch([[*fixed, f"{swept.key_or_group}={value}"]], initial_job_idx=number)
            if not job.return_value > best:
                return
            value, best, number = 2 * value, job.return_value, number + 1
