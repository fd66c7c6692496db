"""The recipes of the paper: everything composes, and the page of differences says what the configurations say."""

import json
import os
import re
from functools import cache
from typing import get_args

import pytest
import torch
import yaml

from pure_repro.advantage import advantage_estimator
from pure_repro.advantage.combine import Returns, with_switches
from pure_repro.advantage.whiten import whiten
from pure_repro.config import Compared, Config, ConfigError
from pure_repro.config.advantage import Estimator
from pure_repro.launch.compose import CONF, choices_of, composed
from pure_repro.launch.plan import plan
from pure_repro.launch.recipe_estimators import estimator_words, method_words
from pure_repro.launch.shapes import KNOWN
from pure_repro.train.advantages import BaselineEstimator
from pure_repro.types import Batch, Problem, Rollouts, Steps

MODELS = ("qwen2_5_math_7b", "qwen2_5_7b", "qwen2_5_math_1_5b")
ROWS = ("pure_vr", "pure_prm", "pure_prm_vr", "prm_sum")
RECIPES = ("paper", "released_main", "released_verl")
PAGE = CONF.parent / "docs" / "recipes.md"


def resolved(recipe: str, row: str, model: str = MODELS[0]) -> Config:
    return composed([f"recipe={recipe}", f"model={model}", f"experiment=table1/{row}"])


def leaves(tree: object, prefix: str = "") -> dict[str, object]:
    """Dotted keys and values; benchmarks by their names."""
    if isinstance(tree, dict):
        return {k: v for name, value in tree.items() for k, v in leaves(value, f"{prefix}.{name}".strip(".")).items()}
    if isinstance(tree, list):
        tree = [one["name"] if isinstance(one, dict) else one for one in tree]
    return {prefix: tree}


@cache
def cells() -> dict[tuple[str, str], dict[str, object]]:
    """By row and recipe, every key and its value."""
    return {(row, recipe): leaves(resolved(recipe, row).model_dump(mode="json")) for row in ROWS for recipe in RECIPES}


