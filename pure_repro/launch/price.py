"""What a table costs at another scale, before anything is bought: ``python -m pure_repro.launch.price table1 paper``.

Cells, memory per rank by component, disk, tokens and GPU-hours, from the composed configurations and the assumptions of
``experiments/<table>/<scale>.yaml``. Nothing runs; imports no torch.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pure_repro.config import Config, ConfigError, FitPrm, Mathematics, PolicyGradient, Published, VllmRollout
from pure_repro.launch import EXPERIMENTS
from pure_repro.launch.compose import composed
from pure_repro.launch.estimate import rows_of
from pure_repro.launch.machine import GIB, Machine
from pure_repro.launch.memory import GRAPHS
from pure_repro.launch.needs import beyond_positions, disk_of, fitted_shape
from pure_repro.launch.preflight import Preflight, gib, preflight, refusal
from pure_repro.launch.shapes import Shape


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of a whole cell."""

    sampled: int | float  # responses
    read: int | float  # prompts and responses of training, read once by whoever scores them or learns from them
    checked: int | float  # responses of validation and of the final score
    fitted: int | float = 0  # rows that a reward model is fitted to, read once


def tokens_of(config: Config, prompt: int, response: int) -> TokenCounts:
    """``steps × prompts × samples × (prompt + response)``, and what validation and score sample.

    Validation asks every problem five times (one greedy answer, four sampled ones) before the first step and every
    ``validate_every`` steps. A row that a reward model is fitted to is as long as a prompt and a response.
    """
    train, length = config.train, min(response, config.rollout.max_new_tokens)
    responses = train.steps * train.prompts_per_step * train.samples_per_prompt if "train" in config.stages else 0
    sets = config.data.validation if isinstance(config.data, Mathematics) and responses else ()
    validated = (
        sum(one.problems for one in sets if isinstance(one, Published)) * 5 * (1 + train.steps // train.validate_every)
    )
    problems = [one.problems for one in config.score.benchmarks if isinstance(one, Published)]
    small, other = config.score.samples_of_small_sets, config.score.samples
    scored = sum(n * (1 + (small if n < config.score.small_set else other)) for n in problems)
    checkpoints = len(config.score.checkpoints) if responses else 1
    return TokenCounts(
        sampled=responses * length,
        read=responses * (prompt + length),
        checked=validated * length + checkpoints * scored * min(response, config.score.max_new_tokens),
        fitted=0 if fitted_shape(config) is None else rows_of(config) * (prompt + response),
    )


def operations(
    config: Config, tokens: TokenCounts, policy: Shape, prm: Shape | None, checkpointing: bool
) -> dict[str, float]:
    """Floating-point operations by phase; M matrix parameters, a token costs ``2M`` forward and ``4M`` backward.

    - sampling: ``2M`` a sampled token, of validation and score as well;
    - scoring: ``2M`` a token read for each of reward model, reference and, once where anything reads it before the
      update, the policy: a penalty in the reward (KL weight above 0), the old log-probabilities (several updates per
      batch), the comparison with a sampler of another temperature than the objective's, or an objective over pairs;
    - training: ``6M`` a token read, ``8M`` with checkpointing, which goes forward twice;
    - the fit of a reward model: ``2M`` a token and pass of the head's, as scoring; of the full one as training.

    Attention over earlier tokens is left out: at 1,000 tokens ``2·L·h·1000`` is 3 % of ``2M`` for a 7B model.
    """
    size, train, objective = policy.matrix_parameters, config.train, config.objective
    several = train.rollouts_per_update < train.prompts_per_step * train.samples_per_prompt
    held = not isinstance(objective, PolicyGradient) or config.rollout.temperature != objective.temperature
    forward = size * (objective.reads_reference + (several or held or objective.penalised))
    if prm is not None:
        forward += prm.matrix_parameters
    twice, of_head, of_all = 8.0 if checkpointing else 6.0, 0.0, 0.0
    if isinstance(config.prm, FitPrm) and prm is not None and tokens.fitted:
        of_head = prm.matrix_parameters * tokens.fitted * config.prm.head_fit.epochs
        of_all = prm.matrix_parameters * tokens.fitted * config.prm.full_fit.epochs
    return {
        "sampling": 2.0 * size * (tokens.sampled + tokens.checked),
        "scoring": 2.0 * (forward * tokens.read + of_head),
        "training": twice * (size * tokens.read + of_all),
    }


def gpu_hours(
    operations: dict[str, float], teraflops: int | float, shares: dict[str, int | float], idle: float
) -> float:
    """``Σ operations / (peak × share of the peak) / 3600 / (1 − idle)``.

    >>> round(gpu_hours({"training": 3.6e18}, 1000, {"training": 0.5}, idle=0.5), 3)
    4.0
    """
    seconds = sum(count / (teraflops * 1e12 * shares[phase]) for phase, count in operations.items())
    return seconds / 3600 / (1 - idle)


@dataclass(frozen=True)
class PricedCell:
    """One cell of the table and its price."""

    name: str
    preflight: Preflight
    tokens: TokenCounts
    operations: dict[str, float]
    hours: int | float
    disk: int


def machine_of(scale: dict[str, Any]) -> Machine:
    """A machine of a scale; what is not a GPU's is not planned with."""
    hardware = scale["hardware"]
    size = hardware["gibibytes"] * GIB
    return Machine(hardware["gpus"], size, hardware["name"], None, float("inf"), float("inf"), hardware["usable"])


def priced(name: str, words: list[str], scale: dict[str, Any]) -> PricedCell:
    """The price of a run; raises ``ConfigError`` where it does not compose or its sizes are not known."""
    config = composed(words)
    run = preflight(config, machine_of(scale))
    assert run is not None  # a table at another scale is of pretrained models
    given = scale["assumptions"]
    tokens = tokens_of(config, given["prompt_tokens"], given["response_tokens"])
    work = operations(config, tokens, run.models.policy, run.models.prm, config.train.gradient_checkpointing)
    hours = gpu_hours(work, scale["hardware"]["teraflops"], given, given["idle"])
    return PricedCell(name, run, tokens, work, hours, disk_of(config, run.models.policy))


def price_text(cells: list[PricedCell], anchor: PricedCell, scale: dict[str, Any]) -> str:
    """The plan as text: cells, memory, what does not fit, disk, tokens, hours, assumptions."""
    hardware, given = scale["hardware"], scale["assumptions"]
    machine = machine_of(scale)
    lines = [f"{len(cells)} cells on {machine.words}, of which {gib(machine.room(1))} are planned with", ""]
    lines.append(f"{'cell':<34}{'steps':>6}{'M tokens':>10}{'GPU-hours':>11}{'disk GB':>9}{'peak GiB':>10}")
    for cell in cells:
        run = cell.preflight
        millions = (cell.tokens.read + cell.tokens.checked) / 1e6
        peak = (gib(run.memory.peak) + (" !" if any(run.shortages()) else "  ")) if run.trains else "–  "
        steps = run.config.train.steps if run.trains else 0
        lines.append(f"{cell.name:<34}{steps:>6}{millions:>10.0f}{cell.hours:>11.1f}{cell.disk / 1e9:>9.0f}{peak:>12}")
    total, held = sum(cell.hours for cell in cells), sum(cell.disk for cell in cells)
    lines.append(f"{'all':<34}{'':>6}{'':>10}{total:>11.1f}{held / 1e9:>9.0f}")
    lines += ["", "Memory of one rank in GiB, by component; phases follow each other, and the fullest counts:", ""]
    trained = [cell for cell in cells if cell.preflight.trains]
    names = [name for name, size in vars(trained[0].preflight.memory).items() if not isinstance(size, bool)]
    lines.append(f"{'cell':<34}" + "".join(f"{name.replace('_', ' '):>17}" for name in names))
    for cell in trained:
        sizes = vars(cell.preflight.memory)
        lines.append(f"{cell.name:<34}" + "".join(f"{gib(sizes[name]):>17}" for name in names))
    stretched = {run.config.model.name: beyond_positions(run.config, run.models.policy) for run in runs_of(trained)}
    lines += ["", *too_large(cells), *filter(None, stretched.values()), ""]
    sleeping = (
        "rollout=vllm: its engine has rollout.gpu_memory of a GPU for weights, work and cache in phase sample, and "
        f"nothing in the others, while it sleeps; its CUDA graphs are planned with {gib(GRAPHS)} GiB."
    )
    asleep = [sleeping] if any(isinstance(run.config.rollout, VllmRollout) for run in runs_of(trained)) else []
    ratio = scale["anchor"]["gpu_hours"] / anchor.hours
    lines += [
        "Tokens = steps × prompts × samples × (prompt + response), and the responses of validation and score.",
        *asleep,
        "Disk = 2 × 14·P bytes of state (the old one goes once the new one is whole), 2·P of each policy that is left.",
        "GPU-hours = Σ operations / (peak × share) / 3600 / (1 − idle); a token costs 2M forward and 4M backward.",
        f"Assumed: {', '.join(f'{name} {value}' for name, value in given.items())}; {hardware['teraflops']} TFLOP/s.",
        f"Against a measured run ({' '.join(scale['anchor']['overrides'])}): {scale['anchor']['gpu_hours']} GPU-hours "
        f"reported, {anchor.hours:.0f} by this formula. Times {ratio:.1f} at that run's efficiency, the table costs "
        f"{total * ratio:.0f} GPU-hours.",
    ]
    return "\n".join(lines)


def runs_of(cells: list[PricedCell]) -> list[Preflight]:
    """The preflights of some cells."""
    return [cell.preflight for cell in cells]


def too_large(cells: list[PricedCell]) -> list[str]:
    """A sentence for every cell that does not fit, with the keys that would make it fit."""
    lines = [f"{cell.name}: {reason}" for cell in cells if (reason := refusal(cell.preflight))]
    return lines or ["Every cell fits."]


def main(words: list[str]) -> int:
    """Price ``<table> <scale>``, with more overrides for every cell behind."""
    try:
        table, scale_name, *overrides = words if len(words) > 1 else ("", "")
        folder = EXPERIMENTS / Path(table).name
        scales = [p for p in EXPERIMENTS.glob("*/*.yaml") if p.stem not in ("cells", "claims")]
        known = sorted(f"{p.parent.name} {p.stem}" for p in scales)
        if f"{table} {scale_name}" not in known:
            raise ConfigError(
                f"name a table and a scale, one of {', '.join(known)}, as in: "
                f"python -m pure_repro.launch.price {known[0]}"
            )
        scale = yaml.safe_load((folder / f"{scale_name}.yaml").read_text())
        rows = yaml.safe_load((folder / "cells.yaml").read_text())
        cells = [
            priced(
                f"{model} {row}",
                [*scale["engine"], *scale["overrides"], f"model={model}", *rows[row]["overrides"], *overrides],
                scale,
            )
            for model in scale["models"]
            for row in scale["rows"]
        ]
        anchor = priced("anchor", [*scale["engine"], *scale["anchor"]["overrides"]], scale)
    except ConfigError as error:
        print(f"pure-repro: {error}", file=sys.stderr)
        return 2
    print(price_text(cells, anchor, scale))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
