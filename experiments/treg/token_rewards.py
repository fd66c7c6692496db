"""Token rewards by contrastive prompting, drawn over a few responses: where credit goes.

python experiments/treg/token_rewards.py store/base/<address>/model results/treg/token_rewards.png
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from pure_repro.config import Embedded, Treg
from pure_repro.data.world import check, draw_problems
from pure_repro.launch.compose import composed
from pure_repro.models.logprobs import all_logprobs
from pure_repro.models.policy import load_policy
from pure_repro.objective.treg import contrastive_rewards
from pure_repro.rollout.hf import SamplingPlan, generate
from pure_repro.rollout.reprompt import reprompted
from pure_repro.rollout.text import texts

PROBLEMS, SAMPLES, SHOWN = 40, 4, 8


def main(folder: Path, out: Path) -> None:
    """Sample the base, reward its tokens, draw responses with one wrong step and with none, each of another problem."""
    config = composed(["experiment=treg/pairs", "objective=treg"])
    data, objective = config.data, config.objective
    assert isinstance(data, Embedded) and isinstance(objective, Treg)
    model, tokenizer = load_policy(folder, config.model)
    problems = draw_problems("validation", PROBLEMS, data.difficulty, data.modulus, seed=1)
    prompts = [data.prompt.format(question=problem.question) for problem in problems]
    made = generate(model, tokenizer, problems, prompts, SamplingPlan(SAMPLES, 1.0, 1.0, 40), seed=1, step=0)
    asked = [problems[group] for group in made.group.tolist()]

    def under(way: str) -> list[str]:
        return [data.prompt.format(question=way.format(question=problem.question)) for problem in asked]

    better, worse = (
        all_logprobs(model, reprompted(made, tokenizer, under(way)), 1.0, 4096)
        for way in (objective.contrast.better, objective.contrast.worse)
    )
    rewards = contrastive_rewards(better, worse, made.mask)
    wrong = [
        sum(not judgement.right for judgement in check(problem.question, said.split("\n\n"), data.modulus))
        for problem, said in zip(asked, texts(tokenizer, made), strict=True)
    ]
    of_problem = [{made.group[r].item(): r for r, n in enumerate(wrong) if n == count} for count in (1, 0)]
    shown = [row for rows in of_problem for row in [*rows.values()][: SHOWN // 2]]
    figure, axes = plt.subplots(len(shown), 1, figsize=(12, 0.75 * len(shown)), squeeze=False)
    for axis, row in zip(axes[:, 0], shown, strict=True):
        words = tokenizer.convert_ids_to_tokens(made.tokens[row][made.mask[row]].tolist())
        kind = f"{wrong[row]} wrong step" if wrong[row] else "all steps right"
        draw(axis, words, rewards[row][made.mask[row]].tolist(), f"{asked[row].question}   ({kind})")
    figure.suptitle("Token rewards: green, likelier in a right answer; red, likelier in a wrong one", fontsize=10)
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, metadata={"Software": ""})


def draw(axis: Axes, words: list[str], rewards: list[float], title: str) -> None:
    """One response: a cell for every token, its colour the reward from −½ to ½."""
    axis.imshow([rewards], cmap="RdYlGn", vmin=-0.5, vmax=0.5, aspect="auto")
    for column, word in enumerate(words):
        axis.text(column, 0, word.replace("\n\n", "¶").replace("\\", ""), ha="center", va="center", fontsize=7)
    axis.set_title(title, fontsize=8, loc="left", pad=2)
    axis.set_xticks([])
    axis.set_yticks([])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
