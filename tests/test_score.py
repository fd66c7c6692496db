"""Scores: estimators by hand, a model scored through the real entry point, graded again, compared."""

import gzip
import hashlib
import json
import shutil
import time
from itertools import combinations, product
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hub_model import CHAT_END, END, save_hub_model

from pure_repro.config import ConfigError, Grading
from pure_repro.grading import grade_many
from pure_repro.launch.compose import CONF, composed, template
from pure_repro.launch.plan import made_of, plan
from pure_repro.models.policy import load_policy
from pure_repro.reward.verifiable import outcomes_of
from pure_repro.score import generations
from pure_repro.score.compare import Incomparable, compare_scores, mcnemar
from pure_repro.score.estimators import majority, pass_at
from pure_repro.score.tables import estimates, outcomes
from pure_repro.train import responder
from pure_repro.types import Problem
from tests.grading.conftest import DATA as FILES

DATA = FILES / "benchmarks"
STRICT = Grading(profile="strict", deadline=5.0, workers=2, memory_mib=1024)
SETS = ("math500", "minerva_math", "olympiadbench", "aime24", "amc23", "gsm8k")
WORDS = (
    *("stages=[score]", "model=local", "model.dtype=float32", "score=benchmarks", "track=none"),
    *("score.problems_per_set=20", "score.samples_of_small_sets=4", "score.max_new_tokens=12", "score.temperature=1"),
)
TABLES = ("scores.json", "table.json", "table.md", "verdicts.jsonl.gz")


@pytest.mark.parametrize("right", range(5))
@pytest.mark.parametrize("k", range(1, 5))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(k, right):
    samples = [1] * right + [0] * (4 - right)
    assert pass_at(k, right, 4) == pytest.approx(np.mean([max(draw) for draw in combinations(samples, k)]))


def test_the_majority_votes_by_meaning():
    same = lambda a, b: float(a) == float(b)  # noqa: E731
    assert majority(["1", "2", "2.0", "3", "2.00"], same) == 1
    assert majority(["3", "2", "2", "3"], same) == 0, "the earlier of two"
    assert majority([None, "5", None], same) == 1
    assert majority([None, None], same) is None


@pytest.mark.parametrize(("alone", "theirs"), [*product(range(6), repeat=2)])
def test_mcnemar_is_the_sign_test_of_what_differs(alone, theirs):
    ours_right, theirs_right = [1] * alone + [0] * theirs + [1, 0], [0] * alone + [1] * theirs + [1, 0]
    n = alone + theirs
    tail = sum(comb(n, i) for i in range(n + 1) if comb(n, i) <= comb(n, alone)) / 2**n  # all that is as unlikely
    assert mcnemar(ours_right, theirs_right) == pytest.approx(tail)


def rows(said: dict[str, list[str]], answer: str = "5", name: str = "mine") -> list[dict]:
    """Generations of a set: per problem a greedy response, then samples."""
    known = {"checkpoint": "base", "set": name, "answer": answer, "finish": "stop", "tokens": 10}
    return [
        known | {"plan": which, "problem": problem, "question": problem, "response": response}
        for which in ("greedy", "sampled")
        for problem, responses in said.items()
        for response in (responses[:1] if which == "greedy" else responses[1:])
    ]


def outcome(said: dict[str, list[str]]) -> dict:
    made = rows(said)
    return outcomes(made, generations.grade_generations(made, {}, STRICT), STRICT)


FIVE, FOUR, NONE = r"\boxed{5}", r"\boxed{4}", "five"


def test_the_numbers_of_a_set_by_hand():
    one = outcome({"a": [FIVE, FIVE, r"\boxed{5.0}", FOUR, FOUR], "b": [NONE, FOUR, FOUR, FIVE, NONE]})
    assert one["greedy"] == [1, 0] and one["sampled"] == [[1, 1, 0, 0], [0, 0, 1, 0]] and one["majority"] == [1, 0]
    assert one["unboxed"] == 1 / 8 and one["cut_off"] == 0 and one["mean_tokens"] == 10
    found = estimates({"mine": one})
    assert found["mean"].estimate == 3 / 8 and found["majority"].estimate == 0.5
    assert found["pass@1"].estimate == 3 / 8
    assert found["pass@2"].estimate == pytest.approx(((1 - 1 / 6) + (1 - 3 / 6)) / 2)
    assert found["pass@4"].estimate == 1
    assert [round(x, 3) for x in found["greedy"]] == [0.5, 0.095, 0.905]  # Wilson, 1 of 2


