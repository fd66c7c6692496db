"""Llama-, Gemma-, Mistral- and Qwen-like folders through sampling, steps, training with an adapter, and score."""

import json
from pathlib import Path

import pytest
from families import BOS, FAMILIES, save_family, tokenizer_of

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed
from pure_repro.launch.plan import plan
from pure_repro.launch.stages import run_here
from pure_repro.models.chat import chat_template, require_one_beginning
from pure_repro.prm.gate import as_rollouts
from pure_repro.rollout.steps import StepReader
from pure_repro.rollout.text import step_texts

SAID = ["So it is.\n\nThen 4 and 5.\n\nThe final answer is 2.", "One step.", "A line\nand one more.\n\nEnd"]


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_end_at_blank_lines_however_they_are_written(family):
    tokenizer = tokenizer_of(family)
    rollouts = as_rollouts(tokenizer, ["What?"] * len(SAID), SAID)
    steps = StepReader.of(tokenizer).steps(rollouts)
    assert steps.mask.sum(dim=1).tolist() == [3, 1, 2], "never silently one step"
    texts = step_texts(tokenizer, rollouts, steps)
    assert [step.strip() for step in texts[0]] == SAID[0].split("\n\n")


def test_how_each_writes_a_blank_line():
    """What the reader finds out: Qwen's cut has a token for it, GPT-2's and sentencepiece have two newlines."""
    one, two = StepReader.of(tokenizer_of("qwen2")), StepReader.of(tokenizer_of("llama"))
    assert len(one.separators) and not len(one.newlines)
    assert not len(two.separators) and len(two.newlines) == 1


def test_a_chat_template_puts_the_problem_and_one_beginning(tmp_path):
    folder = save_family("llama", tmp_path)
    put = chat_template(folder, "{question} Think.")
    assert put == "[user] {question} Think.\n[assistant] ", "the tokenizer begins a text by itself"
    tokenizer = tokenizer_of("llama")
    assert tokenizer(put)["input_ids"].count(tokenizer.bos_token_id) == 1
    with pytest.raises(ConfigError, match=f"begins with {BOS}, which the tokenizer of .* leave it out of prompt.templ"):
        require_one_beginning(folder, f"{BOS}{{question}}")
    bare = tokenizer_of("qwen2")
    bare.chat_template = None
    save_family("qwen2", tmp_path / "bare")
    bare.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="prompt=chat needs a chat template"):
        chat_template(tmp_path / "bare", "{question}")


def problems(folder: Path) -> Path:
    """A file of one's own: named columns, numbers as answers, one without."""
    rows = [{"q": f"What is {n} + 7?", "a": n + 7 if n else None} for n in range(6)]
    file = folder / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_the_whole_flow(family, tmp_path):
    """recipe=one_gpu as docs/one_gpu.md has it, with a folder, a file of one's own and two small steps."""
    file = problems(tmp_path)
    config = composed(
        [
            *("recipe=one_gpu", "data=local", f"data.path={file}", "data.question=q", "data.answer=a", "prompt=chat"),
            *("model=local", f"model.path={save_family(family, tmp_path / 'model')}", "model.dtype=float32"),
            *("model.adapter={rank: 4, alpha: 8}", "model.context=400", "rollout.max_prompt_tokens=350"),
            *("rollout.max_new_tokens=20", "score.max_new_tokens=10", "train.steps=2", "train.prompts_per_step=2"),
            *("train.samples_per_prompt=2", "train.rollouts_per_update=4", "train.keep_every=1", "track=none"),
            *(f"store={tmp_path / 'store'}", "score.checkpoints=[1,last]", "grading=strict", "data.validation=[]"),
            f"score.benchmarks=[{{name: mine, path: {file}, question: q, answer: a}}]",
        ]
    )
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "null" not in line))
    run_here(config, plan(config))
    [train] = (tmp_path / "store" / "train").iterdir()
    rows = [json.loads(line) for line in (train / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert {"speed/sampled_tokens_per_second", "speed/wasted_slots", "advantage/zero_groups"} <= set(rows[0])
    assert (train / "step1").is_dir() and (train / "last").is_dir()
    [score] = (tmp_path / "store" / "score").iterdir()
    assert set(json.loads((score / "scores.json").read_text())["checkpoints"]) == {"step1", "last"}
