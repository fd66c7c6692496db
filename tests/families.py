"""Folders like those of the hub in four architectures: random weights, each with its own way to cut text."""

from pathlib import Path
from typing import Any

import torch
from hub_model import TEXTS
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

BOS, END = "<s>", "</s>"
FAMILIES = ("llama", "gemma", "mistral", "qwen2")
GPT2 = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # a blank line before a word is two
)
QWEN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CHAT = (
    "{{ bos_token }}{% for turn in messages %}[{{ turn['role'] }}] {{ turn['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
OF_FAMILY: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "gemma": {"num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True},
    "mistral": {"num_key_value_heads": 2, "sliding_window": None},
    "qwen2": {"num_key_value_heads": 2, "tie_word_embeddings": True},
}


def byte_level(pattern: str) -> Tokenizer:
    """Byte-level BPE, text cut by a pattern before."""
    core = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(pattern), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        TEXTS * 20,
        trainers.BpeTrainer(
            vocab_size=360,
            special_tokens=[BOS, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return core


def sentencepiece_like() -> Tokenizer:
    """As sentencepiece's BPE with bytes to fall back on: a newline is the byte ``<0x0A>``, a blank line two of them."""
    words = [BOS, END, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    words += sorted({letter for text in TEXTS for letter in text if letter not in " \n"})
    core = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True))
    core.normalizer = normalizers.Replace(" ", "▁")
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return core


def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """Llama's as of sentencepiece, GPT-2's cut for Mistral, Qwen's for the others; all but Qwen's put a BOS first."""
    core = {"llama": sentencepiece_like, "mistral": lambda: byte_level(GPT2)}.get(family, lambda: byte_level(QWEN))()
    if family != "qwen2":
        core.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, core.token_to_id(BOS))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token=BOS, eos_token=END, pad_token=END)
    tokenizer.chat_template = CHAT
    return tokenizer


def save_family(family: str, folder: Path, context: int = 512) -> Path:
    """Model and tokenizer of an architecture, in a folder."""
    tokenizer = tokenizer_of(family)
    sizes = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **OF_FAMILY[family],
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(sizes)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
