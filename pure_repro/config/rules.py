"""What goes together: choices whose signal would be a constant or missing are refused, each with its reason.

A rule looks at all choices of a run. It returns ``None``, or one sentence that says what is wrong and what to take.
"""

from pure_repro.config.advantage import PER_STEP_LEFT, WHOLE_RESPONSE, Gae
from pure_repro.config.choices import Choices
from pure_repro.config.credit import ClipDelta, Delta, Sum, TregWeights
from pure_repro.config.data import Embedded
from pure_repro.config.filter import AccuracyBand, Prof, Unfiltered
from pure_repro.config.model import Tiny
from pure_repro.config.objective import PolicyGradient, Preference
from pure_repro.config.prm import EndpointPrm, FitPrm, GenerativePrm, ImplicitPrm, PretrainedPrm


def delta_keeps_its_meaning(config: Choices) -> str | None:
    """Where a step's return is its own score, nothing may add the steps up or leave the last one without a judge."""
    credit, estimator, reward = config.credit, config.advantage.name, config.reward
    if not isinstance(credit, Delta | ClipDelta):
        return None
    chosen = f"credit={credit.name} and advantage.name={estimator}"
    instead = "take advantage=rloo, rloo_return_mean, grpo or reinforce_pp"
    if estimator in WHOLE_RESPONSE:
        return (
            f"{chosen} collapse: {estimator} gives every step the response's total return, which under {credit.name} "
            f"is the first step's alone: {instead}"
        )
    if estimator in PER_STEP_LEFT:
        return (
            f"{chosen} pay for length: {estimator} takes off a baseline for all that is left of a response, but "
            f"the return of {credit.name} does not grow with it: {instead}"
        )
    if credit.boundary == "drop_last" and not (reward.outcomes and reward.answered_share == 1):
        return (
            f"credit.boundary=drop_last leaves the last step to the outcome, which reward={reward.name} does not pay "
            "for every problem: take credit.boundary=keep_last or reward=mixed"
        )
    return None


def reward_model_is_read_in_training(config: Choices) -> str | None:
    """A step of training reads a model that lies here; the policy's own tokens are joined by tokens."""
    prm = config.prm
    read = config.reward.process_weight > 0 and config.reward.judge is None and "train" in config.stages
    if isinstance(prm, EndpointPrm | GenerativePrm) and (read or "prm" in config.stages):
        return (
            f"prm={prm.name} examines and chooses (python -m pure_repro.prm examine), and a run neither fits nor reads "
            "it: take prm=local, or reward=verifiable and stages without prm"
        )
    if isinstance(prm, PretrainedPrm) and (prm.reads, prm.join) == ("tokens", "text") and read:
        return (
            "prm.join=text is a way to read what is kept as text, and prm.reads=tokens reads the policy's own tokens: "
            "take prm.join=token"
        )
    return None


def online_reward_model_is_told(config: Choices) -> str | None:
    """Who goes on learning from the run's own responses is told of some which are right."""
    if config.online is None or config.reward.outcomes:
        return None
    return (
        f"prm.online learns from answered problems, and reward={config.reward.name} has none: take reward=mixed_10 or "
        "prm.online=null"
    )


def reward_model_is_of_its_kind(config: Choices) -> str | None:
    """Steps are scored by one kind of reward model and tokens by another, and a frozen one has learned before."""
    implicit, fitted = config.reward.implicit, isinstance(config.prm, ImplicitPrm)
    if implicit is None:
        instead = (
            f"prm=implicit is there for reward=implicit, and reward={config.reward.name} is chosen: take prm=embedded"
        )
        return instead if fitted else None
    if implicit.start == "prm" and not fitted:
        return (
            f"reward.implicit.start=prm starts as a language model fitted to outcomes, which prm={config.prm.name} is "
            "not: take prm=implicit"
        )
    if implicit.start == "base" and implicit.update == "never":
        return (
            "reward.implicit.update=never with start=base pays 0 for every token, because the reward model stays its "
            "own reference: take start=prm and prm=implicit"
        )
    return None


