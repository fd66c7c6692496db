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
from pure_repro.train.validation import Validator


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
        if self.context.ranks.first:
            drop_older_states(self.companions, out, progress)
            drop_older_candidates(out, progress)

    def finish(self, validator: Validator, recorder: Recorder) -> None:
        """The last policy and the summary."""
        context, progress = self.context, self.context.progress
        stopped = validator.stopped()
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
            "stopped": "collapse" if stopped else "steps",
            "seconds": round(progress.seconds, 1),
        }
        write_json(context.out / "summary.json", summary)
        follow(context.out, context.config.track)
