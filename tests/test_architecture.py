"""The shape of the house: which room may import which, no orphans between ``conf/`` and the code, torch when needed."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
import yaml

from pure_repro.config import Config, Examined, MacroActions
from pure_repro.grading import PROFILES
from pure_repro.launch.commands import composed_for
from pure_repro.launch.compose import CONF, composed

PACKAGE = CONF.parent / "pure_repro"
EXPERIMENTS = CONF.parent / "experiments"

# Reading order is data order: a room imports rooms that stand above it, and of those the ones named here.
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "config": set(),
    "grading": set(),
    "objective": set(),
    "track": {"config"},
    "data": {"types", "config", "grading"},
    "models": {"types", "config", "objective"},
    "rollout": {"types", "config", "data", "models"},
    "prm": {"types", "config", "data", "models", "rollout"},
    "filter": {"types", "config"},
    "judge": {"types", "config", "data", "models", "rollout"},
    "reward": {"types", "config", "data", "models", "rollout", "grading", "objective", "prm", "judge"},
    "credit": {"types", "config"},
    "advantage": {"types", "config", "credit"},
    "macro": {"types", "advantage"},
    "watch": {"types", "config", "grading"},
    "train": {
        *("types", "config", "data", "models", "rollout", "grading", "prm", "judge", "reward", "credit", "advantage"),
        *("macro", "objective", "filter", "watch", "track"),
    },
    "score": {"types", "config", "data", "models", "rollout", "prm", "grading", "credit", "watch", "track"},
    "examine": {"types", "config", "data", "models", "rollout", "prm", "score"},
    "report": {"types", "config", "data", "score"},  # of data the exact checker, for kept answers
    "table": {"config", "data", "report"},
    "launch": {"types", "config", "data", "models", "rollout", "prm", "judge", "reward", "train", "score", "track"},
    "reproduce": {"config", "launch", "report", "track"},
    "multirun": {"config", "launch", "track", "report", "table"},
    "__main__": {"config", "grading", "data", "launch", "models", "score", "track", "examine", "multirun"},
}
WIDEST = 20  # modules of ours that one module imports; of the schema, which all read, any number
MOST_METHODS = 12
HANDLERS = {"pure_repro.grading.compare.Comparison", "pure_repro.grading.whitelist.Rewriter"}  # a method a kind of node
# The rooms of pure functions, and all they may import from outside.
PURE = {"credit", "advantage", "macro", "objective", "filter"}
PURE_IMPORTS = {"torch", "jaxtyping", "collections", "dataclasses", "importlib", "math", "typing"}

# What a method of a group is called with: so a file of the group is a method or a helper of methods.
SIGNATURES = {
    "credit": (["step_rewards", "step_mask"], ["advantages", "token_rewards"]),
    "advantage": (["returns", "mask", "group", "steps"],),
    "filter": (["outcome", "group"],),
    "macro": (["mask", "steps", "surprise", "chance"],),
    "objective": (["logprobs", "old_logprobs", "advantages"], ["chosen", "rejected"]),
}
WITH_CRITIC = ["rewards", "values", "mask"]  # of an estimator that compares with a critic instead of other responses
HUB = ["model=qwen2_5_math_7b", "score=benchmarks", "score.checkpoints=[last]"]
NEEDED = {  # what a choice, or every choice of a group, cannot know or cannot do without
    "model/local": ["model.path=somewhere"],
    "score/benchmarks": ["model=local", "model.path=somewhere"],
    "launch/torchrun": ["train=deepspeed_zero2"],
    "launch/slurm": ["train=deepspeed_zero2"],
    "reward/implicit": ["advantage=prime_rloo"],
    "reward/judge": ["credit=sum"],
    "method/calm": ["reward.judge.model=some"],
    "prm/implicit": ["reward=implicit", "advantage=prime_rloo"],
    "credit": ["reward=mixed", "advantage=rloo"],
    "credit/treg_weights": ["reward=verifiable", "model=tiny_asked"],
    "filter": ["reward=mixed"],
    "macro": ["advantage=gae"],
    "reward/orm": ["credit=sum"],
    "advantage/prpo": ["credit=sum"],
    "objective": ["reward=verifiable", "model=tiny_asked"],
    **{f"data/{name}": [*HUB, "prm=pure_prm_7b"] for name in ("math_8k_879", "math_lv3to5")},
    "prm/local": [HUB[0], "prm.path=somewhere"],
    "prm/endpoint": [HUB[0], "prm.url=http://127.0.0.1:1/", "prm.model=some", "reward=verifiable", "stages=[train]"],
    "prm/generative": [HUB[0], "prm.path=somewhere", "reward=verifiable", "stages=[train]"],
    "data/local": [*HUB, "prm=pure_prm_7b", "data.path=somewhere"],
    **{f"prm/{name}": HUB[:1] for name in ("pure_prm_7b", "qwen2_5_math_prm_7b", "math_shepherd_7b", "fit_prm800k")},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
CHOICES = [
    (group.name, str(path.relative_to(group).with_suffix("")))
    for group in sorted(CONF.iterdir())
    if group.is_dir()
    for path in sorted(group.rglob("*.yaml"))
]


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports, at its top or later."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name}: imports are absolute"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (one if one in MODULES else node.module for one in whole)


def definitions(tree: ast.Module) -> Iterator[str]:
    """Public functions, classes and type aliases of a module; constants, in capitals, are its own."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_") and not name.isupper())


