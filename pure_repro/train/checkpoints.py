"""What a run leaves on the way and at its end: all state to go on from, the last policy, a summary."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from pure_repro.models.checkpoint import candidate_of, drop_older_candidates
from pure_repro.models.companion import Companion, drop_older_states, save_companions
from pure_repro.models.context import Context
from pure_repro.models.engine import Engine
from pure_repro.models.policy import save_policy
from pure_repro.track.follow import follow
from pure_repro.track.manifest import write_json
from pure_repro.train.record import Recorder
from pure_repro.train.rollback import KEPT, drop_superfluous, go_back
from pure_repro.train.validation import Validator
from pure_repro.train.watcher import Watcher


@dataclass(frozen=True)
class Checkpointer:
    """Saves policy and companions, whose states belong to the same step."""

    context: Context
    engine: Engine
    companions: Mapping[str, Companion]

    def save(self) -> None:
        """Every ``train.checkpoint_every`` steps: all state."""
        out, progress = self.context.out, self.context.progress
        if progress.step % self.context.config.train.checkpoint_every:
            return
        save_companions(self.companions, out, progress)
        self.engine.save(out, progress)
        if not self.context.ranks.first:
            return
        drop_older_states(self.companions, out, progress)
        drop_older_candidates(out, progress)
        watch = self.context.config.watch
        if watch.on_alarm == "rollback":
            save_policy(self.engine.sampler, self.context.tokenizer, out / KEPT / str(progress.step))
            drop_superfluous(out, progress.step, watch.window)

    def keep(self) -> None:
        """Every ``train.keep_every`` steps: the policy, to be scored some day."""
        context, every = self.context, self.context.config.train.keep_every
        if every is not None and context.progress.step % every == 0 and context.ranks.first:
            save_policy(self.engine.sampler, context.tokenizer, context.out / f"step{context.progress.step}")

    def finish(self, validator: Validator, recorder: Recorder, watcher: Watcher) -> None:
        """The last policy and the summary."""
        context, progress = self.context, self.context.progress
        collapsed, alarmed, alarms = validator.stopped(), watcher.stopped(), watcher.alarms()
        if not context.ranks.first:
            return
        save_policy(self.engine.sampler, context.tokenizer, context.out / "last")
        if (candidate := candidate_of(context.out, progress)).exists():
            shutil.rmtree(context.out / "chosen", ignore_errors=True)  # half a copy of a killed run
            shutil.copytree(candidate, context.out / "chosen")
        recorder.rollouts.compress()
        summary = {
            "chosen_step": progress.chosen_step,
            "last_step": progress.step,
            "collapsed_at": validator.collapse_step(),
            "stopped": "collapse" if collapsed else "alarm" if alarmed else "steps",
            "alarms": alarms,
            "seconds": round(progress.seconds, 1),
        }
        watch = context.config.watch
        if watch.on_alarm == "rollback" and alarms:
            summary["rolled_back_to"] = go_back(context.out, min(alarms.values()), watch.window)
        write_json(context.out / "summary.json", summary)
        follow(context.out, context.config.track)