def tokens_have_a_baseline(config: Choices) -> str | None:
    """Under implicit rewards every token is a step, and its own last token; a rate per token is not discounted."""
    credit, estimator = config.credit, config.advantage.name
    if estimator in ("prime_rloo", "released_prime_rloo") and isinstance(credit, Sum) and credit.gamma < 1:
        return (
            f"credit.gamma={credit.gamma:g} discounts rewards and advantage.name={estimator} takes off what the others "
            "earned undiscounted: take credit.gamma=1, or advantage=gae with advantage.gamma"
        )
    if config.reward.implicit is not None and estimator == "rloo_token_pooled":
        return (
            f"reward={config.reward.name} pays every token and advantage.name=rloo_token_pooled has no baseline for "
            "the last token of a step, so that nothing would be taken off: take advantage=prime_rloo"
        )
    return None


def critic_can_know(config: Choices) -> str | None:
    """A critic predicts one sum of rewards, undiscounted before it comes, with as many responses in every update."""
    chosen, reward, credit, train = config.advantage, config.reward, config.credit, config.train
    if not isinstance(chosen, Gae):
        return None
    if reward.outcomes and reward.answered_share < 1:
        return (
            f"advantage={chosen.name} has one value for the sum of all rewards, and reward={reward.name} pays an "
            "outcome for some problems only, which the critic cannot tell apart: take reward=mixed, prm or verifiable"
        )
    if reward.process_weight > 0 and isinstance(credit, Sum) and credit.gamma < 1:
        return (
            f"credit.gamma={credit.gamma:g} discounts what advantage={chosen.name} discounts itself: take "
            "credit.gamma=1 and advantage.gamma"
        )
    rollouts, size = train.prompts_per_step * train.samples_per_prompt, chosen.critic.rollouts_per_update
    if rollouts % size or size % config.launch.ranks:
        return (
            f"advantage.critic.rollouts_per_update={size} does not divide train.prompts_per_step × samples_per_prompt "
            f"= {rollouts}, or is no multiple of {config.launch.ranks} ranks"
        )
    return None


def response_has_one_score(config: Choices) -> str | None:
    """A score of the whole response is paid once, at its end, by a model that knows whole responses."""
    credit, reward = config.credit, config.reward
    if reward.judges == "steps" or reward.process_weight == 0:
        return None
    if isinstance(config.prm, FitPrm):
        return (
            f"reward.judges=response wants verdicts on whole responses, and the rows of prm={config.prm.name} end at "
            "their first wrong step: take prm=embedded or a pretrained reward model"
        )
    if not isinstance(credit, Sum):
        return (
            f"credit={credit.name} weighs the scores of steps, and reward={reward.name} has one, of the response: take "
            "credit=sum"
        )
    return None


def macro_actions_have_values(config: Choices) -> str | None:
    """Without a critic every token of a response shares one advantage, or takes its step's."""
    if config.macro.name == "token" or isinstance(config.advantage, Gae):
        return None
    return (
        f"macro={config.macro.name} joins the values of tokens, and advantage.name={config.advantage.name} has none: "
        "take advantage=gae or macro=token"
    )


def outcomes_are_there(config: Choices) -> str | None:
    """What looks at outcomes needs a reward that has them."""
    reward = config.reward
    if reward.outcomes:
        return None
    if reward.implicit is not None:
        return (
            f"reward.implicit learns from outcomes, and reward={reward.name} has none: raise reward.verifiable_weight "
            "and answered_share above 0"
        )
    if config.filter.name != "none":
        return (
            f"filter={config.filter.name} looks at outcomes, and reward={reward.name} has none: "
            "take filter=none or a reward with answers"
        )
    if reward.overlong is not None:
        return (
            f"reward.overlong is taken off the verifiable reward, which reward={reward.name} does not pay: "
            "take reward.overlong=null or a reward with answers"
        )
    return None


