"""Mistakes on the command line: one sentence with key, value and what is allowed, status 2, within a second."""

import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import yaml
from project import ROOT
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pure_repro.config import Config, ConfigError
from pure_repro.launch.compose import CONF, composed

Run = subprocess.CompletedProcess[str]

EXPERIMENTS = ", ".join(sorted(path.parent.name for path in (ROOT / "experiments").glob("*/cells.yaml")))
CREDITS = ", ".join(sorted(path.stem for path in (CONF / "credit").glob("*.yaml")))

# Each through the real entry point.
MISTAKES = {
    "credit.temperture=0.2": "credit.temperture is no key: credit has name, temperature; did you mean temperature?",
    "credit=sum credit.temperature=0.1": ("credit.temperature is no key: credit has name, gamma; credit=min has one"),
    "credit=mni": (f"credit=mni is no choice: take one of {CREDITS}; did you mean min?"),
    "recipe=smok": (
        "recipe=smok is no choice: "
        "take one of embedded, one_gpu, paper, released_main, released_verl, smoke; did you mean smoke?"
    ),
    "train.prompts_per_step=32 train.samples_per_prompt=8 train.rollouts_per_update=100": (
        "train.rollouts_per_update=100 does not divide prompts_per_step × samples_per_prompt = 32 × 8 = 256"
    ),
    "train.samples_per_prompt=1": "train.samples_per_prompt=1 must be greater than 1",
    "rollout.max_new_tokens=121 model.context=128": (
        "rollout.max_new_tokens=121 and a prompt of 8 tokens exceed model.context=128: take at most 120"
    ),
    "train.steps=ten": "train.steps=ten must be a whole number",
    "launch=torchrun": (
        "train=local is one process and launch=torchrun starts 2: take train=deepspeed_zero2 or train=deepspeed_zero3"
    ),
    "launch=torchrun launch.nnodes=2 train=deepspeed_zero3": (
        "launch.rdzv_endpoint=null is for one machine: with nnodes=2 name one as host:port"
    ),
    "train.learning_rate=-1": "train.learning_rate=-1 must be greater than 0",
    "data.modulus=21": "data.modulus=21 is not prime, so that a product could erase an error; take 19, 23 or 29",
    "reward=prm reward.process_weight=0": (
        "reward.process_weight=0 and verifiable_weight × answered_share = 0 × 0 reward nothing: "
        "raise one of them above 0"
    ),
    "stages=[train] store=empty": (
        "stages=[train] needs base and prm, not finished in store=empty: take stages=[base,prm,train]"
    ),
    "-m credit=min,smu": (f"credit=smu is no choice: take one of {CREDITS}; did you mean sum?"),
    "-m train.steps=5,x seed=1,2": "train.steps=x must be a whole number",
    "reward=prm,mixed_10": "reward=prm,mixed_10 has several values: add -m for a run of each",
    "--cfg job credit.gama=1": "credit.gama is no key: credit has name, temperature",
    "credit": "credit cannot be read: write key=value, as in credit=sum",
}
REPRODUCE_MISTAKES = {
    "table1 seeds=0": "seeds=0 must be a positive whole number",
    "table1 jobs=two": "jobs=two must be a positive whole number",
    "table2": f"name one of {EXPERIMENTS}, or a yaml of cells, as in: python -m pure_repro.reproduce table1 seeds=3",
    "table1 train.steps=0": "train.steps=0 must be greater than 0",
}
# The same sentences without a process each.
MORE_MISTAKES = {
    "recipe=paper reward=judge": (
        "train.learning_rate: nobody has published a value for judge, only for verifiable, prm, mixed_10, implicit: "
        "name one"
    ),
    "grading=lenient": "grading=lenient is no choice: take one of math_verify, published, strict",
    "grading.profile=lenient": "grading.profile=lenient must be 'strict', 'published' or 'math_verify'",
    "model=local": "model.path is missing: name a folder, or a hub id and its revision",
    "model=local model.path=somewhere model.dtype=int8": "model.dtype=int8 must be 'float32' or 'bfloat16'",
    "score=benchmarks": (
        "model=tiny knows the words of the embedded world alone and cannot read math500: "
        "take score=embedded or another model"
    ),
    "score=benchmarks score.benchmarks=[mth500]": (
        "score.benchmarks=mth500 is no benchmark: take some of aime24, amc23, gsm8k, math, math500, minerva_math, "
        "olympiadbench; did you mean math500?"
    ),
    "score=benchmarks score.benchmarks=[{name:mine,path:m.jsonl,question:q}]": "score.benchmarks.0.answer is missing",
    "score=benchmarks model=local model.path=x score.benchmarks=[amc23,amc23]": "score.benchmarks has amc23 twice",
    "score.max_new_tokens=125": (
        "score.max_new_tokens=125 and a prompt of 8 tokens exceed model.context=128: take at most 120"
    ),
    "score.problems_per_set=null": (
        "score.problems_per_set=null names no number, and embedded sets are drawn: take 100"
    ),
    "prompt.template=hello": "prompt.template='hello' lacks the place for the problem, {question}",
    "launch=torchrun train=deepspeed_zero2 launch.nproc_per_node=3": (
        "train.rollouts_per_update=256 is no multiple of 3 ranks"
    ),
    "launch=torchrun train=deepspeed_zero2 launch.nproc_per_node=64": (
        "train.prompts_per_step=32 leaves some of 64 ranks without any"
    ),
    "launch=inline launch.nnodes=2": "launch.nnodes is no key: launch has name, threads; launch=torchrun has one",
    "train=deepspeed_zero2 train.deepspeed.stage=1": "train.deepspeed.stage=1 must be 0, 2 or 3",
    "train=deepspeed_zero2 train.deepspeed.stage=0 train.deepspeed.offload_optimizer=true": (
        "train.deepspeed.offload_optimizer=true needs stage=2 or stage=3"
    ),
    "train=deepspeed_zero3 train.compile=true": (
        "train.compile=true needs whole weights on every rank: take deepspeed.stage=2 or compile=false"
    ),
    "+credit.gamma=1": "credit.gamma is no key: credit has name, temperature; credit=sum has one",
    "experiment=tabel1/pure_vr": "experiment=tabel1/pure_vr is no choice: take one of ",
    "stages=[trian]": "stages.0=trian must be 'base', 'prm', 'train' or 'score'",
    "stages=[]": "stages=[] must name at least one",
    "stages=train": "stages=train must be a list, as in [a,b]",
    "seed=-1": "seed=-1 must be greater than or equal to 0",
    "seed=": "seed= must be a whole number",
    "train.steps=1.5": "train.steps=1.5 must be a whole number",
    "train.learning_rate=nan": "train.learning_rate=nan must be a finite number",
    "train.learning_rate=null": "train.learning_rate=None must be a number",
    "train.learning_rate=${nowhere}": "train.learning_rate: Interpolation key 'nowhere' not found",
    "advantage.whiten=maybe": "advantage.whiten=maybe must be true or false",
    "objective.kl.estimator=k4": "objective.kl.estimator=k4 must be 'k1', 'k2' or 'k3'",
    "rollout.top_p=1.5": "rollout.top_p=1.5 must be less than or equal to 1",
    "model.heads=3 model.hidden_size=128": "model.heads=3 does not divide hidden_size=128",
    "data.modulus=7": "data.modulus=7 must be greater than 9",
    "data.modulus=101": "data.modulus=101 must be less than 100",
    "score=benchmarks model=local model.path=x score.prompt=qwen_chat": (
        "score.prompt='qwen_chat' is no name in conf/prompt, and as text it lacks the place for the problem, {question}"
    ),
    "score=benchmarks model=local model.path=x score.benchmarks=[{name:aime24,prompt:hello}]": (
        "score.benchmarks.0.prompt='hello' is no name in conf/prompt, and as text it lacks the place for the "
        "problem, {question}"
    ),
    "score=benchmarks model=local model.path=x score.benchmarks=[{name:amc23,rel_tol:0.01}]": (
        "score.benchmarks.0.rel_tol=0.01 does not go with answer_type=integer: measured answers have a tolerance "
        "above 0, and all others are exact"
    ),
    "recipe=paper data.validation=[{name:aime24,prompt:none}]": (
        "data.validation has a prompt for aime24: a policy is validated by data.prompt"
    ),
    "data.prompt=hello": "data.prompt='hello' lacks the place for the problem, {question}",
    "data.difficulty.min_operations=3 data.difficulty.max_operations=2": (
        "data.difficulty.max_operations=2 is below min_operations=3"
    ),
    "score.benchmarks=[]": "score.benchmarks=[] must name at least one",
    "train.prompts_per_step=8192 data.train_problems=4096": (
        "train.prompts_per_step=8192 exceeds data.train_problems=4096"
    ),
    "prm.demonstrations=1000 prm.head_examples=1600": "prm.head_examples=1600 exceeds demonstrations=1000",
    "prm.demonstrations=4000": "prm.broken_examples=5000 exceeds demonstrations=4000",
    "prm.negatives=all prm.demonstrations=2000 prm.filler_examples=4000": (
        "prm.filler_examples=4000 exceeds demonstrations=2000"
    ),
    "data.difficulty.min_operations=1 data.difficulty.multiplications=2": (
        "data.difficulty.multiplications=2 exceeds min_operations=1"
    ),
    "recipe=smoke data.difficulty.min_operations=1 data.difficulty.max_operations=2 data.train_problems=2000": (
        "data.train_problems=2000 is too many: split rl has about 1830 problems of 1 to 2 operations"
    ),
    "~train": "train is missing",
    "credit=delta advantage=dr_grpo": (
        "credit=delta and advantage.name=dr_grpo collapse: dr_grpo gives every step the response's total return, which "
        "under delta is the first step's alone: take advantage=rloo, rloo_return_mean, grpo or reinforce_pp"
    ),
    "credit=clip_delta": (
        "credit=clip_delta and advantage.name=rloo_token_pooled pay for length: rloo_token_pooled takes off a baseline "
        "for all that is left of a response, but the return of clip_delta does not grow with it: take advantage=rloo, "
        "rloo_return_mean, grpo or reinforce_pp"
    ),
    "credit=delta advantage=rloo reward=mixed_10": (
        "credit.boundary=drop_last leaves the last step to the outcome, which reward=mixed_10 does not pay for every "
        "problem: take credit.boundary=keep_last or reward=mixed"
    ),
    "credit=delta credit.boundary=first": "credit.boundary=first must be 'drop_last' or 'keep_last'",
    "filter=differing": (
        "filter=differing looks at outcomes, and reward=prm has none: take filter=none or a reward with answers"
    ),
    "filter=none filter.low=0.2": "filter.low is no key: filter has name; filter=accuracy_band has one",
    "filter=accuracy_band reward=mixed filter.low=0.3 filter.high=0.35": (
        "filter.low=0.3 and filter.high=0.35 hold no share of train.samples_per_prompt=8 responses: take a wider band"
    ),
    "filter=differing reward=mixed filter.max_rounds=200": (
        "train.prompts_per_step × filter.max_rounds = 32 × 200 = 6400 exceeds data.train_problems=4096"
    ),
    "method=dapo reward=prm reward.overlong={window:13,factor:1.0} filter=none": (
        "reward.overlong is taken off the verifiable reward, which reward=prm does not pay: "
        "take reward.overlong=null or a reward with answers"
    ),
    "method=dapo reward.overlong.window=65": "reward.overlong.window=65 exceeds rollout.max_new_tokens=64",
    "objective.kl={estimator:k1,beta:0.1,where:loss}": (
        "objective.kl.estimator=k1 with objective.kl.where=loss penalises nothing, because its gradient has mean zero: "
        "take k2 or k3, or where=reward"
    ),
}


