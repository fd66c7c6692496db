"""``prm=endpoint``: a reward model that is served somewhere, asked for the scores of texts.

``POST url`` with ``{"model": …, "input": [text, …]}``, where a text holds the problem and every step with its marker.
The reply is ``{"data": [{"data": [[P(wrong), P(right)], …]}, …]}``, a pair for every step of every text; one number
instead of a pair is P(right). vLLM's ``/pooling`` answers so.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from pathlib import Path
from typing import Any

from pure_repro.config import EndpointPrm
from pure_repro.models.served import Kept, NoReply, ask, key_of


class Endpoint:
    """Texts out, step scores in; nothing is asked twice, and whatever goes wrong is counted.

    ``counts``: texts ``asked`` and ``kept`` from before, without a reply (``unanswered``), with one that says something
    else than asked (``malformed``). ``reason``: why the last reply that did not come did not.
    """

    def __init__(self, plan: EndpointPrm, cache: Path) -> None:
        self.plan, self.kept = plan, Kept(cache)
        self.counts: Counter[str] = Counter()
        self.reason = ""

    def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float] | None]:
        """The scores of every solution; none where no good reply came."""
        texts = [text_of(question, steps, self.plan) for question, steps in asked]
        keys = [key_of(self.plan.model, text) for text in texts]
        known = self.kept.get(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        self.counts["kept"] += len(known)
        self.counts["asked"] += len(new)
        fresh = self.replies(new)
        found = []
        for key, (_, steps) in zip(keys, asked, strict=True):
            reply = (known | fresh).get(key)
            scores = None if reply is None else scores_in(reply, len(steps))
            self.counts["unanswered"] += reply is None
            self.counts["malformed"] += reply is not None and scores is None
            found.append(scores)
        good = {key for key, scores in zip(keys, found, strict=True) if scores is not None}
        self.kept.put({key: reply for key, reply in fresh.items() if key in good})
        return found

    def replies(self, texts: dict[str, str]) -> dict[str, Any]:
        """What comes back, by key: ``prm.batch`` texts a request, ``prm.at_once`` requests at a time."""
        keys, size = list(texts), self.plan.batch
        requests = [keys[first : first + size] for first in range(0, len(keys), size)]
        with ThreadPoolExecutor(self.plan.at_once) as pool:
            replies = pool.map(lambda some: self.reply([texts[key] for key in some]), requests)
            return {
                key: one
                for some, reply in zip(requests, replies, strict=True)
                for key, one in zip(some, reply, strict=False)
            }

    def reply(self, texts: Sequence[str]) -> list[Any]:
        """What is said of each of some texts; nothing where the reply is late or of another shape."""
        try:
            said = ask(self.plan.url, {"model": self.plan.model, "input": list(texts)}, self.plan.timeout)
        except NoReply as error:
            self.reason = str(error)
            return []
        data = said.get("data") if isinstance(said, dict) else None
        if not isinstance(data, list) or len(data) != len(texts):
            return [[]] * len(texts)  # a reply, and none that can be read
        return [one.get("data") if isinstance(one, dict) else [] for one in data]


def text_of(question: str, steps: Sequence[str], plan: EndpointPrm) -> str:
    """Problem and steps in the pattern of the served model; a marker that a policy wrote is taken out.

    >>> from pure_repro.config import EndpointPrm
    >>> plan = EndpointPrm(name="endpoint", url="http://127.0.0.1/", model="m", marker="<s>", prompt="{question}: ",
    ...                    step="{step}<s>", batch=1, at_once=1, timeout=1, cache=None)
    >>> text_of("1+1?", ["1+1=2<s>", "so 2"], plan)
    '1+1?: 1+1=2<s>so 2<s>'
    """
    told = "".join(
        plan.step.replace("{number}", str(n)).replace("{step}", step.replace(plan.marker, ""))
        for n, step in enumerate(steps, 1)
    )
    return plan.prompt.replace("{question}", question.replace(plan.marker, "")) + told


def scores_in(reply: Any, steps: int) -> list[float] | None:
    """``P(right) − P(wrong)`` of every step, from pairs or from P(right) alone; ``None`` for anything else.

    >>> scores_in([[0.25, 0.75], [1.0, 0.0]], steps=2), scores_in([0.75], steps=1)
    ([0.5, -1.0], [0.5])
    >>> scores_in([[0.25, 0.75]], steps=2), scores_in([[0.5, 1.5]], steps=1), scores_in(["0.75"], steps=1)
    (None, None, None)
    """
    if not isinstance(reply, list) or len(reply) != steps:
        return None
    scores = []
    for one in reply:
        match one if isinstance(one, list) else [1 - one if shares(one) else None, one]:
            case [wrong, right] if shares(wrong) and shares(right):
                scores.append(float(right - wrong))
            case _:
                return None
    return scores


def shares(value: Any) -> bool:
    """Whether a value is a probability.

    >>> shares(1), shares(0.5), shares(True), shares(float("nan")), shares("1")
    (True, True, False, False, False)
    """
    return type(value) in (int, float) and isfinite(value) and 0 <= value <= 1