def room(module: str) -> str:
    """The room of a module; commands, wherever they lie, stand behind all rooms."""
    return "__main__" if module.endswith(".__main__") else module.split(".")[1]


def test_rooms_stand_in_one_line():
    order = list(ALLOWED)
    for name, allowed in ALLOWED.items():
        assert allowed <= set(order[: order.index(name)]), f"{name} may import only what stands before it"
    assert {room(name) for name in MODULES if "." in name} == set(ALLOWED)


def test_imports_go_one_way():
    wrong = {
        f"{name.removeprefix('pure_repro.')} → {other.removeprefix('pure_repro.')}"
        for name in MODULES
        if "." in name
        for other in imports(name)
        if other.startswith("pure_repro.") and room(other) not in ALLOWED[room(name)] | {room(name)}
    }
    assert not wrong


def test_modules_import_in_no_circle():
    ours = {name: {other for other in imports(name) if other in MODULES} - {name} for name in MODULES}
    TopologicalSorter(ours).prepare()  # raises CycleError


def test_a_public_name_means_one_thing():
    profiles = {f"pure_repro.grading.{profile}" for profile in PROFILES}
    # What is chosen by its module has the same name in each of these: by which it is called.
    chosen = {
        "main": set(MODULES),  # of commands, and of processes that are started
        "open_source": {name for name in MODULES if name.startswith("pure_repro.reward.")},
        "extract": profiles,
        "judge": profiles,
    }
    homes: dict[str, set[str]] = {}
    for module, tree in MODULES.items():
        for name in definitions(tree):
            homes.setdefault(name, set()).add(module)
    wrong = {name: found for name, found in homes.items() if len(found) > 1 and not found <= chosen.get(name, set())}
    assert not wrong, "so that a search for a name finds one meaning"
    assert all(len(homes[name]) > 1 for name in chosen), "an exception that is none"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_knows_most_of_the_others(name):
    ours = {other for other in imports(name) if other in MODULES and not other.startswith("pure_repro.config")}
    assert len(ours) <= WIDEST, f"{name} imports {len(ours)} modules of ours: it does several things"