def page() -> dict[str, list[object]]:
    """The table of the page: key → value in each recipe."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.+?) \| .+ \|$", PAGE.read_text(), flags=re.MULTILINE)
    return {key: [yaml.safe_load(value) for value in values] for key, *values in rows}


def test_the_page_lists_exactly_the_differences():
    differ = {
        key
        for row in ROWS
        for key in cells()[row, "paper"]
        if len({json.dumps(cells()[row, recipe][key]) for recipe in RECIPES}) > 1
    }
    assert set(page()) == differ


def test_the_page_has_the_values():
    for key, values in page().items():
        assert values == [cells()["pure_prm_vr", recipe][key] for recipe in RECIPES], key


# What the paper (arXiv 2504.15275v3 §3, §4.2) and the scripts of the releases say, typed from them and not from conf/.
EVERYWHERE = {
    "data.train_problems": 8523,
    "data.answered_problems": 879,
    "reward.answered_share": 0.1,
    "reward.verifiable_weight": 1.0,
    "credit.name": "min",
    "credit.temperature": 0.1,
    "rollout.top_p": 1.0,
    "rollout.max_prompt_tokens": 1024,
    "advantage.whiten": True,
    "objective.clip": 0.2,
    "objective.clip_high": 0.2,
    "objective.temperature": 1.0,
    "objective.kl.beta": 1e-3,
    "objective.kl.where": "reward",
    "train.prompts_per_step": 64,
    "train.beta1": 0.9,
    "train.max_grad_norm": 1.0,
    "score.max_new_tokens": 3000,
    "score.samples": 0,
}
SAID: dict[str, dict[str, object]] = {
    "paper": {
        **{"train.learning_rate": 1e-6, "train.samples_per_prompt": 8, "train.rollouts_per_update": 512},
        **{"train.steps": 500, "train.checkpoint_every": 50, "rollout.max_new_tokens": 8192},
        **{"rollout.temperature": 1.0, "reward.right": 1.0, "reward.wrong": 0.0, "reward.process_weight": 1.0},
        **{"advantage.name": "rloo_paper", "advantage.outcome": "rloo", "reward.keep_groups": "all"},
    },
    "released_main": {
        **{"seed": 42, "train.learning_rate": 5e-7, "train.samples_per_prompt": 4, "train.rollouts_per_update": 128},
        **{"train.steps": 500, "train.checkpoint_every": 20, "train.beta2": 0.95, "train.weight_decay": 0.0},
        **{"rollout.temperature": 0.5, "rollout.max_new_tokens": 2048, "reward.right": 0.0, "reward.wrong": -1.0},
        **{"reward.process_weight": 1.0, "reward.keep_groups": "all", "advantage.name": "rloo_token_pooled"},
        **{"advantage.outcome": "rloo", "advantage.penalty": "none", "advantage.mask_step_ends": True},
        **{"objective.kl.estimator": "k1", "objective.kl.clamp": None, "objective.aggregation": "sequence_mean"},
        **{"objective.max_mean_ratio": 10.0},
    },
    "released_verl": {
        **{"seed": 1, "train.learning_rate": 1e-6, "train.samples_per_prompt": 8, "train.rollouts_per_update": 512},
        **{"train.steps": 20 * 133, "train.checkpoint_every": 50, "train.validate_every": 10, "train.beta2": 0.999},
        **{"train.weight_decay": 1e-2, "rollout.temperature": 1.0, "rollout.max_new_tokens": 7168},
        **{"model.context": 8192, "data.validation": ["aime24", "math500"], "reward.right": 1.0, "reward.wrong": 0.0},
        **{"reward.process_weight": 0.5, "reward.keep_groups": "remove_extreme", "advantage.mask_step_ends": False},
        **{"advantage.name": "rloo_return_mean", "advantage.outcome": "rloo_return_mean"},
        **{"advantage.penalty": "rloo_return_mean", "objective.kl.estimator": "k3", "objective.kl.clamp": 10.0},
        **{"objective.aggregation": "token_mean", "objective.max_mean_ratio": None},
    },
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_published_value_is_a_key(recipe):
    cell = cells()["pure_prm_vr", recipe]
    said = EVERYWHERE | SAID[recipe]
    assert {key: cell[key] for key in said} == said
    assert cells()["prm_sum", recipe]["credit.gamma"] == 1.0, "both releases force it"
    assert cells()["pure_vr", recipe]["reward.answered_share"] == 1.0


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", MODELS)
def test_every_cell_composes_and_plans(recipe, model):
    for row in ROWS:
        config = resolved(recipe, row, model)
        assert (config.recipe, config.model.name) == (recipe, model) and config.model.path in KNOWN
        assert list(plan(config)) == ["train", "score"], "nothing is fitted before"
        assert (config.reward.process_weight > 0) == (row != "pure_vr")
        assert (config.reward.verifiable_weight > 0) == (row in ("pure_vr", "pure_prm_vr"))
        assert config.credit.name == ("sum" if row == "prm_sum" else "min")
        room = config.model.context - config.rollout.max_prompt_tokens - config.rollout.max_new_tokens
        assert room >= 0


@pytest.mark.parametrize(
    ("recipe", "row", "model", "rate", "steps"),
    [  # PURE §4.2
        ("paper", "pure_vr", "qwen2_5_math_7b", 1e-6, 500),
        ("paper", "pure_prm", "qwen2_5_math_1_5b", 5e-7, 500),
        ("paper", "prm_sum", "qwen2_5_7b", 5e-7, 1000),
        ("paper", "pure_prm_vr", "qwen2_5_7b", 1e-6, 1000),
    ],
)
def test_values_that_depend_on_another_choice(recipe, row, model, rate, steps):
    train = resolved(recipe, row, model).train
    assert (train.learning_rate, train.steps) == (rate, steps)


def test_the_command_line_wins_over_a_recipe():
    config = composed(
        ["recipe=released_main", "seed=7", "train.steps=3", "model=qwen2_5_7b", "train.learning_rate=1e-5"]
    )
    assert (config.seed, config.train.steps, config.train.learning_rate) == (7, 3, 1e-5)
    assert config.model.path == "Qwen/Qwen2.5-7B"


@pytest.mark.parametrize("prm", ["pure_prm_7b", "qwen2_5_math_prm_7b", "math_shepherd_7b", "fit_prm800k"])
def test_every_reward_model_composes_with_every_recipe(prm):
    for recipe in RECIPES:
        stages = plan(composed([f"recipe={recipe}", f"prm={prm}", "experiment=table1/pure_prm"]))
        assert list(stages) == (["prm", "train", "score"] if prm == "fit_prm800k" else ["train", "score"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "recipe=paper model.context=4096",
            "rollout.max_new_tokens=8192 and max_prompt_tokens=1024 exceed model.context=4096: take at most 3072",
        ),
        (
            "recipe=paper data.validation=[] score.checkpoints=[chosen]",
            "score.checkpoints=[chosen] wants the best validated checkpoint and data.validation is empty: take "
            "score.checkpoints=[last]",
        ),
        (
            "data=math_8k_879",
            "model=tiny knows the words of the embedded world alone: with data=math_8k_879 and prm=embedded take "
            "another model",
        ),
        (
            "recipe=paper score=embedded",
            "score=embedded has sets of data=embedded: with data=math_8k_879 take score=benchmarks",
        ),
        ("recipe=paper prm.head=words", "prm.words is needed by head=words and by no other"),
        ("recipe=paper prm=qwen2_5_math_prm_7b prm.step=x", "prm.step='x' lacks the place for a step, {step}"),
        ("recipe=paper data.validation=[aime25]", "data.validation=aime25 is no benchmark: take some of "),
    ],
)
def test_a_mistake_is_named(words, sentence):
    with pytest.raises(ConfigError) as caught:
        composed(words.split())
    assert str(caught.value).startswith(sentence), caught.value


ESTIMATORS = get_args(Estimator)
METHODS = ("none", *choices_of("method"))
OWN = {
    "dapo": "grpo",
    "dr_grpo": "dr_grpo",
    "prime": "prime_rloo",
    "prof": "grpo",
    "prpo": "prpo",
}  # what methods bring
COMPOSED = ("embedded", "one_gpu", *RECIPES)
WHY = (": take", "nobody has published a value", "needs reward.judge.subgoals")  # of what is refused
# What a recipe sets of its own estimator alone: baselines of outcome and penalty, whitening, masked step ends.
OF_RECIPE = {
    ("embedded", "rloo_token_pooled"): ("rloo", "none", True, True),
    ("paper", "rloo_paper"): ("rloo", "none", True, False),
    ("released_main", "rloo_token_pooled"): ("rloo", "none", True, True),
    ("released_verl", "rloo_return_mean"): ("rloo_return_mean", "rloo_return_mean", True, False),
}
OUTCOME = {
    "prpo": "dr_grpo",  # what the process estimators leave an outcome to; all others compare it by themselves
    **dict.fromkeys(("rloo_token_pooled", "rloo_paper", "rloo_step", "prime_rloo", "released_prime_rloo"), "rloo"),
}
SUMMED = ("grpo", "reinforce_pp", "reinforce_pp_baseline")  # verl and OpenRLHF normalise the sum of all rewards


def batch() -> tuple[Batch, list[torch.Tensor]]:
    """Twelve responses to three problems, the last without an answer; returns of steps and outcomes."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < torch.randint(2, 7, (12, 1), generator=draw)
    values = [torch.randn(12, 6, generator=draw) * mask, torch.randint(0, 2, (12, 1), generator=draw).float() * mask]
    steps = Steps(torch.stack([torch.zeros(12, dtype=torch.long), mask.sum(1) - 1], 1), torch.ones(12, 2).bool())
    group, tokens = torch.arange(3).repeat_interleave(4), torch.zeros(12, 6, dtype=torch.long)
    some = torch.ones(12, dtype=torch.bool)
    rollouts = Rollouts(
        tokens[:, :1], mask[:, :1], tokens, mask, torch.zeros(12, 6), some, group, torch.zeros_like(group)
    )
    problems = [Problem(str(n), str(n), None) for n in range(3)]
    return Batch(problems, rollouts, steps, [""] * 12, [""] * 12, some), values