def cpu_seconds() -> float:
    """What finished child processes have used; the clock on the wall would measure the neighbours."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


IMPORTING_HYDRA = 0.12  # seconds of processor time on the reference machine


def quickly(call: Callable[[], Run], limit: float) -> Run:
    """What a command gives, if it takes less than ``limit`` seconds of processor time once in three tries.

    The seconds are those of the reference machine: what another one takes, or one shared with busy neighbours, is
    divided by how much longer importing Hydra takes it at that moment.
    """
    taken = []
    for _ in range(3):
        before = cpu_seconds()
        subprocess.run([sys.executable, "-c", "import hydra"], check=True)
        between = cpu_seconds()
        run = call()
        taken.append((cpu_seconds() - between) * IMPORTING_HYDRA / (between - before))
        if taken[-1] < limit:
            return run
    raise AssertionError(f"takes {min(taken):.2f} s of processor time, at most {limit} allowed")


def refused(run: Run, sentence: str) -> None:
    assert run.stderr == f"pure-repro: {sentence}\n"
    assert run.stdout == ""
    assert run.returncode == 2


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_gets_one_sentence(entry, words):
    refused(quickly(lambda: entry(*words.split()), limit=1), MISTAKES[words])


@pytest.mark.parametrize("words", REPRODUCE_MISTAKES)
def test_a_mistake_in_a_table_gets_one_sentence(entry, words):
    run = quickly(lambda: entry(*words.split(), module="pure_repro.reproduce"), limit=1)
    refused(run, REPRODUCE_MISTAKES[words])


@pytest.mark.parametrize("words", MORE_MISTAKES)
def test_a_mistake_is_named(words):
    with pytest.raises(ConfigError) as caught:
        composed(words.split())
    sentence = str(caught.value)
    assert sentence.startswith(MORE_MISTAKES[words]), sentence
    assert MORE_MISTAKES[words].endswith(" ") or sentence == MORE_MISTAKES[words]
    assert "\n" not in sentence


def test_help_is_quick(entry):
    run = quickly(lambda: entry("--help"), limit=0.7)
    assert run.returncode == 0
    assert "python -m pure_repro [group=choice] [key=value]" in run.stdout
    assert all(f"\n{group}: " in run.stdout for group in ("model", "reward", "credit", "advantage", "track"))
    assert "min_strict" in run.stdout


def test_a_table_has_help(entry):
    run = entry("--help", module="pure_repro.reproduce")
    assert run.returncode == 0 and run.stdout.endswith(f"\nExperiments: {EXPERIMENTS}\n")


def test_cfg_prints_every_key(entry):
    run = entry("--cfg", "job", "--resolve", "credit=sum", "seed=7")
    assert run.returncode == 0 and "${" not in run.stdout
    printed = yaml.safe_load(run.stdout)
    meant = composed(["credit=sum", "seed=7"]).model_dump(mode="json")
    assert printed.keys() == meant.keys()
    assert leaves(printed) == leaves(meant)


def leaves(tree: object, prefix: str = "") -> dict[str, object]:
    """Dotted keys and values; numbers compare as numbers (yaml reads 1e-3 as text)."""
    if isinstance(tree, dict):
        return {k: v for name, value in tree.items() for k, v in leaves(value, f"{prefix}{name}.").items()}
    if isinstance(tree, list):
        return leaves(dict(enumerate(tree)), prefix)
    try:
        return {prefix: float(tree)}  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {prefix: tree}


def schemas(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A schema and all schemas within."""
    yield model
    for field in model.model_fields.values():
        for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from schemas(part)


