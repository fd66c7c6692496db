"""Stage ``prm`` under ``reward=judge``: the judge is fitted where it is one of the embedded world, and examined."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pure_repro.config import Config, Embedded, Judge, Tiny
from pure_repro.data.demonstrations import demonstrate
from pure_repro.data.tokenizer import UNKNOWN, world_tokenizer
from pure_repro.data.world import draw_problems
from pure_repro.judge.ask import asked, judge_reply, world_subgoals, world_truth
from pure_repro.judge.endpoint import endpoint
from pure_repro.judge.files import Labelled, labelled_rows
from pure_repro.judge.judges import CachedJudge, Replies, in_process
from pure_repro.judge.subgoals import quality
from pure_repro.models.policy import load_policy, new_policy
from pure_repro.models.supervised import IGNORE, Minibatch, fit

# What the embedded judge writes besides numbers; and a policy says what it will, so that there is a word for any other.
REPLY_WORDS = ('{"achieved": [', "[", "]", "]}", ", ", UNKNOWN)


def fit_judge(config: Config, out: Path) -> None:
    """Fit the embedded judge, or take the one that is named; print and save how it does on labelled steps."""
    judge = config.reward.judge
    assert judge is not None
    seen, unseen = labelled(config, judge)
    if judge.who == "fitted":
        fit_embedded(config, judge, seen, out)
    report = examine_judge(open_judge(config, out / "model", out / "replies.sqlite"), unseen)
    (out / "gate.json").write_text(json.dumps(report, indent=2))
    print(
        f"judge on {report['steps']:.0f} labelled steps: precision {report['precision']:.3f}, "
        f"recall {report['recall']:.3f}, F1 {report['f1']:.3f}; {report['judge/malformed']:.0f} replies malformed, "
        f"{report['judge/unanswered']:.0f} missing"
    )


def labelled(config: Config, judge: Judge) -> tuple[list[Labelled], list[Labelled]]:
    """Steps with the subgoals that they achieve, to learn from and to be examined by.

    Those of the embedded world are demonstrations, labelled by its checker. Otherwise they are the lines of
    ``judge.labelled``, ``{"question", "subgoals", "steps", "achieved": [[step, subgoal], …]}``, and all examine.
    """
    if judge.labelled is not None:
        return [], labelled_rows(judge.labelled)
    data = config.data
    assert isinstance(data, Embedded)
    count = judge.demonstrations + judge.examined
    problems = draw_problems("prm", count, data.difficulty, data.modulus, config.seed)
    rng = random.Random(config.seed)
    made = []
    for problem in problems:
        steps = demonstrate(problem, data.errors, data.modulus, rng).split("\n\n")
        if rng.random() < judge.repeated:  # a policy that farms says an achieved step again
            at = rng.randrange(len(steps))
            steps[at:at] = [steps[at]] * rng.randint(1, 3)
        truth = world_truth(problem.question, steps[: judge.max_steps], data.modulus)
        made.append((problem.question, world_subgoals(problem.question, data.modulus), steps, truth))
    return made[judge.examined :], made[: judge.examined]


def fit_embedded(config: Config, judge: Judge, seen: Sequence[Labelled], out: Path) -> None:
    """A language model of the size of the policy, from scratch, on questions and their right answers."""
    assert isinstance(config.model, Tiny) and isinstance(config.data, Embedded) and judge.fit is not None
    tokenizer = world_tokenizer(config.data.modulus, REPLY_WORDS)
    model = new_policy(config.model.model_copy(update={"context": judge.context}), tokenizer, config.seed)
    model.set_attn_implementation("eager")
    prompts = tokenizer([asked(judge, *row[:3]) for row in seen])["input_ids"]
    answers = tokenizer([judge_reply(row[3]) for row in seen])["input_ids"]
    end = tokenizer.eos_token_id
    examples = [
        {
            "input_ids": [*prompt, *said, end],
            "attention_mask": [1] * (len(prompt) + len(said) + 1),
            "labels": [IGNORE] * len(prompt) + [*said, end],
        }
        for prompt, said in zip(prompts, answers, strict=True)
    ]

    def loss(batch: Minibatch) -> Tensor:
        return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss

    pad = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORE}
    losses = fit(model, examples, pad, loss, judge.fit, out, seed=config.seed, label="judge")
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    (out / "losses.json").write_text(json.dumps([round(x, 5) for x in losses]))


def open_judge(config: Config, folder: Path, cache: Path) -> CachedJudge:
    """The judge of a run: ``folder`` holds the fitted one."""
    judge = config.reward.judge
    assert judge is not None
    identity = f"{judge.who} {judge.url} {judge.model} {judge.max_new_tokens}"
    replies: Replies
    if judge.who == "endpoint":
        replies = endpoint(judge)
    else:
        where = folder if judge.who == "fitted" else Path(str(judge.model))
        loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] = load_policy(where, config.model)
        replies = in_process(*loaded, judge)
    return CachedJudge(judge, f"{identity} {folder if judge.who == 'fitted' else ''}", replies, cache)


def examine_judge(judge: CachedJudge, rows: Sequence[Labelled]) -> dict[str, float]:
    """Precision, recall and F1 over every step and subgoal of the rows that the judge is shown."""
    said, truth = [], []
    for row, found in zip(rows, judge.achieved([row[:3] for row in rows]), strict=True):
        for step in range(min(len(row[2]), judge.judge.max_steps)):
            for goal in range(len(row[1])):
                said.append((step, goal) in found)
                truth.append((step, goal) in row[3])
    steps = float(sum(min(len(row[2]), judge.judge.max_steps) for row in rows))
    return quality(said, truth) | {"steps": steps} | judge.take_counts()