def by_hand(one: Batch, values: torch.Tensor, known: torch.Tensor, estimator: str) -> torch.Tensor:
    """An estimator's own function, of the rows that it is to see."""
    made, rows = torch.zeros_like(values), known.nonzero().squeeze(1)
    parts = (values[rows], one.rollouts.mask[rows], one.rollouts.group[rows], one.steps.rows(rows))
    made[rows] = advantage_estimator(estimator)(*parts, max_tokens=6)
    return made


def table_of_estimators() -> dict[str, list[str]]:
    """What the page says: method or estimator → the estimator in each recipe."""
    written = (CONF.parent / "docs" / "compatibility.md").read_text().split("## The estimator that runs", 1)[1]
    rows = re.findall(r"^\| `?(–|[a-z]+=\w+)`? \| (.+) \|$", written, flags=re.MULTILINE)
    return {label: cells.split(" | ") for label, cells in rows}


def composes(words: list[str]) -> Config | str:
    """The configuration, or why there is none."""
    try:
        return composed([*words, "rollout.max_new_tokens=6"])
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("recipe", COMPOSED)
def test_the_estimator_that_is_named_is_the_one_that_runs(recipe):
    """Recipe × method × estimator: on arrays, against the estimator's own function and the recipe's switches.

    By default each method with the estimator that it brings, and every second estimator with one method in turn; all
    of them with COMBINATIONS=all. What the page says of those that it names is held against it.
    """
    one, (process, outcome) = batch()
    known, everyone = one.rollouts.group < 2, torch.ones(12, dtype=torch.bool)
    at, everything = COMPOSED.index(recipe), os.environ.get("COMBINATIONS") == "all"
    in_turn = {(name, METHODS[(n + at) % len(METHODS)]) for n, name in enumerate(ESTIMATORS) if (n + at) % 2}
    for method in METHODS:
        for estimator in (None, *ESTIMATORS):
            if estimator and (estimator, method) not in in_turn and not everything:
                continue
            words = [f"recipe={recipe}", *(method_words(method) if method != "none" else ["reward=mixed_10"])]
            config = composes(words + ([f"advantage={estimator}"] if estimator else []))
            if method == "none" or estimator is None:
                label = f"advantage={estimator}" if estimator else f"method={method}".replace("method=none", "–")
                said = "refused" if isinstance(config, str) else estimator_words(config)
                assert table_of_estimators()[label][at].split(" (")[0] == said, (
                    f"{words} {estimator}: make compatibility"
                )
            if isinstance(config, str):
                assert any(why in config for why in WHY) and ": " in config, f"{words} {estimator}: {config}"
                continue
            choice, name = config.advantage, estimator or OWN.get(method, config.advantage.name)
            assert isinstance(choice, Compared) and choice.name == name
            usual = (OUTCOME.get(name, name), "none", name == "released_prime_rloo", False)
            of_outcome, _, whitened, masked = OF_RECIPE.get((recipe, name), usual)
            assert (choice.outcome, choice.whiten, choice.mask_step_ends) == (of_outcome, whitened, masked), words
            returns = [Returns(process, everyone, 0.5, choice.name), Returns(outcome, known, 1.0, choice.outcome)]
            made, _ = BaselineEstimator(config).estimate(one, returns)
            if recipe in RECIPES and name in SUMMED:
                expected = by_hand(one, 0.5 * process + outcome * known[:, None], everyone, name)
            else:
                expected = 0.5 * by_hand(one, process, everyone, name) + by_hand(one, outcome, known, of_outcome)
            torch.testing.assert_close(made, expected)
            if whitened and not masked:
                switched = with_switches(made, one.rollouts, one.steps, everyone, choice)
                torch.testing.assert_close(switched, whiten(made, one.rollouts.mask, eps=choice.whiten_eps))


