"""A whole run: choices that go together (``rules``), sizes that fit each other, problems enough."""

from pydantic import model_validator

from pure_repro.config.benchmark import TestSet
from pure_repro.config.choices import Choices
from pure_repro.config.data import SPLITS, Embedded, Mathematics
from pure_repro.config.model import Pretrained, Tiny
from pure_repro.config.prm import EmbeddedPrm, FitPrm, ImplicitPrm
from pure_repro.config.rules import RULES


class Config(Choices):
    """A whole run."""

    @model_validator(mode="after")
    def model_knows_the_words(self) -> "Config":
        """A model that is made here knows those of the embedded world alone."""
        if not isinstance(self.model, Tiny):
            return self
        if published := [one.name for one in self.score.benchmarks if not isinstance(one, TestSet)]:
            raise ValueError(
                f"model=tiny knows the words of the embedded world alone and cannot read {published[0]}: "
                "take score=embedded or another model"
            )
        if not isinstance(self.data, Embedded) or not isinstance(self.prm, EmbeddedPrm | ImplicitPrm):
            raise ValueError(
                f"model=tiny knows the words of the embedded world alone: with data={self.data.name} and "
                f"prm={self.prm.name} take another model"
            )
        return self

    @model_validator(mode="after")
    def responses_fit_the_context(self) -> "Config":
        """The longest prompt and the longest response stay within the positions that the model knows."""
        if isinstance(self.model, Pretrained):  # the length of its prompts is known once they are tokens
            room = self.model.context - (self.rollout.max_prompt_tokens or 0)
            if "train" in self.stages and room < 1:
                raise ValueError(
                    f"model.context={self.model.context} has no room beside rollout.max_prompt_tokens="
                    f"{self.rollout.max_prompt_tokens}: take a longer context or shorter prompts"
                )
            if "train" in self.stages and self.rollout.max_new_tokens > room:
                raise ValueError(
                    f"rollout.max_new_tokens={self.rollout.max_new_tokens} and max_prompt_tokens="
                    f"{self.rollout.max_prompt_tokens or 0} exceed model.context={self.model.context}: take at most "
                    f"{room}"
                )
            return self
        assert isinstance(self.data, Embedded)  # a model that is made here knows no other problems
        difficulties = [self.data.difficulty, self.data.train_difficulty or self.data.difficulty]
        difficulties += [one.difficulty for one in self.score.embedded]
        prompt = max(d.max_operations for d in difficulties) + 2  # start value, operations, colon
        prompt += 2 * (self.model.explained is not None) + (self.model.marked is not None)  # the answer, a word
        room = self.model.context - prompt
        if room < 1:
            raise ValueError(f"model.context={self.model.context} has no room beside a prompt of {prompt} tokens")
        for group, limit in (("rollout", self.rollout.max_new_tokens), ("score", self.score.max_new_tokens)):
            if limit > room:
                raise ValueError(
                    f"{group}.max_new_tokens={limit} and a prompt of {prompt} tokens exceed "
                    f"model.context={self.model.context}: take at most {room}"
                )
        return self

    @model_validator(mode="after")
    def every_rank_has_work(self) -> "Config":
        """Each rank samples at least a prompt and takes an equal part in every update."""
        ranks, train = self.launch.ranks, self.train
        if ranks > 1 and train.deepspeed is None:
            raise ValueError(
                f"train={train.name} is one process and launch={self.launch.name} starts {ranks}: take "
                "train=deepspeed_zero2 or train=deepspeed_zero3"
            )
        if train.prompts_per_step < ranks:
            raise ValueError(
                f"train.prompts_per_step={train.prompts_per_step} leaves some of {ranks} ranks without any"
            )
        if train.rollouts_per_update % ranks:
            raise ValueError(f"train.rollouts_per_update={train.rollouts_per_update} is no multiple of {ranks} ranks")
        if isinstance(self.data, Embedded) and self.data.validation_problems < ranks:
            raise ValueError(
                f"data.validation_problems={self.data.validation_problems} leaves some of {ranks} ranks without any"
            )
        return self

    @model_validator(mode="after")
    def embedded_sets_have_their_world(self) -> "Config":
        """Test sets of the embedded world are drawn from it."""
        if self.score.embedded and not isinstance(self.data, Embedded):
            raise ValueError(
                f"score={self.score.name} has sets of data=embedded: with data={self.data.name} take score=benchmarks"
            )
        return self

    @model_validator(mode="after")
    def steps_have_different_problems(self) -> "Config":
        """No problem is twice in a step."""
        if self.data.train_problems is not None and self.train.prompts_per_step > self.data.train_problems:
            raise ValueError(
                f"train.prompts_per_step={self.train.prompts_per_step} exceeds "
                f"data.train_problems={self.data.train_problems}"
            )
        return self

    @model_validator(mode="after")
    def choices_go_together(self) -> "Config":
        """No combination of reward, credit, estimator, objective and filter whose signal is a constant or missing."""
        for rule in RULES:
            if reason := rule(self):
                raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def problems_exist(self) -> "Config":
        """Every split has the problems that are drawn from it; nine in ten of them are soon found."""
        if not (isinstance(self.model, Tiny) and isinstance(self.data, Embedded)):
            return self
        prm, data = self.prm, self.data
        trained = data.train_difficulty or data.difficulty
        for_base = self.model.clean_demonstrations + self.model.demonstrations
        if isinstance(prm, ImplicitPrm):
            prm_key, for_prm = "prm.problems + gate.problems", prm.problems + prm.gate.problems
        else:
            assert isinstance(prm, EmbeddedPrm)
            prm_key = "prm.demonstrations + base_samples + gate.problems"
            for_prm = prm.demonstrations + prm.base_samples + prm.gate.problems
        drawn = [
            ("base", "model.clean_demonstrations + demonstrations", for_base, data.difficulty),
            ("prm", prm_key, for_prm, data.difficulty),
            ("rl", "data.train_problems", data.train_problems, trained),
            ("validation", "data.validation_problems", data.validation_problems, trained),
            *(
                ("test", "score.problems_per_set", self.score.problems_per_set or 0, one.difficulty)
                for one in self.score.embedded
            ),
        ]
        for split, key, count, difficulty in drawn:
            there = difficulty.chains(data.modulus) * SPLITS[split] // 100
            if count > 0.9 * there:
                raise ValueError(
                    f"{key}={count} is too many: split {split} has about {there} problems of "
                    f"{difficulty.min_operations} to {difficulty.max_operations} operations"
                )
        return self

    @model_validator(mode="after")
    def adapters_have_one_process(self) -> "Config":
        """What an adapter leaves to learn needs no sharding."""
        adapted = {
            "model.adapter": isinstance(self.model, Pretrained) and self.model.adapter,
            "prm.adapter": isinstance(self.prm, FitPrm) and self.prm.adapter,
        }
        for key, adapter in adapted.items():
            if adapter and self.train.deepspeed:
                raise ValueError(f"{key} learns in one process, and train={self.train.name}: take train=local")
        return self

    @model_validator(mode="after")
    def scored_steps_are_kept(self) -> "Config":
        """A step that is scored leaves its policy behind."""
        train = self.train
        for step in (one for one in self.score.checkpoints if isinstance(one, int)):
            if train.keep_every is None or step % train.keep_every or step > train.steps:
                kept = f"the multiples of train.keep_every={train.keep_every} up to train.steps={train.steps}"
                raise ValueError(
                    f"score.checkpoints names step {step}, and the policies that stay are "
                    f"{kept if train.keep_every else 'none but chosen and last: set train.keep_every'}"
                )
        return self

    @model_validator(mode="after")
    def chosen_is_chosen_by_something(self) -> "Config":
        """Without validation problems no checkpoint is better than another."""
        if isinstance(self.data, Mathematics) and not self.data.validation and "chosen" in self.score.checkpoints:
            raise ValueError(
                f"score.checkpoints=[{','.join(self.score.folders)}] wants the best validated checkpoint and "
                "data.validation is empty: take score.checkpoints=[last]"
            )
        return self
