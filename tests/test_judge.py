"""The judge: what it pays, how its answers are read, and a real endpoint that answers well, badly, late or not."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml

from pure_repro.config import ConfigError, Judge
from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.judge.ask import asked, judge_reply, parse_reply, world_subgoals, world_truth
from pure_repro.judge.endpoint import endpoint
from pure_repro.judge.fit import REPLY_WORDS, labelled
from pure_repro.judge.judges import CachedJudge, JudgeSilent
from pure_repro.judge.subgoals import quality, subgoal_rewards
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan

WORDS = ("reward=judge", "credit=sum")
QUESTION = "14-7+4*2"
GOALS = world_subgoals(QUESTION, 23)
RIGHT = ["14-7=7", "7+4=11", "11*2=22", r"\boxed{22}"]


def judge(**changes: object) -> Judge:
    chosen = composed(list(WORDS)).reward.judge
    assert chosen is not None
    return chosen.model_copy(update=changes)


def hits(*pairs: tuple[int, int], steps: int = 4, goals: int = 2) -> torch.Tensor:
    hit = torch.zeros(1, steps, goals, dtype=torch.bool)
    for step, goal in pairs:
        hit[0, step, goal] = True
    return hit


def paid(hit: torch.Tensor, beta: float = 0.1, steps: int | None = None) -> list[float]:
    mask = torch.arange(hit.shape[1])[None] < (hit.shape[1] if steps is None else steps)
    return [round(x, 6) for x in subgoal_rewards(hit, mask, torch.tensor([hit.shape[2]]), beta=beta)[0].tolist()]


def test_subgoals_pay_once_and_at_most_beta() -> None:
    assert paid(hits((0, 0), (2, 1), (3, 1))) == [0.05, 0, 0.05, 0]
    assert paid(hits((0, 0), (1, 0), (2, 0), (3, 0))) == [0.05, 0, 0, 0], "an achieved subgoal is not farmed"
    assert sum(paid(torch.ones(1, 4, 2, dtype=torch.bool))) == pytest.approx(0.1)
    assert paid(hits((0, 0), (2, 1)), beta=0.0) == [0, 0, 0, 0]
    assert paid(hits((0, 0), (3, 1)), steps=3) == [0.05, 0, 0, 0], "a masked step earns nothing"
    assert paid(hits((0, 1), (2, 0))) == paid(hits((0, 0), (2, 1))), "the order of subgoals is nothing"


def test_quality_by_hand() -> None:
    found = quality([True, False, True, True], [True, False, True, False])
    assert found == pytest.approx({"precision": 2 / 3, "recall": 1.0, "f1": 0.8})
    assert quality([False], [False]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


MALFORMED = [
    "",
    "yes",
    "[[1, 1]]",
    '{"achieved": [[1, 1]], "more": 1}',
    '{"achieved": [[1, 1]]} and so on',
    '{"achieved": [[0, 1]]}',
    '{"achieved": [[1, 4]]}',
    '{"achieved": [[5, 1]]}',
    '{"achieved": [[true, 1]]}',
    '{"achieved": [[1.0, 1]]}',
    '{"achieved": [["1", "1"]]}',
    '{"achieved": [1, 1]}',
    '{"achieved": {"1": 1}}',
    '{"achieved": [[1, 1]',
    "{'achieved': [[1, 1]]}",
    "__import__('os').getcwd()",
    "[" * 100_000,
]


@pytest.mark.parametrize("reply", MALFORMED)
def test_what_is_not_strict_json_is_malformed(reply: str) -> None:
    assert parse_reply(reply, steps=4, subgoals=3) is None


def test_an_answer_is_read_back_and_fits_the_tokenizer() -> None:
    tokenizer = world_tokenizer(23, REPLY_WORDS)
    for pairs in ([], [(0, 0)], [(0, 0), (2, 1), (10, 2)]):
        assert parse_reply(judge_reply(pairs), steps=11, subgoals=3) == tuple(pairs)
        assert tokenizer.decode(tokenizer(judge_reply(pairs))["input_ids"]) == judge_reply(pairs)
    odd = asked(judge(), QUESTION, GOALS, ["good 514", "=<pad>} 7"])
    assert len(tokenizer(odd)["input_ids"]) > 10, "whatever a policy says is read"
    prompt = asked(judge(), QUESTION, GOALS, RIGHT)
    assert tokenizer.decode(tokenizer(prompt)["input_ids"]) == prompt


def test_the_checker_says_which_value_is_reached_in_its_turn() -> None:
    assert world_truth(QUESTION, RIGHT, 23) == [(0, 0), (1, 1), (2, 2)]
    assert world_truth(QUESTION, ["next -7", "14-7=8", "8+4=12", "12*2=1"], 23) == []
    farmed = ["14-7=7", "14-7=7", "14-7=7"]
    assert world_truth(QUESTION, farmed, 23) == [(0, 0)], "to say it again is no step of the chain"


class Endpoint(BaseHTTPRequestHandler):
    """Answers by what the prompt holds; remembers what it was asked."""

    seen: ClassVar[list[dict]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body | {"path": self.path})
        prompt = body["messages"][0]["content"]
        if "LATE" in prompt:
            time.sleep(1.5)
        if "SURROGATE" in prompt:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"choices": [{"message": {"content": "\\ud800"}}]}')
            return
        if "DRIPS" in prompt:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # nobody listens any more
                for _ in range(110):
                    self.wfile.write(b" ")
                    time.sleep(0.3)
            return
        said = "hmm" if "BAD" in prompt else judge_reply([(0, 0), (1, 0), (1, 1)])
        reply = json.dumps({"choices": [{"message": {"content": said}}]})
        self.send_response(500 if "BROKEN" in prompt else 200)
        self.end_headers()
        self.wfile.write((reply if "STRANGE" not in prompt else '{"choices": []}').encode())

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server of this machine, for the length of a test."""
    Endpoint.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def at(url: str, cache: Path, max_unanswered: float = 0.0) -> CachedJudge:
    """A judge behind that address."""
    chosen = judge(who="endpoint", url=url, model="some", timeout=0.5, beta=0.2, max_unanswered=max_unanswered)
    return CachedJudge(chosen, "endpoint some", endpoint(chosen), cache)


