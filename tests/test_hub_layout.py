r"""A folder that looks like a hub model goes the whole way: steps, reward models, training, score.

Sharded safetensors, a byte-level BPE tokenizer in which ``.`` and a blank line are one token, random weights.
"""

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForTokenClassification,
)

from pure_repro.config import ConfigError, Mathematics, PretrainedPrm
from pure_repro.data.answered import with_known_answers
from pure_repro.data.source import training_set
from pure_repro.launch.compose import composed
from pure_repro.prm.gate import as_rollouts
from pure_repro.prm.score import mark_step_ends, newline_id
from pure_repro.prm.scorer import TwoLayerClassifier, load_scorer
from pure_repro.rollout.steps import separator_ids, split_steps
from pure_repro.rollout.text import step_texts
from pure_repro.types import Problem

END = "<|endoftext|>"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"  # Qwen's cut
SAID = "So $x = 2$.\n\nThen we get:\n\nHalf of it is 7!\n\nStep 2 ends.\nThe answer is \\boxed{14}.\n\n"
PROMPT = "What is 7 + 7?\n\nPlease reason step by step."
RESPONSES = [
    "It is 7.\n\nTwice is 14:\n\nso \\boxed{14}",  # two merged separators
    "So $x = 2$.\n\n",  # a separator, then nothing: an empty last step
    "",
]


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=[END, "<extra_0>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([SAID, PROMPT, *RESPONSES, "ки + - ки"] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=END)


def sizes(words: PreTrainedTokenizerFast) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(words) + 6,  # hub models have more rows than words
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        num_labels=2,
    )


@pytest.fixture(scope="module")
def hub(words, tmp_path_factory) -> Path:
    """Folders ``policy``, ``linear``, ``mlp`` and a file of problems in PURE's layout."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    kinds = {"policy": Qwen2ForCausalLM, "linear": Qwen2ForTokenClassification, "mlp": TwoLayerClassifier}
    for name, kind in kinds.items():
        model = kind(sizes(words))
        for weight in model.parameters():  # wide enough that scores differ
            weight.data.mul_(1 if name == "policy" else 8)
        model.save_pretrained(folder / name, max_shard_size="30KB")
        words.save_pretrained(folder / name)
        assert len(list((folder / name).glob("model-*-of-*.safetensors"))) > 1, "sharded, as on the hub"
    rows = [
        {"question": f"What is {n} + 7?", "answer": str(n + 7) if n < 4 else "null", "level": "3"}
        | {"ref_answer": "null" if n < 4 else str(n + 7)}
        for n in range(12)
    ]
    (folder / "problems.json").write_text(json.dumps(rows))
    lines = [json.dumps({"q": row["question"], "a": str(n + 7)}) for n, row in enumerate(rows[:3])]
    (folder / "test.jsonl").write_text("\n".join(lines))
    steps = [
        {
            "prompt": f"What is {n} + 7?",
            "completions": [f"It is {n}.", f"So {n + 7 + n % 2}."],
            "labels": [True, n % 2 == 0],
        }
        for n in range(24)
    ]
    (folder / "steps.jsonl").write_text("\n".join(map(json.dumps, steps)))
    return folder


def plan_of(name: str, folder: Path) -> PretrainedPrm:
    prm = composed(["recipe=paper", f"prm={name}", f"prm.path={folder}", "prm.revision=null", "prm.dtype=float32"]).prm
    assert isinstance(prm, PretrainedPrm)
    return prm


def responded(words):
    rollouts = as_rollouts(words, [PROMPT] * len(RESPONSES), RESPONSES)
    return rollouts, split_steps(rollouts.tokens, rollouts.mask, separator_ids(words))


def test_merged_separators_are_one_token(words):
    for text in (".\n\n", ":\n\n"):
        assert len(words.encode(text)) == 1 and words.encode(text)[0] in separator_ids(words)
    rollouts, steps = responded(words)
    assert steps.mask.sum(dim=1).tolist() == [3, 2, 1], "separators + 1"
    assert step_texts(words, rollouts, steps) == [
        ["It is 7.", "Twice is 14:", "so \\boxed{14}"],
        ["So $x = 2$.", ""],
        [""],
    ]


def test_the_reward_model_reads_the_prompt_and_steps_without_their_separators(words, hub):
    """PURE 1.1, spelled out: prompt, then every step's tokens without its separator or EOS, then one newline token."""
    rollouts, steps = responded(words)
    scorer = load_scorer(hub / "linear", plan_of("pure_prm_7b", hub / "linear"), words)
    scores = scorer([Problem("a", "What is 7 + 7?", "14")] * len(RESPONSES), rollouts, steps)
    model = Qwen2ForTokenClassification.from_pretrained(hub / "linear").eval()
    separators, newline = set(separator_ids(words).tolist()), words.encode("\n")
    assert len(newline) == 1
    for row, response in enumerate(RESPONSES):
        ids, ends = words.encode(PROMPT), []
        for token in [*words.encode(response), words.eos_token_id]:
            if token in separators or token == words.eos_token_id:
                ends.append(len(ids))
                ids += newline
            else:
                ids.append(token)
        with torch.no_grad():
            verdicts = model(input_ids=torch.tensor([ids])).logits[0, ends].softmax(dim=-1)
        expected = verdicts[:, 1] - verdicts[:, 0]
        assert len(expected) == int(steps.mask[row].sum())
        torch.testing.assert_close(
            scores[row, : len(expected)], expected, atol=2e-2, rtol=0
        )  # bfloat16 where it is fast
        assert (scores[row, len(expected) :] == 0).all()
    assert scores[steps.mask].std() > 0.05, "random heads tell steps apart"
    marked = mark_step_ends(rollouts.tokens, steps, newline_id(words))
    assert words.decode(marked[0][rollouts.mask[0]]) == "It is 7\nTwice is 14\nso \\boxed{14}\n", (
        "the full stop goes, too"
    )