def test_the_average_is_of_unrounded_values_and_weighs_sets_alike():
    first = outcome({"a": [FIVE], "b": [FIVE], "c": [FOUR]})
    second = outcome({"a": [FIVE]})
    assert estimates({"one": first, "two": second})["greedy"].estimate == pytest.approx((2 / 3 + 1) / 2)


def test_two_runs_are_compared_problem_by_problem():
    problems = [f"problem {i}" for i in range(40)]
    weak = outcome({p: [FIVE if i < 10 else FOUR] * 5 for i, p in enumerate(problems)})
    strong = outcome({p: [FIVE if i < 20 else FOUR] * 5 for i, p in enumerate(problems)})
    other = outcome({p: [FIVE if i % 4 == 0 else FOUR] * 5 for i, p in enumerate(problems)})
    said = {line["measure"]: line for line in compare_scores({"mine": weak}, {"mine": strong})}
    assert said["greedy"]["verdict"] == said["mean"]["verdict"] == "better"
    assert said["greedy"]["p"] == pytest.approx(2 / 2**10)
    assert said["greedy"]["difference"].estimate == 0.25
    assert {line["verdict"] for line in compare_scores({"mine": strong}, {"mine": weak})} == {"worse"}
    assert {line["verdict"] for line in compare_scores({"mine": weak}, {"mine": other})} == {"cannot tell"}
    with pytest.raises(Incomparable, match="not scored on the same problems of mine"):
        compare_scores({"mine": weak}, {"mine": outcome({p: [FIVE] * 5 for p in problems[1:]})})
    with pytest.raises(Incomparable, match="share no set: mine and yours"):
        compare_scores({"mine": weak}, {"yours": weak})


def test_reward_and_score_grade_by_one_function():
    assert responder.grade_many is generations.grade_many is grade_many
    problems, said = [Problem("a", "?", "12")] * 3, ["The area is 12.", r"\boxed{12}", r"\boxed{1200}"]
    for profile, expected in (("strict", [0, 1, 0]), ("published", [1, 1, 1])):
        grading = STRICT.model_copy(update={"profile": profile})
        verdicts = [verdict.status for verdict in grade_many(said, ["12"] * 3, **grading.model_dump())]
        paid = outcomes_of(problems, verdicts, "wrong").right
        asked = [{"set": "mine", "response": response, "answer": "12"} for response in said]
        scored = [int(verdict.correct) for verdict in generations.grade_generations(asked, {}, grading)]
        assert paid.tolist() == scored == expected


def test_a_tolerance_is_of_the_strict_rules():
    asked = [{"set": "minerva_math", "response": r"\boxed{1.005}", "answer": "1"}]
    published = STRICT.model_copy(update={"profile": "published"})
    assert [
        generations.grade_generations(asked, {"minerva_math": 0.01}, g)[0].correct for g in (STRICT, published)
    ] == [
        True,
        False,
    ]


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the Hugging Face format."""
    return save_hub_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's problems."""
    path = tmp_path_factory.mktemp("own") / "mine.jsonl"
    path.write_text("".join(json.dumps({"q": f"{i}+1?", "a": i + 1}) + "\n" for i in range(20)))
    return path


@pytest.fixture(scope="module")
def scored(entry, hub_model, own_file, tmp_path_factory):
    """A model scored on the real files, where they are, and on a user's."""
    store = tmp_path_factory.mktemp("scored")
    names = SETS if DATA.is_dir() else ()
    named = [f"{{name:{name},prompt:none}}" if name == "amc23" else name for name in names]
    listed = ",".join([*named, f"{{name:mine,path:{own_file},question:q,answer:a}}"])
    words = [*WORDS, f"model.path={hub_model}", f"score.benchmarks=[{listed}]", f"score.data_dir={DATA}"]
    run = entry(*words, f"store={store}")
    assert run.returncode == 0, run.stderr
    (folder,) = (store / "score").iterdir()
    return run, [*names, "mine"], folder