def test_an_endpoint_judges_and_is_asked_nothing_twice(url, tmp_path) -> None:
    questions = [("good", ["a", "b"], ["x", "y", "y"]), ("BAD", ["a", "b"], ["x", "y"])]
    one = at(url, tmp_path / "cache.sqlite")
    expected = torch.tensor([[0.1, 0.1, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(one.rewards(questions, 3), expected)
    assert one.take_counts() == {"judge/asked": 2, "judge/cached": 0, "judge/malformed": 1, "judge/unanswered": 0}
    torch.testing.assert_close(at(url, tmp_path / "cache.sqlite").rewards(questions, 3), expected)
    torch.testing.assert_close(one.rewards(questions, 3), expected)
    assert one.take_counts() == {"judge/asked": 0, "judge/cached": 2, "judge/malformed": 1, "judge/unanswered": 0}
    assert len(Endpoint.seen) == 2
    assert {"path": "/v1/chat/completions", "model": "some", "temperature": 0}.items() <= Endpoint.seen[0].items()


def test_what_does_not_answer_pays_nothing_and_is_counted_and_asked_again(url, tmp_path) -> None:
    questions = [(word, ["a"], ["x"]) for word in ("LATE", "BROKEN", "STRANGE")]
    one = at(url, tmp_path / "cache.sqlite", max_unanswered=1.0)
    for _ in range(2):
        assert not one.rewards(questions, 1).any()
        assert one.take_counts() == {"judge/asked": 3, "judge/cached": 0, "judge/malformed": 0, "judge/unanswered": 3}
    nobody = at("http://127.0.0.1:9/v1", tmp_path / "other.sqlite", max_unanswered=1.0)
    assert not nobody.rewards(questions, 1).any() and nobody.take_counts()["judge/unanswered"] == 3


@pytest.mark.parametrize("word", ["DRIPS", "SURROGATE"])
def test_what_never_ends_or_is_no_text_is_no_reply(url, tmp_path, word) -> None:
    one, start = at(url, tmp_path / "cache.sqlite", max_unanswered=1.0), time.monotonic()
    assert not one.rewards([(word, ["a"], ["x"])], 1).any() and one.take_counts()["judge/unanswered"] == 1
    assert time.monotonic() - start < 20, "a byte now and then would take 33 seconds"


def test_a_judge_that_does_not_answer_stops_the_run(url, tmp_path) -> None:
    questions = [(word, ["a"], ["x"]) for word in ("good", "BROKEN", "STRANGE")]
    at(url, tmp_path / "cache.sqlite", max_unanswered=0.67).rewards(questions, 1)
    with pytest.raises(
        JudgeSilent, match=r"left 2 of 3 prompts without a reply \(status 500\), and reward.judge.max_unanswered=0.6 of"
    ):
        at(url, tmp_path / "cache.sqlite", max_unanswered=0.6).rewards(questions, 1)


def test_labelled_steps_hold_repetitions_and_their_truth() -> None:
    config = composed([*WORDS, "reward.judge.demonstrations=200", "reward.judge.repeated=1.0"])
    assert config.reward.judge is not None
    seen, unseen = labelled(config, config.reward.judge)
    assert len(seen) == 200 and len(unseen) == config.reward.judge.examined
    assert not {row[0] for row in seen} & {row[0] for row in unseen}
    assert all(any(a == b for a, b in zip(row[2], row[2][1:], strict=False)) for row in seen)
    assert sum(len(row[3]) for row in seen) > 200


REFUSED = {
    "reward=judge": (
        "credit=min looks for the worst step, and reward=judge pays 0 for most steps and below 0 for none, "
        "so that nothing would be paid: take credit=sum"
    ),
    "reward=judge credit=sum reward.judge.who=endpoint": (
        "reward.judge.url=null names no endpoint: take one as http://127.0.0.1:8000/v1"
    ),
    "reward=judge credit=sum reward.judge.who=local": (
        "reward.judge.model=null names no judge for who=local: name a folder, or a model of the endpoint"
    ),
    "reward=judge credit=sum reward.judge.beta=1.0": "reward.judge.beta=1.0 must be less than 1",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_means_nothing_is_refused(words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(words.split())
    assert str(caught.value) == REFUSED[words]


def test_where_a_judge_is_reached_moves_no_address() -> None:
    words = [*WORDS, "reward.judge.who=endpoint", "reward.judge.model=some"]
    here, there = (
        {name: run.address for name, run in plan(composed([*words, f"reward.judge.url=http://{host}/v1"])).items()}
        for host in ("a", "b")
    )
    assert here == there
    assert (
        here["train"]
        != plan(composed([*words, "reward.judge.url=http://a/v1", "reward.judge.beta=0.2"]))["train"].address
    )


def test_a_run_is_judged_by_an_endpoint_from_examination_to_update(entry, store, url) -> None:
    """The real entry point, at toy length: precision is printed first, then replies are counted in every step."""
    tiny = ["recipe=smoke", "track=none", "train.steps=2", "reward.judge.examined=10", "stages=[base,prm,train]"]
    tiny += ["reward.judge.demonstrations=1", "reward.judge.who=endpoint", "reward.judge.model=some"]
    run = entry(*tiny, *WORDS, f"reward.judge.url={url}", f"store={store}")
    assert run.returncode == 0, run.stderr
    assert "labelled steps: precision 0." in run.stdout
    [folder] = (store / "train").iterdir()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    asked_for = [row["judge/asked"] + row["judge/cached"] for row in rows]
    assert all(0 < count <= 16 for count in asked_for)
    assert all(row["reward/process_sum"] > 0 for row in rows)
    made = yaml.safe_load((folder / "config.yaml").read_text())
    assert made["reward"]["judge"]["beta"] == 0.3 and "url" not in made["reward"]["judge"]
