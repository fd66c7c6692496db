"""What k samples of one problem say: pass@k, and the vote of the majority."""

from collections.abc import Callable, Sequence
from math import comb


def pass_at(k: int, right: int, samples: int) -> float:
    """The unbiased estimate of the chance that one of ``k`` responses is right, ``1 − C(n−c, k) / C(n, k)``.

    Of ``n`` samples ``c`` are right (Chen et al. 2021, "Evaluating large language models trained on code").

    >>> pass_at(1, right=1, samples=4), pass_at(2, right=1, samples=4), pass_at(4, right=1, samples=4)
    (0.25, 0.5, 1.0)

    Raises ``ValueError`` where there are fewer samples than ``k``: no estimate is unbiased then.
    """
    if k > samples:
        raise ValueError(f"pass@{k} needs {k} samples or more, and there are {samples}")
    return 1.0 - comb(samples - right, k) / comb(samples, k)


def powers_of_two(limit: int) -> list[int]:
    """The k of pass@k: 1, 2, 4, … and ``limit`` itself.

    >>> powers_of_two(4), powers_of_two(6)
    ([1, 2, 4], [1, 2, 4, 6])
    """
    return [k for k in (2**i for i in range(limit.bit_length())) if k < limit] + [limit]


def majority(answers: Sequence[str | None], match: Callable[[str, str], bool]) -> int | None:
    r"""The index of the first sample that gives the most frequent answer; ``None`` where no sample answers.

    Answers are one where ``match`` says so, each compared with the first of its group; the earlier group wins a tie.

    >>> majority(["1/2", "3", None, "0.5"], match=lambda a, b: {a, b} <= {"1/2", "0.5"})
    0
    """
    groups: list[tuple[int, list[str]]] = []
    for i, answer in enumerate(answers):
        if answer is None:
            continue
        same = next((members for _, members in groups if answer in members), None)
        same = same or next((members for _, members in groups if match(answer, members[0])), None)
        if same is None:
            groups.append((i, [answer]))
        else:
            same.append(answer)
    return max(groups, key=lambda group: len(group[1]))[0] if groups else None