def test_a_problem_without_an_answer_is_not_a_wrong_one():
    """Of 4 · 2 answered responses, half of them right: ±1 for each, whatever is beside them."""
    one, _ = batch()
    known = one.rollouts.group < 2
    right = torch.tensor([1.0, 0.0] * 6)[:, None] * one.rollouts.mask
    for name in ("reinforce_pp", "reinforce_pp_baseline"):
        config = composed([f"advantage={name}"])
        made, _ = BaselineEstimator(config).estimate(one, [Returns(right, known, 1.0, name)])
        assert (made[~known] == 0).all()
        of = made[known][one.rollouts.mask[known]]
        assert of.mean().abs() < 1e-5 and of.std() == pytest.approx(1, abs=1e-4)


CELLS_OF = {
    path.parent.name: yaml.safe_load(path.read_text()) for path in (CONF.parent / "experiments").glob("*/cells.yaml")
}
CHOICES_OF_EXPERIMENT = sorted(
    str(p.relative_to(CONF / "experiment").with_suffix("")) for p in CONF.glob("experiment/*/*.yaml")
)


def as_published_or_refused(words: list[str]) -> Config | str:
    """At the paper's scale: with rates that a source has or the words name, or refused with the reason."""
    made = composes(["recipe=paper", *words])
    if isinstance(made, str):
        embedded = "this experiment is of the embedded world" in made
        other = re.search(r"(prm|data)\.[\w.]+ is no key: .*; \1=embedded.* ha(s|ve) one$", made)
        assert embedded or other or "nobody has published a value" in made, made
    else:
        assert made.train.learning_rate in (5e-7, 1e-6) and made.train.samples_per_prompt == 8
        of_reward = made.reward.implicit and made.reward.implicit.learning_rate
        assert of_reward in (None, 1e-6, *(float(w.split("=")[1]) for w in words if "implicit.learning_rate" in w))
    return made


