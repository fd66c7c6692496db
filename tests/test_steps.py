"""Step ends on token ids, with a byte-level BPE tokenizer in which a full stop and a blank line are one token."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pure_repro.rollout.steps import separator_ids, split_steps
from pure_repro.types import Steps

# Words, numbers, and signs together with the line breaks that follow them: the cut of Qwen's and Llama's tokenizers.
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SENTENCES = ["Half of it is 7.\n\nTwice that is 14.\n\n", "So we get é = 3\n\nand stop!\n\n", "a line\nand a line.\n"]
SEP, EOS, PAD = 9, 1, 0


@pytest.fixture(scope="module")
def bpe() -> PreTrainedTokenizerBase:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")


def encoded(bpe: PreTrainedTokenizerBase, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    batch = bpe(texts, padding=True, padding_side="right", return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"].bool()


def pieces(bpe: PreTrainedTokenizerBase, tokens: torch.Tensor, steps: Steps) -> list[list[str]]:
    """The text of every step of every row, its separator included."""
    found = []
    for row, ends, mask in zip(tokens, steps.end.tolist(), steps.mask, strict=True):
        ends = [-1, *ends[: int(mask.sum())]]
        found.append([bpe.decode(row[a + 1 : b + 1]) for a, b in pairwise(ends)])
    return found


def test_a_separator_is_any_token_that_ends_in_a_blank_line(bpe):
    merged = bpe(".\n\n")["input_ids"]
    assert len(merged) == 1, "the tokenizer of this test must merge a full stop and a blank line"
    separators = set(separator_ids(bpe).tolist())
    assert {merged[0], *bpe("!\n\n")["input_ids"], *bpe("\n\n")["input_ids"]} <= separators
    assert not separators & {*bpe(".\n")["input_ids"], *bpe("\n")["input_ids"], *bpe("7 é=")["input_ids"]}
    assert bpe.eos_token_id not in separators and bpe.pad_token_id not in separators


def test_merged_separators_end_steps(bpe):
    texts = ["It is 7.\n\nTwice is 14!\n\né\n\nso 14<eos>", "a line\nand a line.\nso 3<eos>"]
    tokens, mask = encoded(bpe, texts)
    steps = split_steps(tokens, mask, separator_ids(bpe))
    assert pieces(bpe, tokens, steps) == [
        ["It is 7.\n\n", "Twice is 14!\n\n", "é\n\n", "so 14<eos>"],
        ["a line\nand a line.\nso 3<eos>"],
    ]


@pytest.mark.parametrize(
    ("response", "ends"),
    [
        ([5, SEP, 6, EOS], [1, 3]),
        ([5, 6, 7, 8], [3]),  # cut off within a step
        ([5, SEP, 6, SEP], [1, 3]),  # cut off on a separator: no step is invented after it
        ([5, SEP, EOS], [1, 2]),  # a separator, then nothing: the last step is empty
        ([EOS], [0]),  # nothing at all is one empty step
        ([SEP, EOS], [0, 1]),
        ([SEP], [0]),
        ([5, SEP, SEP, 6, EOS], [1, 2, 4]),  # an empty step in the middle
        ([SEP, SEP, SEP, SEP], [0, 1, 2, 3]),
    ],
)
def test_ends_of_one_response(response, ends):
    tokens = torch.tensor([response + [PAD] * (6 - len(response))])
    steps = split_steps(tokens, torch.arange(6)[None] < len(response), torch.tensor([SEP]))
    assert steps.end.tolist() == [ends]
    assert steps.mask.tolist() == [[True] * len(ends)]


def test_padding_ends_no_step_even_where_it_is_a_separator():
    tokens = torch.tensor([[5, EOS, SEP, SEP], [5, SEP, 6, EOS]])
    steps = split_steps(tokens, torch.tensor([[True, True, False, False], [True] * 4]), torch.tensor([SEP]))
    assert steps.end.tolist() == [[1, 0], [1, 3]]
    assert steps.mask.tolist() == [[True, False], [True, True]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([5, 6, 7, SEP, 8]), min_size=0, max_size=9), min_size=1, max_size=5),
    st.booleans(),
)
def test_steps_are_those_of_a_literal_loop(responses, ended):
    responses = [[*response, EOS] if ended or not response else response for response in responses]
    width = max(map(len, responses))
    tokens = torch.tensor([response + [SEP] * (width - len(response)) for response in responses])
    mask = torch.tensor([[i < len(response) for i in range(width)] for response in responses])
    steps = split_steps(tokens, mask, torch.tensor([SEP, 8]))
    for response, ends, exists in zip(responses, steps.end.tolist(), steps.mask.tolist(), strict=True):
        expected = [i for i, token in enumerate(response) if token in (SEP, 8) or i == len(response) - 1]
        assert [end for end, real in zip(ends, exists, strict=True) if real] == expected
        assert all(end == 0 for end, real in zip(ends, exists, strict=True) if not real)
        assert exists == sorted(exists, reverse=True)
