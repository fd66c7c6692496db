"""Alarms on the run's own metrics: each is said once, and under ``watch.on_alarm`` ends the run."""

from dataclasses import dataclass

from tqdm import tqdm

from pure_repro.models.context import Context
from pure_repro.train.journal import Journal
from pure_repro.watch.alarms import all_that_went_off


@dataclass(frozen=True)
class Watcher:
    """Looks at the metrics after every update."""

    context: Context
    metrics: Journal

    def alarms(self) -> dict[str, int]:
        """The alarms that have gone off, each with its first step; the rank that writes the journal knows."""
        watch = self.context.config.watch
        return self.context.ranks.agree(all_that_went_off(self.metrics.rows(), watch.alarms, watch.window))

    def look(self) -> None:
        """Say what has gone off in this step."""
        watch, step = self.context.config.watch, self.context.progress.step
        for name in [name for name, since in self.alarms().items() if since == step]:
            alarm = watch.alarms[name]
            ratio = "" if alarm.of == "itself" else f" of its {alarm.of}"
            tqdm.write(
                f"warning: alarm {name} at step {step}: {alarm.metric} is {alarm.side} {alarm.threshold:g}{ratio} "
                f"over {watch.window} steps; watch.on_alarm={watch.on_alarm}"
            )

    def stopped(self) -> bool:
        """Whether the run ends before its last step."""
        return self.context.config.watch.on_alarm != "warn" and bool(self.alarms())