@pytest.mark.parametrize("name", CHOICES_OF_EXPERIMENT)
def test_an_experiment_has_published_values_or_is_refused(name):
    made = as_published_or_refused([f"experiment={name}"])
    assert isinstance(made, Config) == name.startswith(("table1/", "ingredients/")), "those of the paper itself"


@pytest.mark.parametrize("name", sorted(CELLS_OF))
def test_the_rows_of_an_experiment_have_published_values_or_are_refused(name):
    """The last row of each; all of them with COMBINATIONS=all. What rows name themselves is theirs."""
    rows = [*CELLS_OF[name].values()]
    for row in rows if os.environ.get("COMBINATIONS") == "all" else rows[-1:]:
        as_published_or_refused(row["overrides"])


def test_values_of_a_method_at_the_scale_of_the_paper():
    prime, dapo = (composed(["recipe=paper", f"method={name}"]) for name in ("prime", "dapo"))
    assert prime.reward.implicit is not None and prime.reward.implicit.learning_rate == 1e-6
    assert prime.train.learning_rate == 5e-7, "PRIME's script"
    assert dapo.reward.overlong is not None and dapo.reward.overlong.window == 1638, "a fifth of 8192"
    gae = composed(["recipe=paper", "reward=verifiable", "advantage=gae"]).advantage
    assert (gae.critic.learning_rate, gae.critic.value_clip, gae.lam) == (1e-5, 0.5, 1.0), "verl"


def test_a_kept_step_can_be_scored():
    kept = composed(["recipe=paper", "score.checkpoints=[100,last]"])
    assert kept.score.folders == ("step100", "last")
    trained = [plan(composed(["train.keep_every=2", f"score.checkpoints=[{n},last]"]))["train"].address for n in (2, 4)]
    assert trained[0] == trained[1], "another step costs no training"
    with pytest.raises(ConfigError, match="names step 70, and the policies that stay are the multiples of"):
        composed(["recipe=paper", "score.checkpoints=[70]"])