@pytest.mark.parametrize(("name", "folder"), [("qwen2_5_math_prm_7b", "mlp"), ("math_shepherd_7b", "policy")])
def test_models_that_read_text_are_read_at_their_marker(words, hub, name, folder, float32):
    rollouts, steps = responded(words)
    plan = plan_of(name, hub / folder)
    scorer = load_scorer(hub / folder, plan, words)
    stored = {k: v for file in (hub / folder).glob("*.safetensors") for k, v in load_file(file).items()}
    assert stored.keys() == scorer.model.state_dict().keys(), "head and shards, all of them"
    assert all(torch.equal(stored[k], v) for k, v in scorer.model.state_dict().items())
    question = "What is 7 + 7?"
    scores = scorer([Problem("a", question, "14")] * len(RESPONSES), rollouts, steps)
    if name == "math_shepherd_7b":
        text = f"{question} Step 1: It is 7. ки\nStep 2: Twice is 14: ки\nStep 3: so \\boxed{{14}} ки\n"
        marker, classes = words.encode(" ки")[-1], [words.encode("-")[-1], words.encode("+")[-1]]
    else:
        system = "Please reason step by step, and put your final answer within \\boxed{}."
        text = (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        )
        text += "It is 7.<extra_0>Twice is 14:<extra_0>so \\boxed{14}<extra_0>"
        marker, classes = words.convert_tokens_to_ids("<extra_0>"), [0, 1]
    ids = torch.tensor([words.encode(text)])
    at = (ids[0] == marker).nonzero().squeeze(1)
    assert len(at) == 3
    with torch.no_grad():
        wrong, right = scorer.model(input_ids=ids).logits[0, at][:, classes].softmax(dim=-1).unbind(dim=-1)
    torch.testing.assert_close(scores[0], right - wrong, atol=1e-4, rtol=0)
    assert (scores[2, 1:] == 0).all() and scores.abs().max() <= 1
    problems = [Problem("a", question, "14"), Problem("b", "So?", "1"), Problem("c", question, "14")]
    alone = scorer(problems, rollouts, steps)
    for tokens in (100, 10**4):  # two packs, and one
        packed = replace(scorer, packed_tokens=tokens)(problems, rollouts, steps)
        torch.testing.assert_close(packed, alone, atol=1e-4, rtol=0)
    assert alone[steps.mask].std() > 0.01


def test_a_model_that_is_no_reward_model_is_named(words, hub):
    with pytest.raises(ConfigError, match=r"prm\.path=.* has no weights of a head"):
        load_scorer(hub / "policy", plan_of("pure_prm_7b", hub / "policy"), words)


def test_a_reward_model_of_another_vocabulary_is_named(tokenizer, hub):
    with pytest.raises(ConfigError, match="reads the policy's own tokens, and its vocabulary is another"):
        load_scorer(hub / "linear", plan_of("pure_prm_7b", hub / "linear"), tokenizer)


SHORT = [
    *("recipe=released_main", "model=local", "model.dtype=float32", "model.context=512", "track=none"),
    *("data.validation=[]", "score.checkpoints=[last]"),  # MATH500 is not here
    *("data.train_problems=12", "data.answered_problems=4", "reward=mixed_10", "reward.answered_share=0.33"),
    *("train.steps=2", "train.prompts_per_step=4", "train.samples_per_prompt=2", "train.rollouts_per_update=4"),
    *("train.checkpoint_every=1", "train.rollouts_every=1", "rollout.max_prompt_tokens=150"),
    *("rollout.max_new_tokens=60", "score.max_new_tokens=30", "train.tokens_per_microbatch=600"),
]