def steps_and_outcomes_can_agree(config: Choices) -> str | None:
    """A filter by both needs scores of steps and outcomes of all problems, and leaves a critic fewer responses."""
    reward = config.reward
    if not isinstance(config.filter, Prof):
        return None
    if reward.implicit is not None or reward.judge is not None or reward.judges != "steps":
        return (
            f"filter=prof compares outcomes with the scores of steps, and reward={reward.name} has none: take "
            "reward=verifiable or mixed"
        )
    if reward.answered_share < 1:
        return (
            f"filter=prof compares the scores of steps with outcomes, and reward={reward.name} has some for "
            f"{reward.answered_share:g} of the problems alone: take reward=verifiable or mixed"
        )
    if reward.on_timeout == "unknown":
        return (
            "filter=prof sorts responses into right and wrong ones, and reward.on_timeout=unknown has some that are "
            "neither: take reward.on_timeout=wrong"
        )
    if isinstance(config.advantage, Gae):
        return "filter=prof leaves advantage=gae fewer responses than its updates take: take another estimator"
    return None


def prpo_takes_sums_apart(config: Choices) -> str | None:
    """Scores of steps are read off what is still to come of their sum."""
    credit, reward = config.credit, config.reward
    if config.advantage.name != "prpo":
        return None
    standardises = "advantage.name=prpo standardises the score of every step, and"
    if reward.process_weight == 0 or reward.judges != "steps" or reward.judge or reward.implicit is not None:
        return f"{standardises} reward={reward.name} gives none: take method=prpo"
    if not isinstance(credit, Sum) or credit.gamma < 1:
        return f"{standardises} credit={credit.name} does not give it: take method=prpo"
    return None


def filter_can_be_met(config: Choices) -> str | None:
    """Some number of right responses lies in the band, and no step draws a problem twice."""
    chosen, train = config.filter, config.train
    if isinstance(chosen, Unfiltered | Prof):
        return None
    samples, drawn = train.samples_per_prompt, train.prompts_per_step * chosen.max_rounds
    if isinstance(chosen, AccuracyBand) and not any(
        chosen.low <= right / samples <= chosen.high for right in range(samples + 1)
    ):
        return (
            f"filter.low={chosen.low:g} and filter.high={chosen.high:g} hold no share of "
            f"train.samples_per_prompt={samples} responses: take a wider band"
        )
    if config.data.train_problems is not None and drawn > config.data.train_problems:
        return (
            f"train.prompts_per_step × filter.max_rounds = {train.prompts_per_step} × {chosen.max_rounds} = {drawn} "
            f"exceeds data.train_problems={config.data.train_problems}"
        )
    return None


def penalties_act(config: Choices) -> str | None:
    """Long responses end within the limit, and a divergence in the loss pulls somewhere."""
    overlong, limit = config.reward.overlong, config.rollout.max_new_tokens
    if overlong is not None and overlong.window > limit:
        return f"reward.overlong.window={overlong.window} exceeds rollout.max_new_tokens={limit}"
    if not isinstance(config.objective, PolicyGradient):
        return None
    kl = config.objective.kl
    if kl.beta > 0 and kl.where == "loss" and kl.estimator == "k1":
        return (
            "objective.kl.estimator=k1 with objective.kl.where=loss penalises nothing, because its gradient has "
            "mean zero: take k2 or k3, or where=reward"
        )
    return None


def old_tokens_are_weighed(config: Choices) -> str | None:
    """A token that earlier weights have drawn counts by how likely it is under those that learn from it."""
    objective, cap = config.objective, config.rollout.max_tokens_per_step
    if cap is None or not isinstance(objective, PolicyGradient) or objective.importance_cap is not None:
        return None
    return (
        f"rollout.max_tokens_per_step={cap} lets responses go on under other weights than began them, and "
        "objective.importance_cap=null takes all their tokens for the policy's own: take objective.importance_cap=2"
    )


def judge_pays_achievements(config: Choices) -> str | None:
    """Achievements are summed; who judges understands the words of the world."""
    judge, credit, name = config.reward.judge, config.credit.name, config.reward.name
    if judge is None:
        return None
    if credit in ("min", "min_strict", "released_token_min", "clip", "clip_delta"):
        return (
            f"credit={credit} looks for the worst step, and reward={name} pays 0 for most steps and below 0 for none, "
            "so that nothing would be paid: take credit=sum"
        )
    world = isinstance(config.data, Embedded)
    if judge.who == "fitted" and not (world and isinstance(config.model, Tiny)):
        return f"reward.judge.who=fitted knows the embedded world alone: with data={config.data.name} take who=endpoint"
    if not world and (judge.subgoals is None or judge.labelled is None):
        return (
            f"reward={name} needs reward.judge.subgoals and reward.judge.labelled with data={config.data.name}: "
            "name two files of JSON lines"
        )
    return None