def test_no_class_does_everything():
    crowded = {
        f"{name}.{node.name}": methods
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and f"{name}.{node.name}" not in HANDLERS
        and (methods := sum(isinstance(inner, ast.FunctionDef) for inner in node.body)) > MOST_METHODS
    }
    assert not crowded


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[1:2] and room(name) in PURE])
def test_pure_rooms_touch_nothing(name):
    outside = {module.split(".")[0] for module in imports(name)} - {"pure_repro"}
    assert outside <= PURE_IMPORTS
    called = {n.func.id for n in ast.walk(MODULES[name]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports(name):
    importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name):
    def undocumented(node: ast.Module | ast.ClassDef, prefix: str, inherited: set[str]) -> Iterator[str]:
        for inner in node.body:
            if not isinstance(inner, ast.FunctionDef | ast.ClassDef) or inner.name.startswith("_"):
                continue
            if not ast.get_docstring(inner) and inner.name not in inherited:
                yield prefix + inner.name
            if isinstance(inner, ast.ClassDef):
                bases = getattr(importlib.import_module(name), inner.name).__mro__[1:]
                yield from undocumented(inner, f"{prefix}{inner.name}.", {n for base in bases for n in vars(base)})

    assert ast.get_docstring(MODULES[name]), f"{name} has no docstring"
    assert not [*undocumented(MODULES[name], f"{name}.", set())]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes(group, choice):
    if group == "benchmark":  # parts of a score, chosen by name in its list
        chosen = composed(["model=local", "model.path=somewhere", "score=benchmarks", f"score.benchmarks=[{choice}]"])
        assert [one.name for one in chosen.score.benchmarks] == [choice]
        return
    if group == "on":  # of a command beside a run
        examined = composed_for("examine", Examined, [f"on={choice}", "on.path=mine.jsonl", "prm.path=somewhere"])
        assert examined.on.name == choice
        return
    needed = NEEDED.get(group, []) + NEEDED.get(f"{group}/{choice}", [])
    chosen = composed([f"{group}={choice}", *needed])
    if group not in ("recipe", "experiment", "method"):
        keys = getattr(chosen, group).model_dump()
        assert keys.get("name", keys.get("profile")) == choice, "file and name are the same word"
    if group == "recipe":
        assert chosen.recipe == choice


@pytest.mark.parametrize(
    "group", [group for group in Config.model_fields if (CONF / group).is_dir() and group != "recipe"]
)
def test_every_name_of_the_schema_has_its_yaml(group):
    schema = Config.model_fields[group].annotation
    forms = [get_args(form)[0] if get_origin(form) is Annotated else form for form in get_args(schema) or (schema,)]
    first = [form.model_fields.get("name", next(iter(form.model_fields.values()))).annotation for form in forms]
    names = {word for annotation in first for word in get_args(annotation)}
    choices = {choice for g, choice in CHOICES if g == group}
    assert names <= choices if str in first else names == choices  # there are any number of pretrained models
    assert {form.__module__ for form in forms} == {f"pure_repro.config.{group}"}, (
        "conf/ and the schema are laid out alike"
    )


@pytest.mark.parametrize("group", SIGNATURES)
def test_methods_and_yaml_are_the_same(group):
    methods = {}
    for path in (PACKAGE / group).glob("[a-z]*.py"):
        function = getattr(importlib.import_module(f"pure_repro.{group}.{path.stem}"), path.stem, None)
        first = [*inspect.signature(function).parameters] if function else []
        if any(first[: len(known)] == known for known in (*SIGNATURES[group], WITH_CRITIC)):
            methods[path.stem] = function
    choices = {choice for g, choice in CHOICES if g == group}
    if group == "objective":  # several learn by one loss from different responses
        choices = {form.loss for form in get_args(Config.model_fields[group].annotation)}
    assert set(methods) == choices
    for name, function in methods.items():
        keys = set(yaml.safe_load((CONF / group / f"{name}.yaml").read_text())) - {"name", "contrast"}
        keywords = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        if group in ("credit", "filter", "macro"):
            assert keys - {"max_rounds", *MacroActions.model_fields} == {keyword.name for keyword in keywords}, (
                "the other keys of the yaml are the keywords"
            )
        assert all(keyword.default is keyword.empty for keyword in keywords), "a default's one home is the yaml"


def test_profiles_of_the_grader_have_their_yaml():
    assert {choice for group, choice in CHOICES if group == "grading"} == set(PROFILES)
    for profile in PROFILES:
        assert yaml.safe_load((CONF / "grading" / f"{profile}.yaml").read_text())["profile"] == profile


def test_samplers_have_their_yaml():
    assert all((PACKAGE / "rollout" / f"{choice}.py").exists() for group, choice in CHOICES if group == "rollout")


@pytest.mark.parametrize("table", sorted(path.parent.name for path in EXPERIMENTS.glob("*/cells.yaml")))
def test_cells_compose_and_differ(table):
    rows = yaml.safe_load((EXPERIMENTS / table / "cells.yaml").read_text())
    configs = [composed(row["overrides"]) for row in rows.values()]
    assert len({config.model_dump_json() for config in configs}) == len(rows), "no two rows are the same run"


def test_every_experiment_fills_a_cell():
    text = "".join(path.read_text() for path in EXPERIMENTS.glob("*/cells.yaml"))
    assert {choice for group, choice in CHOICES if group == "experiment"} == set(
        re.findall(r"experiment=([\w/]+)", text)
    )


HEAVY = {
    "torch",
    "transformers",
    "vllm",
    "deepspeed",
    "submitit",
    "mlflow",
    "sympy",
    "matplotlib",
    "pandas",
    "datasets",
}


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("pure_repro", "train.stpes=5"),
        ("pure_repro", "train.rollouts_per_update=100"),
        ("pure_repro", "stages=[train] store=nowhere"),
        ("pure_repro", "launch=torchrun train=deepspeed_zero2 stages=[train] store=nowhere"),
        ("pure_repro", "--help"),
        ("pure_repro", "--cfg job --resolve"),
        ("pure_repro", "-m credit=min,sum train.steps=ten"),
        ("pure_repro.reproduce", "table1 train.stpes=5"),
    ],
)
def test_nothing_heavy_is_imported_before_the_work(module, words, tmp_path):
    program = (
        f"import atexit, runpy, sys; sys.argv = ['x', *{words.split()!r}]; "
        f"atexit.register(lambda: print('HEAVY', *{HEAVY!r} & set(sys.modules))); "
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CONF.parent)},
        capture_output=True,
        text=True,
    )
    assert run.stdout.splitlines()[-1] == "HEAVY", run.stdout + run.stderr


def test_importing_the_schema_imports_no_torch():
    program = "import sys, pure_repro.launch.compose, pure_repro.launch.group; print('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(CONF.parent)}, capture_output=True, text=True
    )
    assert run.stdout.strip() == "False", run.stderr