def test_no_key_has_a_default_in_python():
    found = {*schemas(Config)}
    assert len(found) > 15
    for schema in found:
        assert schema.model_config["extra"] == "forbid" and schema.model_config["frozen"]
        for name, field in schema.model_fields.items():
            assert field.default is PydanticUndefined and field.default_factory is None, f"{schema.__name__}.{name}"


def commands() -> list[tuple[str, str]]:
    """Every command of a run that stands on a page, with the page."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")]
    pattern = re.compile(r"python -m pure_repro (?!-m )([^`\n#]+)")  # a sweep's jobs are composed one by one
    return [
        (str(page.relative_to(ROOT)), words)
        for page in sorted(pages)
        for words in pattern.findall(page.read_text().replace("\\\n", " "))
    ]


@pytest.mark.parametrize(("page", "words"), commands())
def test_a_command_on_a_page_composes(page, words):
    beside = ("--cfg", "job", "--resolve", "--preflight")
    composed([word for word in shlex.split(words) if word not in beside and not word.startswith(("gpu=", "gpus="))])


def test_order_of_overrides_does_not_matter():
    a = composed(["experiment=table1/prm_sum", "seed=3", "train.steps=5"])
    assert a == composed(["train.steps=5", "seed=3", "experiment=table1/prm_sum"])
    assert (a.credit.name, a.reward.name, a.seed, a.train.steps) == ("sum", "prm", 3, 5)
