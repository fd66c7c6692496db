"""Models and tokenizers of a folder: safetensors only, none of the folder's own code, and every weight from there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.nn import Embedding
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pure_repro.config import ConfigError
from pure_repro.models.finite import first_of, not_finite
from pure_repro.models.varlen import make_known


def load_model(kind: Any, folder: Path, *, fresh: Sequence[str] = (), **how: Any) -> PreTrainedModel:
    """The model of a folder, of a class of transformers or one of ours. Weights under ``fresh`` are made new.

    Raises ``ConfigError`` where the folder holds no such model, lacks some of its weights (which the library would fill
    with random ones), or holds some that are not finite.
    """
    make_known()
    try:
        model, report = kind.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **how
        )
    except Exception as error:  # transformers, tokenizers and safetensors fail in many ways
        raise ConfigError(f"{folder} holds no model that can be read: {reason(error)}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(tuple(fresh)))
    if missing:
        raise ConfigError(f"{folder} lacks weights of its model, {first_of(missing)}")
    if broken := not_finite(model.named_parameters()):
        raise ConfigError(f"{folder} holds weights that are not finite, {first_of(broken)}")
    loaded: PreTrainedModel = model
    return loaded


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that ``tokenizer.json`` of a folder describes; without a word to pad with, its last word pads.

    Raises ``ConfigError`` where there is none. What is padded is masked, so that any word would do.
    """
    if not (folder / "tokenizer.json").is_file():
        raise ConfigError(f"{folder} holds no tokenizer.json: save the tokenizer with save_pretrained")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # as above
        raise ConfigError(f"{folder} holds no tokenizer that can be read: {reason(error)}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)
    return tokenizer


def require_words(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Every word of the tokenizer has its row in the model's embedding.

    Raises ``ConfigError`` where one lies beyond.
    """
    embedding: Embedding = model.get_input_embeddings()  # type: ignore[assignment]
    rows = embedding.num_embeddings
    word, last = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if last >= rows:
        raise ConfigError(
            f"{folder} holds a tokenizer of another model: its word {word!r} is number {last}, and the embedding has "
            f"{rows} rows"
        )


def reason(error: Exception) -> str:
    """What a library says, on one line; that it would run a folder's code is no advice to take.

    >>> reason(OSError("no file named\\n  model.safetensors"))
    'no file named model.safetensors'
    >>> reason(ValueError("contains custom code: pass the argument `trust_remote_code=True`"))
    'its architecture is code of its own, which is never run here'
    """
    words = " ".join(str(error).split())
    if "trust_remote_code" in words:
        return "its architecture is code of its own, which is never run here"
    return words[:300] or type(error).__name__