def test_a_plain_model_is_scored_end_to_end(scored):
    run, names, folder = scored
    assert run.stdout.startswith("  score ") and "base " not in run.stdout.splitlines()[0], "there is nothing to fit"
    with gzip.open(folder / "generations.jsonl.gz", "rt") as file:
        kept = [json.loads(line) for line in file]
    assert len(kept) == len(names) * 20 * 5
    assert {row["set"] for row in kept} == set(names) and {row["sample"] for row in kept} == {0, 1, 2, 3}
    assert all(row["tokens"] <= 12 and row["finish"] in ("stop", "length") and row["seed"] == 0 for row in kept)
    shown = composed([]).prompt.template.replace("{question}", "0+1?")
    assert shown.startswith('0+1?\n\nPlease reason step by step with steps separated by "\n\n"')
    [first, *_] = [row for row in kept if row["problem"] == "mine/0"]
    assert first["prompt_sha"] == hashlib.sha256(shown.encode()).hexdigest()[:12] and first["answer"] == "1"
    bare = {
        row["prompt_sha"] == hashlib.sha256(row["question"].encode()).hexdigest()[:12]
        for row in kept
        if row["set"] == "amc23"
    }
    assert bare <= {True}, "this set has a prompt of its own"
    assert {row["finish"] for row in kept} == {"stop", "length"} and any("boxed" in row["response"] for row in kept)
    assert not any("<|" in row["response"] for row in kept), "what ends a response is no part of it"
    ((name, scores),) = json.loads((folder / "scores.json").read_text())["checkpoints"].items()
    assert all(len(one["greedy"]) == 20 and np.shape(one["sampled"]) == (20, 4) for one in scores.values())
    table = json.loads((folder / "table.json").read_text())
    assert name == "small" and table["scored"].keys() == {"small"}, "a model from elsewhere is called by its name"
    assert table["scored"]["small"] in (folder / "table.md").read_text()
    assert json.loads((folder / "manifest.json").read_text())["scored"] == table["scored"]
    assert [row["set"] for row in table["rows"]] == [*names, *["average"][: len(names) - 1]]
    for row in table["rows"]:
        assert row["samples"] == 4 and all(low <= mid <= high for mid, low, high in (row["mean"], row["pass@4"]))
    assert json.loads((folder / "manifest.json").read_text())["problems"].keys() == set(names)


PUT = ("model=local", "model.path=some/where", "model.revision=a", "score=benchmarks")


@pytest.mark.parametrize(
    ("words", "amc23", "aime24"),
    [
        ([], "pure", "pure"),
        (["prompt=qwen_chat_boxed"], "qwen_chat_boxed", "qwen_chat_boxed"),
        (["score.benchmarks=[amc23,{name:aime24,prompt:none}]"], "pure", "none"),
        (["score.benchmarks=[amc23,{name:aime24,prompt:none}]", "prompt=qwen_chat_boxed"], "qwen_chat_boxed", "none"),
        (
            ["score.benchmarks=[amc23,{name:aime24,prompt:none}]", "score.prompt=qwen_chat_boxed"],
            *["qwen_chat_boxed"] * 2,
        ),
        (["score.benchmarks=[amc23,{name:aime24,prompt:'{question} Answer:'}]"], "pure", "{question} Answer:"),
    ],
)
def test_a_set_is_put_by_its_own_prompt(words, amc23, aime24):
    """``score.prompt`` for all, else the set's own, else the run's."""
    score = composed([*PUT, *words]).score
    put = {one.name: score.prompt_of(one) for one in score.benchmarks}
    assert [put["amc23"], put["aime24"]] == [template(amc23), template(aime24)]


def test_prompts_and_types_change_an_address_where_they_change_something():
    def made(*words: str) -> dict:
        return made_of(composed([*PUT, "stages=[score]", *words]), "score")["score"]

    plain = made()
    assert plain["prompt"] == template("pure") == made("score.prompt=pure")["prompt"]
    assert made("score.prompt=pure") == plain and made("prompt=none") != plain
    one = made("score.benchmarks=[{name:math500,prompt:none}]")["benchmarks"][0]
    assert one == plain["benchmarks"][0] | {"prompt": "{question}"}
    assert made("score.benchmarks=[{name:math500,answer_type:list}]") != plain


def test_a_killed_score_ends_like_the_unbroken_one(process, hub_model, own_file, tmp_path):
    listed = f"score.benchmarks=[{{name:mine,path:{own_file},question:q,answer:a}}]"
    words = [*WORDS, f"model.path={hub_model}", listed]
    kept = {}
    for name in ("unbroken", "killed"):
        store = tmp_path / name
        running = process(*words, f"store={store}")
        while name == "killed" and not list(store.glob("score/*/parts/*.gz")):
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.01)
        if name == "killed":
            running.kill()
            running.wait()
            [part] = store.glob("score/*/parts/*.gz")
            written = part.stat().st_mtime_ns
            running = process(*words, f"store={store}")
            while not list(store.glob("score/*/parts/20.jsonl.gz")) and running.poll() is None:
                time.sleep(0.001)
            assert not part.exists() or part.stat().st_mtime_ns == written, "what was kept is not sampled again"
        assert running.wait() == 0, running.stderr.read()
        (folder,) = (store / "score").iterdir()
        kept[name] = {file: (folder / file).read_bytes() for file in ("generations.jsonl.gz", *TABLES)}
        assert not (folder / "parts").exists()
    assert kept["killed"] == kept["unbroken"]


