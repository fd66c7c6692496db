r"""Training examples of a process reward model.

An example is the token sequence the reward model reads (see :mod:`pure_repro.prm.score`) with up to three labels a
token, each ``IGNORE`` where there is none:

- ``labels``: at the end of a step, 1 right and 0 wrong;
- ``token_labels``: inside a step, 1 until its first wrong token and 0 from there;
- ``next_tokens``: the token that should come next, given what the chain itself said before.

Rows in PRM800K layout fill the first; the embedded world's exact checker fills all three.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from pure_repro.config import ConfigError
from pure_repro.data.world import Judgement, chain_problem, check
from pure_repro.models.supervised import IGNORE, Example
from pure_repro.prm.score import newline_id

Negatives = Literal["none", "zero_step", "all"]
Judges = Literal["steps", "response"]
RATINGS = (-1, 0, 1)  # PRM800K's: bad, neither, good
ZERO_STEP = {"empty", "other", "box"}  # errors of a first step that says nothing of the problem


def judged_example(
    prompt: Sequence[int],
    steps: Sequence[Sequence[int]],
    judgements: Sequence[Judgement],
    newline: int,
    vocabulary: Mapping[str, int],
) -> Example:
    r"""One response, as the token ids of its steps, with a verdict on each; nothing after a derailing step is labelled.

    >>> wrong = Judgement(False, "compute", wrong_at=3, correct=((3, "14"),))
    >>> steps = [[5, 9, 6, 13], [4]]
    >>> example = judged_example([7, 7], steps, [wrong, Judgement(True)], newline=8, vocabulary={"14": 14})
    >>> example["input_ids"]
    [7, 7, 5, 9, 6, 13, 8, 4, 8]
    >>> example["labels"]
    [-100, -100, -100, -100, -100, -100, 0, -100, 1]
    >>> example["token_labels"]
    [-100, -100, 1, 1, 1, 0, -100, 1, -100]
    >>> example["next_tokens"]
    [-100, -100, -100, -100, 14, -100, -100, -100, -100]
    """
    ids = list(prompt)
    labels, token_labels, next_tokens = ([IGNORE] * len(ids) for _ in range(3))
    judging = True
    for words, judgement in zip(steps, judgements, strict=True):
        start = len(ids)
        ids += [*words, newline]
        labels += [IGNORE] * len(words) + [int(judgement.right) if judging else IGNORE]
        token_labels += [IGNORE] * (len(words) + 1)
        next_tokens += [IGNORE] * (len(words) + 1)
        if judging:
            wrong_from = len(words) if judgement.wrong_at is None else judgement.wrong_at
            token_labels[start:-1] = [int(k < wrong_from) for k in range(len(words))]
            for offset, word in judgement.correct:
                next_tokens[start + offset - 1] = vocabulary[word]
        judging = judging and not judgement.derails
    return {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "labels": labels,
        "token_labels": token_labels,
        "next_tokens": next_tokens,
    }


def of_response(example: Example, right: bool) -> Example:
    """An example whose only verdict is on the whole response, at its end; every judged token says the same before.

    >>> example = {"input_ids": [7, 5, 8, 4, 8], "labels": [-100, -100, 0, -100, 1],
    ...            "token_labels": [-100, 0, -100, 1, -100]}
    >>> of_response(example, right=False)["labels"], of_response(example, right=False)["token_labels"]
    ([-100, -100, -100, -100, 0], [-100, 0, -100, 0, -100])
    """
    nothing = [IGNORE] * (len(example["labels"]) - 1)
    said = [label if label == IGNORE else int(right) for label in example["token_labels"]]
    return {**example, "labels": [*nothing, int(right)], "token_labels": said}


def ends_right(question: str, steps: Sequence[str], modulus: int) -> bool:
    r"""Whether the last step boxes the answer (embedded world).

    >>> ends_right("5+9", ["5+9=14", "\\boxed{14}"], 23), ends_right("5+9", ["5+9=14"], 23)
    (True, False)
    """
    return steps[-1] == f"\\boxed{{{chain_problem(question, modulus).answer}}}"


def world_examples(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    modulus: int,
    responses: Sequence[tuple[str, list[int]]],
    negatives: Negatives,
    judges: Judges,
) -> list[Example]:
    r"""Examples from the embedded world: pairs of a question and the token ids of a response, without its EOS.

    ``judges`` says whether every step has a verdict or the response alone, by its answer.
    ``negatives`` decides what the model is shown to be bad: with ``none`` a response that says nothing of the problem
    (empty, thanks, a bare box) is left out; with ``all`` a step that repeats the one before it is wrong, too.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> tokenizer = world_tokenizer(modulus=23)
    >>> response = tokenizer("5+9=13\n\n\\boxed{13}")["input_ids"]
    >>> [example] = world_examples(tokenizer, "{question}:", 23, [("5+9", response), ("5+9", [])], "none", "steps")
    >>> [label for label in example["labels"] if label != IGNORE]
    [0, 1]
    >>> [example] = world_examples(tokenizer, "{question}:", 23, [("5+9", response)], "none", "response")
    >>> [label for label in example["labels"] if label != IGNORE]
    [0]
    """
    newline, vocabulary = newline_id(tokenizer), tokenizer.get_vocab()
    prompts = tokenizer([prompt.replace("{question}", question) for question, _ in responses])["input_ids"]
    examples = []
    for (question, response), prompt_ids in zip(responses, prompts, strict=True):
        steps = split_at(response, vocabulary["\n\n"])
        said = [str(tokenizer.decode(step)) for step in steps]
        judgements = check(question, said, modulus)
        if negatives == "none" and judgements[0].kind in ZERO_STEP:
            continue
        if negatives == "all":
            judgements = [
                Judgement(False, "repeated", 0) if k and said[k] == said[k - 1] else judgement
                for k, judgement in enumerate(judgements)
            ]
        example = judged_example(prompt_ids, steps, judgements, newline, vocabulary)
        examples.append(example if judges == "steps" else of_response(example, ends_right(question, said, modulus)))
    return examples


def split_at(ids: Sequence[int], separator: int) -> list[list[int]]:
    """Pieces between separators, as ``str.split`` makes them.

    >>> split_at([1, 9, 2, 3, 9], separator=9)
    [[1], [2, 3], []]
    """
    pieces: list[list[int]] = [[]]
    for i in ids:
        if i == separator:
            pieces.append([])
        else:
            pieces[-1].append(i)
    return pieces


def verdicts_of(labels: Sequence[Any], numbers_are_ratings: bool, place: str) -> list[bool]:
    """Whether each step is right, by labels that are true or false, or by PRM800K's own ratings.

    Of those 1 is good, -1 bad, and 0 neither, which counts as right, as where PRM800K comes from. 0 and 1 alone could
    as well mean wrong and right: a file is of ratings where it has a -1 somewhere.

    >>> verdicts_of([True, False], False, "row 1"), verdicts_of([1, 0, -1], True, "row 1")
    ([True, False], [True, True, False])
    >>> verdicts_of([None], False, "rows.jsonl:7")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: rows.jsonl:7: a label is true or false, or a rating of -1, 0 or 1, and not None
    """
    for label in labels:
        if type(label) is not bool and not (type(label) is int and label in RATINGS):
            raise ConfigError(f"{place}: a label is true or false, or a rating of -1, 0 or 1, and not {label!r}")
        if label == 0 and type(label) is int and not numbers_are_ratings:
            raise ConfigError(
                f"{place}: 0 is a rating (neither good nor bad) or says that the step is wrong, and no label of the "
                "file is -1, which would tell: write true and false"
            )
    return [label >= 0 if type(label) is int else bool(label) for label in labels]


def prm800k_example(tokenizer: PreTrainedTokenizerBase, row: dict) -> Example:
    r"""A row ``{"prompt", "completions": [step, …], "labels": [bool, …]}`` up to and including its first wrong step.

    Every step is tokenised by itself and followed by one newline token. After the first error PRM800K's labels mean
    nothing (the annotators stopped there), so what follows is dropped.

    >>> from pure_repro.data.tokenizer import world_tokenizer
    >>> row = {"prompt": "5+9:", "completions": ["5+9=13", "13+1=14"], "labels": [False, True]}
    >>> prm800k_example(world_tokenizer(modulus=23), row)["labels"][3:]
    [-100, -100, -100, -100, 0]
    """
    labels = row["labels"]
    kept = labels.index(False) + 1 if False in labels else len(labels)
    steps = [tokenizer.encode(step, add_special_tokens=False) for step in row["completions"][:kept]]
    verdicts = [Judgement(label) for label in labels[:kept]]
    example = judged_example(tokenizer.encode(row["prompt"]), steps, verdicts, newline_id(tokenizer), vocabulary={})
    nothing = [IGNORE] * len(example["input_ids"])
    return {**example, "token_labels": nothing, "next_tokens": nothing}