def pairs_can_be_made(config: Choices) -> str | None:
    """A pair is a right and a wrong answer, and nothing else that is rewarded is read."""
    objective, reward, train = config.objective, config.reward, config.train
    if not isinstance(objective, Preference):
        return None
    learns = f"objective={objective.name} learns from right and wrong answers alone"
    if not reward.outcomes:
        return f"{learns}, and reward={reward.name} has none: take reward=verifiable"
    if reward.process_weight > 0:
        return f"{learns}, and reward={reward.name} also pays steps, which nobody would read: take reward=verifiable"
    if isinstance(config.advantage, Gae):
        return f"{learns}, and advantage=gae trains a critic, which nobody would ask: take advantage=rloo"
    if reward.overlong is not None:
        return f"{learns}, and reward.overlong is a part of neither: take reward.overlong=null"
    rollouts = train.prompts_per_step * train.samples_per_prompt
    if train.rollouts_per_update < rollouts:
        return (
            f"train.rollouts_per_update={train.rollouts_per_update} would part the pairs of "
            f"objective={objective.name}, which learns from all of a step's responses at once: take {rollouts}"
        )
    return None


def positives_can_be_found(config: Choices) -> str | None:
    """Right answers are explained or demonstrated to somebody who knows the answer and needs one."""
    choice, objective, reward, model = config.positives, config.objective.name, config.reward, config.model
    if choice is None:
        return None
    if not reward.outcomes:
        return (
            f"objective={objective} needs answers to explain, and reward={reward.name} has none: "
            "take a reward with answers"
        )
    if config.filter.name != "none" and choice.when == "all_wrong":
        return (
            f"filter={config.filter.name} leaves out problems whose responses are all wrong, and objective={objective} "
            "explains just those: take filter=none or objective.positives.when=always"
        )
    if choice.source == "expert" and not isinstance(config.data, Embedded):
        return (
            f"objective.positives.source=expert demonstrates the embedded world, which data={config.data.name} is not: "
            "take source=explanation"
        )
    taught = model.explained.prompt if isinstance(model, Tiny) and model.explained else None
    if choice.source == "explanation" and isinstance(model, Tiny) and taught != choice.prompt:
        return (
            f"model={model.name} has not learned to be asked with the answer as in objective.positives.prompt="
            f"{choice.prompt!r}: take model=tiny_asked"
        )
    return None


def contrast_is_understood(config: Choices) -> str | None:
    """Who rewards tokens by contrast knows the two ways to ask; steps are not weighed by it."""
    contrast, model, credit, reward = config.contrast, config.model, config.credit, config.reward
    if isinstance(credit, TregWeights) and reward.process_weight > 0:
        return (
            f"credit=treg_weights shares out the advantage of an answer over its tokens, and reward={reward.name} pays "
            "steps, whose returns it does not say: take reward=verifiable"
        )
    if contrast is None or not isinstance(model, Tiny):
        return None
    if model.marked is None or (contrast.better, contrast.worse) != (model.marked.better, model.marked.worse):
        return (
            f"model={model.name} has not learned what {contrast.better!r} and {contrast.worse!r} ask for: "
            "take model=tiny_asked"
        )
    return None


RULES = (
    delta_keeps_its_meaning,
    response_has_one_score,
    critic_can_know,
    macro_actions_have_values,
    reward_model_is_of_its_kind,
    reward_model_is_read_in_training,
    online_reward_model_is_told,
    tokens_have_a_baseline,
    outcomes_are_there,
    filter_can_be_met,
    steps_and_outcomes_can_agree,
    penalties_act,
    old_tokens_are_weighed,
    judge_pays_achievements,
    pairs_can_be_made,
    positives_can_be_found,
    contrast_is_understood,
    prpo_takes_sums_apart,
)