def test_the_same_rules_give_the_same_bytes_again(scored, entry, tmp_path):
    _, _, folder = scored
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    run = entry("regrade", str(copy), module="pure_repro.score")
    assert run.returncode == 0, run.stderr
    for name in TABLES:
        assert (copy / "regraded" / "strict" / name).read_bytes() == (folder / name).read_bytes(), name
    run = entry("regrade", str(copy), "grading=published", module="pure_repro.score")
    assert run.returncode == 0, run.stderr
    assert json.loads((copy / "regraded" / "published" / "table.json").read_text())["grading"] == "published"
    run = entry("compare", str(copy), str(copy / "regraded" / "published"), module="pure_repro.score")
    assert run.returncode == 0 and "the second is" in run.stdout
    run = entry("compare", str(copy), str(tmp_path), module="pure_repro.score")
    assert run.returncode == 2 and run.stderr.startswith(f"pure-repro: {tmp_path} holds no scores.json")


def test_a_response_ends_at_the_tokens_that_are_named(hub_model):
    model = composed([*WORDS, f"model.path={hub_model}"]).model
    policy, tokenizer = load_policy(hub_model, model)
    assert policy.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids([END, CHAT_END])
    policy, _ = load_policy(hub_model, model.model_copy(update={"stop": (CHAT_END,)}))
    assert policy.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids([CHAT_END])
    with pytest.raises(ConfigError, match=r"model.stop=<\|eot\|> is no token of this model"):
        load_policy(hub_model, model.model_copy(update={"stop": ("<|eot|>",)}))


def addresses(*words: str) -> dict[str, str]:
    return {name: stage.address for name, stage in plan(composed([*WORDS, *words])).items()}


def test_weights_and_problems_are_the_address_and_places_are_not(hub_model, own_file, tmp_path):
    moved = Path(shutil.copytree(hub_model, tmp_path / "moved"))
    mine = Path(shutil.copy(own_file, tmp_path))
    listed = "score.benchmarks=[{{name:mine,path:{},question:q,answer:a}}]"
    before = addresses(f"model.path={hub_model}", listed.format(own_file))
    assert [*before] == ["score"]
    assert addresses(f"model.path={moved}", listed.format(own_file), "score.data_dir=x", "grading.workers=1") == before
    assert addresses(f"model.path={hub_model}", listed.format(own_file), "grading=published") != before
    assert addresses(f"model.path={hub_model}", listed.format(mine)) == before
    mine.write_text(mine.read_text().replace("0+1?", "1+0?"))
    assert addresses(f"model.path={hub_model}", listed.format(mine)) != before
    (moved / "config.json").write_text("{}")
    assert addresses(f"model.path={moved}", listed.format(own_file)) != before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model.path=nowhere"], "model.path=nowhere is no folder; a hub model needs its commit, model.revision=…"),
        (["model.path=tests"], "model.path=tests holds no *.safetensors: save the model with save_pretrained"),
    ],
)
def test_a_model_that_cannot_be_found(words, sentence, monkeypatch):
    monkeypatch.chdir(CONF.parent)
    with pytest.raises(ConfigError) as caught:
        addresses(*words)
    assert str(caught.value) == sentence


def test_a_hub_model_is_its_commit():
    words = ("model.path=Qwen/Qwen2.5-Math-1.5B", "model.revision=4a83ca6e4526a4f2da3aa259ec36c259f66b2ab2")
    assert [*addresses(*words)] == ["score"]
    assert addresses(*words) != addresses(words[0], "model.revision=0123")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["score.benchmarks=[{name:mine,path:nowhere.jsonl,question:q,answer:a}]"], "nowhere.jsonl cannot be read: "),
        (
            ["model.context=16", "score.benchmarks=[{name:mine,path:OWN,question:q,answer:a}]"],
            "score.max_new_tokens=12 ",
        ),
    ],
)
def test_a_mistake_stops_with_one_sentence(entry, hub_model, own_file, tmp_path, words, sentence):
    words = [word.replace("OWN", str(own_file)) for word in words]
    run = entry(*WORDS, f"model.path={hub_model}", "score.benchmarks=[amc23]", *words, f"store={tmp_path}")
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(f"pure-repro: {sentence}") and "Traceback" not in run.stderr
