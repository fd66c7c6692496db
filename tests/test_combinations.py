"""Every choice with others, two updates each, and the page that lists them.

By default a set runs in which every choice occurs; COMBINATIONS=pairs runs one in which every pair of choices that go
together occurs, and COMBINATIONS=all all of them.
"""

import json
import math
import os

import pytest
import yaml

from pure_repro.config import Config
from pure_repro.launch.compatibility import (
    BASE,
    GROUPS,
    Combination,
    choice_pairs,
    choice_values,
    covering,
    page,
    refused_pairs,
    verdicts,
)
from pure_repro.launch.compose import CONF, ConfigError, composed
from pure_repro.launch.run import prepared, run

TINY = (
    *("recipe=smoke", "track=none", "stages=[base,prm,train]", "rollout.max_new_tokens=16"),
    *("model.hidden_size=32", "model.intermediate_size=64", "model.layers=2", "model.heads=2", "prm.extra_layers=1"),
    *("train.steps=2", "train.prompts_per_step=2", "train.samples_per_prompt=2", "train.rollouts_per_update=4"),
    *("train.validate_every=9", "train.checkpoint_every=9", "train.rollouts_every=9", "data.validation_problems=2"),
    *("data.train_problems=32", "score.problems_per_set=2", "model=tiny_asked"),
)
CAPPED = ("clip", "clip_delta", "released_token_min")  # of scores above 0 they make returns of 0, by their formula
MACROS = sorted(path.stem for path in (CONF / "macro").glob("*.yaml"))
METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml") if path.stem != "calm")  # it needs an endpoint


@pytest.fixture(scope="module")
def found() -> dict[Combination, Config | str]:
    """Every combination with its configuration, or why it is refused."""
    return verdicts()


def every_choice_once(allowed: list[Combination]) -> list[Combination]:
    """Few combinations that hold every choice between them."""
    left, kept = {(group, choice) for one in allowed for group, choice in zip(GROUPS, one, strict=True)}, []
    while left:
        kept.append(max(allowed, key=lambda one: len(left.intersection(zip(GROUPS, one, strict=True)))))
        left.difference_update(zip(GROUPS, kept[-1], strict=True))
    return kept


def test_choices_train_together(found, tmp_path, capsys):
    allowed = [combination for combination, verdict in found.items() if isinstance(verdict, Config)]
    wanted = os.environ.get("COMBINATIONS")
    chosen = allowed if wanted == "all" else covering(found) if wanted == "pairs" else every_choice_once(allowed)
    words = (*TINY, f"store={tmp_path}")
    base = composed(words).model_dump(mode="json")
    sets = choice_values(words)  # composed once each, and not once for each combination
    for kept in sets["filter"].values():
        kept |= {"max_rounds": 2} if "max_rounds" in kept else {}
    sets["reward"]["judge"]["judge"] |= {"demonstrations": 64, "examined": 10}
    configs = [
        Config.model_validate(
            base | {group: sets[group][choice] for group, choice in zip(GROUPS, combination, strict=True)}
        )
        for combination in chosen
    ]
    configs += [
        composed([*words, "reward=mixed", "credit=clip_delta", "advantage=gae", f"macro={macro}"]) for macro in MACROS
    ]
    for method in METHODS:
        configs += [composed([*words, f"method={method}", *(["reward.overlong.window=4"] if method == "dapo" else [])])]
    for config in configs:
        run(config, prepared(config))
    capsys.readouterr()
    with capsys.disabled():
        print(f"\n{len(chosen)} of {len(allowed)} combinations trained, {len(found) - len(allowed)} refused")

    moved = []
    for folder in (tmp_path / "train").iterdir():
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [1, 2]
        assert all(math.isfinite(value) for row in rows for value in row.values())
        assert all(row["sampler/logprob_gap_mean"] < 0.1 for row in rows), "the sampler drew from the policy"
        form = yaml.safe_load((folder / "config.yaml").read_text()).get("credit", {"name": None})["name"]
        for row in (row for row in rows if "reward/process" in row and "judge/asked" not in row):
            likes_every_step = row["reward/process_min"] > 0
            knows_nothing = row["step"] == 1 and "implicit/ranked_right" in row  # it is still its own reference
            moved.append(row["policy/grad_norm"] > 0 or (form in CAPPED and likes_every_step) or knows_nothing)
    assert sum(moved) > 0.9 * len(moved) > 0, "process rewards teach"


def test_the_covering_set_holds_every_pair_that_runs(found):
    runs = {
        pair
        for combination, verdict in found.items()
        if isinstance(verdict, Config)
        for pair in choice_pairs(combination)
    }
    assert {pair for combination in covering(found) for pair in choice_pairs(combination)} == runs


def test_a_combination_is_refused_exactly_when_it_holds_a_refused_pair(found):
    reasons = refused_pairs(found)
    assert reasons
    for combination, verdict in found.items():
        held = [reasons[pair] for pair in choice_pairs(combination) if pair in reasons]
        assert bool(held) == isinstance(verdict, str), combination
        assert isinstance(verdict, Config) or verdict in held
    for pair, reason in reasons.items():
        assert all(choice in reason for _, choice in pair) or pair[0][0] == "reward", "the reason names what is wrong"


@pytest.mark.parametrize("words", ["reward=mixed credit=delta advantage=rloo", "reward=prm filter=differing"])
def test_the_page_asks_the_rules_that_a_run_meets(words, found):
    chosen = dict(word.split("=") for word in words.split())
    usual = {
        "reward": "prm",
        "credit": "min",
        "advantage": "rloo_token_pooled",
        "objective": "ppo_clip",
        "filter": "none",
    }
    verdict = found[tuple((usual | chosen)[group] for group in GROUPS)]
    try:
        assert composed([*BASE, *words.split()]).model_dump() == verdict.model_dump()  # type: ignore[union-attr]
    except ConfigError as error:
        assert str(error) == verdict


def test_the_page_is_what_the_rules_say(found):
    written = (CONF.parent / "docs" / "compatibility.md").read_text()
    assert written.startswith(page(found)), "the rules or the choices changed: make compatibility"
