"""Examining a reward model: ProcessBench and PRMBench by hand, any model, a server that errs, two models compared."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from reward_models import SHARED, Pooling, pooling, save_reward_model, served, write_rows
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from pure_repro.config import Chosen, Examined, GenerativePrm, PretrainedPrm
from pure_repro.launch.commands import composed_for
from pure_repro.prm.__main__ import main
from pure_repro.prm.generative import Generative
from pure_repro.prm.measures import MEASURES, best_threshold, first_error_counts, step_counts
from pure_repro.prm.readers import Local
from pure_repro.prm.reading import marked

# Ten solutions: the probabilities that the served model gives their steps, and the first wrong step (-1: none).
TEN = [
    ([0.9, 0.9, 0.9], -1),  # passed
    ([0.9, 0.8], -1),  # passed
    ([0.9, 0.4], -1),  # a false alarm
    ([0.5], -1),  # a score of 0 calls it wrong
    ([0.9, 0.1, 0.9], 1),  # found
    ([0.2, 0.1], 0),  # found
    ([0.2, 0.9], 0),  # found, whatever comes after it
    ([0.9, 0.9, 0.1], 1),  # one too late
    ([0.1, 0.9, 0.1], 2),  # one too early
    ([0.9, 0.9], 1),  # missed
]


def rows_of(solutions: list[tuple[list[float], int]]) -> list[dict]:
    return [
        {"problem": f"Problem {n}?", "steps": [f"step {k} [{p}]" for k, p in enumerate(said)], "label": at}
        for n, (said, at) in enumerate(solutions)
    ]


def examined(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, dict], Path, str]:
    """Figures by group, the folder, and what was printed."""
    assert main(["examine", *words]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    [folder] = re.findall(r"Written to (\S+)", printed)
    return {one["group"]: one for one in json.loads((Path(folder) / "figures.json").read_text())}, Path(folder), printed


@pytest.fixture
def ten(tmp_path: Path) -> list[str]:
    file = write_rows(tmp_path / "ten.jsonl", rows_of(TEN))
    return ["on=file", f"on.path={file}", f"store={tmp_path}"]


def test_processbench_by_hand(ten, capsys):
    with pooling() as url:
        figures, folder, printed = examined([*ten, *served(url)], capsys)
        again = examined([*ten, *served(url), "threshold=0.7"], capsys)
    assert figures["ten"]["on_erroneous"][0] == pytest.approx(3 / 6)
    assert figures["ten"]["on_correct"][0] == pytest.approx(2 / 4)
    assert figures["ten"]["f1"][0] == pytest.approx(0.5)
    low, high = figures["ten"]["f1"][1:]
    assert 0 <= low < 0.5 < high <= 1
    assert "steps a second" in printed and "23 steps" in printed and "wrong at or below 0." in printed
    assert again[1] == folder, "another threshold reads the scores that are kept"
    # at 0.7 a step is wrong below P = 0.85: 0.8 is, too, and one faultless solution less passes
    assert again[0]["ten"]["on_correct"][0] == pytest.approx(1 / 4)
    probes = {one["probe"]: one for one in json.loads((folder / "probes.json").read_text())}
    assert probes["numbered"]["score"] == 0 and probes["numbered"]["answers"] == 4, "it reads no style"
    assert probes["repeated"]["score"] == pytest.approx((0.8 + 0.8 + 0.8 + 0) / 4), "the first step, again and again"
    assert probes["empty"]["answers"] == 0, "no number, no score: malformed"


def test_four_splits_their_average_and_a_threshold_chosen_on_one(tmp_path, capsys):
    write_rows(tmp_path / "gsm8k.jsonl", rows_of(TEN))
    (tmp_path / "math.json").write_text(json.dumps(rows_of([([0.9, 0.3], 1), ([0.6], -1)])))
    words = ["on=processbench", "on.splits.gsm8k.rows=10", "on.splits.math.rows=2", f"data_dir={tmp_path}"]
    words += ["~on.splits.olympiadbench", "~on.splits.omnimath", f"store={tmp_path}", "probes=0"]
    with pooling() as url:
        figures, _, _ = examined([*words, *served(url)], capsys)
        chosen, _, printed = examined([*words, *served(url), "threshold=gsm8k"], capsys)
        half, _, _ = examined([*words, *served(url), "threshold=half"], capsys)
    assert figures["math"]["f1"][0] == 1
    assert figures["average"]["f1"][0] == pytest.approx((0.5 + 1) / 2), "splits count alike, whatever their size"
    assert "chosen on gsm8k" in printed
    # at -0.6 (P 0.2) all faultless ones pass, and no error that was found is lost
    assert chosen["gsm8k"]["f1"][0] == pytest.approx(2 * 0.5 * 1 / 1.5, abs=1e-5)
    assert chosen["gsm8k"]["threshold"] == pytest.approx(-0.6)
    assert half["gsm8k"]["solutions"] < 10, "figures are of the other half"
    assert main(["examine", *words, *served(url), "threshold=east"]) == 2
    assert "threshold=east names no rows of this set" in capsys.readouterr().err


PRMBENCH = [
    ("redundency", "p1", [0.9, 0.9, 0.9], [2]),
    ("circular", "p1", [0.9, 0.1], [2]),
    ("deception", "p2", [0.1, 0.1, 0.9], [1, 3, 9]),  # 9 is beyond the last step
    ("multi_solutions", "p3", [0.9, 0.1], []),
]


def test_prm_score_by_hand(tmp_path, capsys):
    rows = [
        {"idx": problem, "classification": kind, "error_steps": wrong, "modified_question": f"{problem} changed?"}
        | {"modified_process": [f"[{p}]" for p in said], "original_question": f"{problem}?"}
        | {"original_process": ["[0.9]", "[0.9]", "[0.9]", "[0.1]"]}
        for kind, problem, said, wrong in PRMBENCH
    ]
    file = write_rows(tmp_path / "part.jsonl", rows)
    with pooling() as url:
        figures, _, printed = examined(["on=prmbench", f"on.path={file}", f"store={tmp_path}", *served(url)], capsys)
    f1 = {kind: (figures[kind]["f1_right"][0], figures[kind]["f1_wrong"][0]) for kind, *_ in PRMBENCH}
    assert f1["redundency"] == pytest.approx((2 * 2 / (2 * 2 + 1), 0), abs=1e-5)  # 2 passed, 1 missed
    assert f1["circular"] == (1, 1)
    assert f1["deception"] == pytest.approx((0, 2 / (2 + 1 + 1)), abs=1e-5)  # 1 found, 1 missed, 1 alarm
    assert figures["multi_solutions"]["prm_score"][0] == pytest.approx(2 / 3, abs=1e-5), "right steps alone"
    assert figures["simplicity"]["prm_score"][0] == pytest.approx((0.4 + 1) / 2, abs=1e-5)
    # all that was made wrong: 4 passed, 2 missed, 2 found, 2 alarms
    assert figures["overall"]["prm_score"][0] == pytest.approx((8 / 12 + 4 / 8) / 2, abs=1e-5)
    assert figures["overall"]["solutions"] == 4, "the right solution behind the redundant one is no part of it"
    assert figures["redundency"]["similarity"][0] == pytest.approx(1 - 3 / 4)
    assert figures["circular"]["similarity"][0] == pytest.approx(3 / 4 - 1 / 2)
    assert figures["deception"]["similarity"] is None, "nobody scored the right solution of its problem"
    assert "PURE-PRM-7B | 52.2" in printed, "what others published stands beside it"


def test_prm800k_rows(tmp_path, capsys):
    rows = [
        {"prompt": "1?", "completions": ["[0.9]", "[0.2]", "[0.9]"], "labels": [True, False, True]},
        {"prompt": "2?", "completions": ["[0.4]", "[0.9]"], "labels": [True, False]},
    ]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    with pooling() as url:
        figures, _, _ = examined(["on=prm800k", f"on.path={file}", f"store={tmp_path}", *served(url)], capsys)
    assert figures["rows"]["accuracy"][0] == pytest.approx(2 / 4), "what follows the first wrong step is not judged"
    assert (figures["rows"]["bad_found"][0], figures["rows"]["false_alarms"][0]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("word", "trouble"),
    [("BROKEN", "unanswered"), ("DRIP", "unanswered"), ("STRANGE", "malformed"), ("SHORT", "malformed")],
)
def test_what_a_server_does_wrong_is_counted(word, trouble, tmp_path, capsys):
    rows = rows_of([([0.9, 0.1], 1), ([0.9], -1), ([0.9, 0.1], 1)])
    rows[2]["steps"][0] = f"{word} {rows[2]['steps'][0]}"
    file = write_rows(tmp_path / "three.jsonl", rows)
    words = ["on=file", f"on.path={file}", f"store={tmp_path}", "probes=0"]
    with pooling() as url:
        asked = [*words, *served(url), "prm.timeout=4", f"prm.cache={tmp_path / 'kept.sqlite'}"]
        figures, folder, printed = examined(asked, capsys)
        assert f"{trouble}: 1." in printed and figures["three"]["unscored"] == 1
        assert figures["three"]["on_erroneous"][0] == 0.5, "a solution without scores is one that is judged wrongly"
        (folder / "scores.jsonl.gz").unlink()
        before = len(Pooling.seen)
        examined(asked, capsys)
        assert len(Pooling.seen) == before + 1, "good replies are kept, and only the other is asked again"


def plan_of(folder: Path, *words: str) -> PretrainedPrm:
    prm = composed_for("examine", Examined, [f"prm.path={folder}", *words]).prm
    assert isinstance(prm, PretrainedPrm)
    return prm


def test_markers_are_joined_as_tokens_or_as_text(tmp_path):
    folder = save_reward_model(tmp_path)
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    steps = ["Then we have 2.", "So the answer is 3."]
    read = {
        join: marked(words, "What is $x$?", steps, plan_of(folder, f"prm.join={join}")) for join in ("token", "text")
    }
    [newline], [merged] = words.encode("\n"), words.encode(".\n")
    for join, last in (("token", newline), ("text", merged)):
        ids, at = read[join]
        assert ids[at].tolist() == [last] * 2, join
        assert words.decode(ids) == "What is $x$?Then we have 2.\nSo the answer is 3.\n"
    scores = {
        join: Local(folder, plan_of(folder, f"prm.join={join}"), 4096)([("What is $x$?", steps)]) for join in read
    }
    assert scores["token"] != scores["text"], "figures move with it"


def test_packed_or_alone_and_not_beyond_the_models_positions(tmp_path, float32):
    folder = save_reward_model(tmp_path, positions=64)
    asked = [("What?", ["We have 2.", "So 3."]), ("Why?", ["x" * 200]), ("So?", ["So the answer is 3."])]
    packed, alone = (Local(folder, plan_of(folder), tokens)(asked) for tokens in (4096, 1))
    assert packed[1] is None and alone[1] is None
    torch.testing.assert_close(packed[0] + packed[2], alone[0] + alone[2], atol=1e-4, rtol=0)


def test_a_language_model_is_asked_of_every_step(tmp_path, float32):
    folder = save_reward_model(tmp_path).parent / "lm"
    plan = composed_for("examine", Examined, ["prm=generative", f"prm.path={folder}", "prm.dtype=float32"]).prm
    assert isinstance(plan, GenerativePrm)
    [scores] = Generative(folder, plan, 4096)([("What is $x$?", ["We have $x = 2$.", "So 3."])])
    words, model = PreTrainedTokenizerFast.from_pretrained(folder), Qwen2ForCausalLM.from_pretrained(folder)
    asked = (
        "Problem: What is $x$?\n\nSolution so far:\nStep 1: We have $x = 2$.\nStep 2: So 3.\n\n"
        "Is step 2 correct? Answer Yes or No.\nAnswer:"
    )
    with torch.no_grad():
        logits = model(torch.tensor([words.encode(asked)])).logits[0, -1]
    no, yes = logits[[words.encode(" No")[0], words.encode(" Yes")[0]]].softmax(dim=0)
    assert scores[1] == pytest.approx((yes - no).item(), abs=1e-4)
    critique = plan.model_copy(update={"critique": {"samples": 3, "max_new_tokens": 4, "temperature": 1.0}})
    reader = Generative(folder, GenerativePrm.model_validate(critique.model_dump()), 4096)
    [said] = reader([("What is $x$?", ["We have $x = 2$.", "So 3."])])
    assert reader.counts["malformed"] > 0, "random words end in no verdict"
    assert reader.counts["asked"] == 2 and (said is None) == (reader.counts["unanswered"] > 0)


def test_two_models_are_compared_on_the_same_problems(ten, tmp_path, capsys):
    better = [(said if at != -1 else [0.9] * len(said), at) for said, at in TEN]
    folders = []
    for name, solutions in (("one", TEN), ("two", better)):
        rows = rows_of(TEN)
        for row, (said, _) in zip(rows, solutions, strict=True):
            row["steps"] = [f"step {k} [{p}]" for k, p in enumerate(said)]
        file = write_rows(tmp_path / f"{name}.jsonl", rows)
        with pooling() as url:
            _, folder, _ = examined(["on=file", f"on.path={file}", f"store={tmp_path}", *served(url)], capsys)
        folders.append(str(folder))
    # the group is named after the file: as of one file, so that both are of one set
    from pure_repro.score.generations import read_lines, write_lines

    for folder in folders:
        write_lines(
            Path(folder) / "scores.jsonl.gz",
            [r | {"group": "set"} for r in read_lines(Path(folder) / "scores.jsonl.gz")],
        )
    assert main(["compare", *folders]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\| all \| 16\.7 \[", said), "F1 of 0.5 against 2/3"
    assert main(["compare", folders[0], folders[0]]) == 0
    assert "| 0.0 [0.0, 0.0] | cannot tell |" in capsys.readouterr().out
    assert main(["compare", folders[0], str(tmp_path)]) == 2
    assert "holds no scores.jsonl.gz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"steps": ["a"], "label": 0}, "there is no 'problem'"),
        ({"problem": "1?", "steps": [], "label": -1}, "'steps' must be a list of texts, at least one"),
        ({"problem": "1?", "steps": ["a"], "label": 1}, "'label' must be the number of a step from 0, or -1: 1"),
        ({"problem": "1?", "steps": ["a"], "label": True}, "'label' must be the number of a step from 0, or -1: True"),
    ],
)
def test_a_row_that_is_none_is_named(row, sentence, tmp_path, capsys):
    file = write_rows(tmp_path / "mine.jsonl", [{"problem": "0?", "steps": ["a"], "label": -1}, row])
    assert (
        main(["examine", "on=file", f"on.path={file}", "prm=endpoint", "prm.url=http://127.0.0.1:1/", "prm.model=m"])
        == 2
    )
    assert f"{file}:2: {sentence}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["on=processbanch"], "on=processbanch is no choice: take one of file, prm800k, prmbench, processbench"),
        (["prm.hed=mlp"], "prm.hed is no key"),
        ([], "prm.path"),
        (["prm.path=nowhere"], "prm.path=nowhere is no folder"),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, capsys):
    assert main(["examine", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_set_that_is_another_is_named(tmp_path, capsys):
    folder = save_reward_model(tmp_path)
    write_rows(tmp_path / "train.jsonl", [{"problem": "1?"}])
    words = ["on=prmbench", f"prm.path={folder}", f"data_dir={tmp_path}"]
    write_rows(
        tmp_path / "train.jsonl",
        [
            {
                "idx": "a",
                "classification": "circular",
                "error_steps": [1],
                "modified_question": "1?",
                "modified_process": ["a"],
            }
        ],
    )
    assert main(["examine", *words]) == 2
    assert "holds 1 rows of train, and on=prmbench has 6216: on.path=file reads a part" in capsys.readouterr().err


def test_a_threshold_is_chosen_by_the_measure():
    right = [[True, False], [True, True], [True]]
    scores = [[0.6, 0.2], [0.5, 0.4], [0.9]]
    assert best_threshold(scores, right, MEASURES["first_error"]) == 0.2
    assert first_error_counts([0.1, 0.2], [True, True], 0.2) == (0, 0, 1, 0)
    assert step_counts(None, [True, False], 0.0) == (0, 0, 0, 0)


def test_a_random_model_on_the_real_rows_of_prmbench(tmp_path, capsys):
    file = SHARED / "prmbench_subset400.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here: the real rows of PRMBench were not read")
    folder, every_fifth = save_reward_model(tmp_path), tmp_path / "rows.jsonl"
    every_fifth.write_text("".join(file.read_text().splitlines(keepends=True)[::5]))
    words = [
        "on=prmbench",
        f"on.path={every_fifth}",
        f"prm.path={folder}",
        f"store={tmp_path}",
        "probes=10",
        "problems=20",
    ]
    figures, _, printed = examined(words, capsys)
    assert set(figures) >= {"simplicity", "soundness", "sensitivity", "overall", "redundency"}
    assert all(
        0 < figures[kind]["prm_score"][1] <= figures[kind]["prm_score"][2] < 1 for kind in ("soundness", "overall")
    )
    assert "markers appended as a token (join=token)" in printed and "says nothing: thanks" in printed


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "prm.md").read_text()


@pytest.mark.parametrize("words", re.findall(r"python -m pure_repro\.prm examine ([^`\n#]+)", PAGE))
def test_the_commands_of_the_page_compose(words):
    assert composed_for("examine", Examined, shlex.split(words)).prm.name == "local"


@pytest.mark.parametrize("words", re.findall(r"python -m pure_repro\.score choose \S+ ([^`\n#]+)", PAGE))
def test_what_the_page_chooses_by_composes(words):
    assert composed_for("choose", Chosen, shlex.split(words)).prm.name == "local"


def test_the_page_has_a_command_for_each_of_four():
    for heading, command in (
        ("Fit", "pure_repro stages=[prm]"),
        ("Examine", "pure_repro.prm examine"),
        ("Choose", "pure_repro.score choose"),
        ("Teach", "'prm.online={"),
    ):
        assert command in PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
