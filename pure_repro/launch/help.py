"""What ``--help`` prints. Hydra's own would compose every key first, which takes longer the more there are."""

from importlib.metadata import version

from pure_repro.launch import CONF

TEXT = """\
pure-repro: fine-tune a reasoning model with process or verifiable rewards and a credit form of your choice.

Usage:
  python -m pure_repro [group=choice] [key=value] …    one run
  python -m pure_repro -m credit=min,sum seed=1,2,3    every combination, one after the other
  python -m pure_repro experiment=table1/pure_prm      a cell of a table
  python -m pure_repro --cfg job --resolve             every key and its value; nothing runs
  python -m pure_repro --hydra-help                    Hydra's own options

Stages (stages=[base,prm,train,score]): fit a base model, fit a reward model on it, train, score. A finished stage is
reused by every run that would make the same.

Choices:
{choices}

Frequent keys:
  stages=[score] model=local model.path=folder score=benchmarks score.benchmarks=[math500,amc23] grading=published
  seed=1  train.steps=60  train.learning_rate=3e-4  prm.negatives=none|zero_step|all  credit.temperature=0.1\
"""


def help_text() -> str:
    """The usage, and every choice of every group in ``conf/``."""
    groups: dict[str, list[str]] = {}
    for path in sorted(CONF.glob("*/**/*.yaml")):
        groups.setdefault(str(path.parent.relative_to(CONF)), []).append(path.stem)
    return TEXT.format(choices="\n".join(f"{group}: {', '.join(names)}" for group, names in groups.items()))


def version_text() -> str:
    """Which release this is, and of what it composes its runs with."""
    return f"pure-repro {version('pure-repro')}, hydra-core {version('hydra-core')}"