def here(hub: Path, store: Path) -> list[str]:
    test = f"score.benchmarks=[{{name: mine, path: {hub / 'test.jsonl'}, question: q, answer: a}}]"
    return [f"store={store}", f"model.path={hub / 'policy'}", f"data.path={hub / 'problems.json'}", test]


@pytest.mark.parametrize(
    ("prm", "folder", "how"),
    [
        ("pure_prm_7b", "linear", []),
        ("qwen2_5_math_prm_7b", "mlp", ["train.packing=true", "train.chunked_logprobs=true", "train.offload=cpu"]),
    ],
)
def test_a_pretrained_reward_model_pays_and_the_result_is_scored(entry, hub, tmp_path, prm, folder, how):
    words = [*SHORT, *here(hub, tmp_path), f"prm={prm}", f"prm.path={hub / folder}", "prm.revision=null", *how]
    words.append("prm.dtype=float32")
    run = entry(*words)
    assert run.returncode == 0, run.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"train", "score"}, "nothing is fitted before"
    [train] = (tmp_path / "train").iterdir()
    rows = [json.loads(line) for line in (train / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all({"reward/process", "policy/grad_norm", "accuracy"} <= set(row) for row in rows)
    assert not any(key.startswith("prm/") for key in rows[0]), "no exact checker of steps, no agreement"
    with gzip.open(train / "rollouts.jsonl.gz", "rt") as file:
        shown = [json.loads(line) for line in file]
    assert all(len(one["process_rewards"]) >= 1 and all(-1 <= r <= 1 for r in one["process_rewards"]) for one in shown)
    assert any(len(one["process_rewards"]) > 1 for one in shown), "some random response has several steps"
    assert len(json.loads((train / "answered.json").read_text())["problems"]) == 4, "the ones that the file answers"
    [score] = (tmp_path / "score").iterdir()
    assert len(json.loads((score / "scores.json").read_text())["checkpoints"]["last"]["mine"]["greedy"]) == 3


def test_a_reward_model_is_fitted_to_rows_and_pays(entry, hub, tmp_path):
    fits = [f"prm.{stage}.{key}" for stage in ("head_fit", "full_fit") for key in ("batch_size=8", "epochs=1")]
    words = [*SHORT, *here(hub, tmp_path), "prm=fit_prm800k", f"prm.path={hub / 'policy'}", "prm.revision=null", *fits]
    words += [f"prm.rows.path={hub / 'steps.jsonl'}", "prm.gate.problems=8", "stages=[prm,train]", "train.steps=1"]
    run = entry(*words)
    assert run.returncode == 0, run.stderr
    [prm] = (tmp_path / "prm").iterdir()
    report = json.loads((prm / "gate.json").read_text())
    assert report["steps"] == 16 and len(json.loads((prm / "losses.json").read_text())) == 4
    [train] = (tmp_path / "train").iterdir()
    assert json.loads((train / "summary.json").read_text())["last_step"] == 1


def mathematics(path: Path, *words: str) -> Mathematics:
    data = composed(["recipe=paper", f"data.path={path}", *words]).data
    assert isinstance(data, Mathematics)
    return data


def test_another_file_is_not_taken_for_the_meant_one(hub):
    with pytest.raises(ConfigError, match=r"holds 12 problems and answers 4 of them: data.train_problems=8523"):
        training_set(mathematics(hub / "problems.json"), seed=1)
    with pytest.raises(ConfigError, match=r"data.path=.*nowhere.json cannot be read"):
        training_set(mathematics(hub / "nowhere.json"), seed=1)


FILE = Path(os.environ.get("PURE_REPRO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.mark.skipif(
    not (FILE / "math8k_879_answers.json").exists(),
    reason="PURE's file is not here: name its folder in PURE_REPRO_DATA, as math8k_879_answers.json",
)
def test_the_real_file_is_as_published():
    source = training_set(mathematics(FILE / "math8k_879_answers.json"), seed=1)
    assert len(source.problems) == 8523 and len({" ".join(p.question.split()) for p in source.problems}) == 8521
    assert source.answered is not None and len(source.answered) == 879
    assert sum(p.answer is None for p in source.problems) == 2, "the file itself has no answer to two"
    shown = with_known_answers(source, 0.1, seed=1)
    assert sum(p.answer is not None for p in shown) == 879
    assert shown == with_known_answers(source, 0.1, seed=2), "the file decides, not the seed"
    assert sum(p.answer is not None for p in with_known_answers(source, 1.0, seed=1)) == 8521
    drawn = training_set(mathematics(FILE / "math8k_879_answers.json", "data=math_lv3to5"), seed=1)
    assert sum(p.answer is not None for p in with_known_answers(drawn, 0.1, seed=1)) in (850, 851, 852)
    with pytest.raises(ConfigError, match=r"answered_share=0\.5, and the file of data\.path answers 0\.103"):
        with_known_answers(source, 0.5, seed=1)
