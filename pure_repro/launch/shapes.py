"""How large a model is, from its layer sizes. Imports no torch.

Sizes of hub models are those of their ``config.json`` at the revisions that ``conf/model`` and ``conf/prm`` name; a
folder is read.
"""

from dataclasses import dataclass
from pathlib import Path

from pure_repro.config import ConfigError
from pure_repro.data.files import parse_json, read_text


@dataclass(frozen=True)
class Shape:
    """Layer sizes of a decoder of the Llama family (Llama, Mistral, Qwen, Gemma), and its longest training input."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool  # one matrix is both input and output embedding
    attention_bias: bool
    positions: int
    head_width: int | None = None  # null: the heads share the hidden size

    @property
    def query_size(self) -> int:
        """Width of the queries of one token, all heads together."""
        return self.heads * (self.head_width or self.hidden // self.heads)

    @property
    def kv_size(self) -> int:
        """Width of the keys of one token, all heads together; values are as wide."""
        return self.kv_heads * (self.head_width or self.hidden // self.heads)

    @property
    def parameters(self) -> int:
        """``V·h·(1 or 2) + L·(2h·q + 2h·kv + 3h·i + 2h [+ q + 2kv]) + h``.

        >>> KNOWN["Qwen/Qwen2.5-Math-7B"].parameters  # the model card says 7.61 B
        7615616512
        """
        h, q, kv = self.hidden, self.query_size, self.kv_size
        layer = 2 * h * q + 2 * h * kv + 3 * h * self.intermediate + 2 * h
        layer += (q + 2 * kv) * self.attention_bias
        return self.vocabulary * h * (1 if self.tied else 2) + self.layers * layer + h

    def adapter_parameters(self, rank: int) -> int:
        """Those of low-rank adapters beside every linear layer but the output layer: ``rank·(inputs + outputs)`` each.

        >>> KNOWN["Qwen/Qwen2.5-0.5B"].adapter_parameters(rank=1)
        549888
        """
        h, q, kv, i = self.hidden, self.query_size, self.kv_size, self.intermediate
        return self.layers * rank * (2 * (h + q) + 2 * (h + kv) + 3 * (h + i))

    @property
    def matrix_parameters(self) -> int:
        """Parameters that take part in a product per token: all but an embedding that is only looked up.

        >>> KNOWN["Qwen/Qwen2.5-Math-1.5B"].matrix_parameters == KNOWN["Qwen/Qwen2.5-Math-1.5B"].parameters
        True
        """
        return self.parameters - (0 if self.tied else self.vocabulary * self.hidden)


KNOWN = {
    "Qwen/Qwen2.5-Math-7B": Shape(3584, 18944, 28, 28, 4, 152064, False, True, 4096),
    "Qwen/Qwen2.5-7B": Shape(3584, 18944, 28, 28, 4, 152064, False, True, 131072),
    "Qwen/Qwen2.5-Math-1.5B": Shape(1536, 8960, 28, 12, 2, 151936, True, True, 4096),
    "Qwen/Qwen2.5-0.5B": Shape(896, 4864, 24, 14, 2, 151936, True, True, 32768),
    "Qwen/Qwen2.5-0.5B-Instruct": Shape(896, 4864, 24, 14, 2, 151936, True, True, 32768),
    "jinachris/PURE-PRM-7B": Shape(3584, 18944, 28, 28, 4, 152064, False, True, 4096),
    "Qwen/Qwen2.5-Math-PRM-7B": Shape(3584, 18944, 28, 28, 4, 152064, False, True, 4096),
    "peiyi9979/math-shepherd-mistral-7b-prm": Shape(4096, 14336, 32, 32, 8, 32000, False, False, 32768),
}


def shape_of(path: str, revision: str | None = None) -> Shape:
    """The sizes of the model in a folder, of a hub model that is among ``KNOWN``, or of another at its revision.

    Raises ``ConfigError`` where the hub does not give its ``config.json``, or that is of another architecture.
    """
    file = Path(path) / "config.json"
    if not file.exists():
        if path in KNOWN:
            return KNOWN[path]
        file = fetched(path, revision)
    values = parse_json(read_text(file), str(file))
    if not isinstance(values, dict):
        raise ConfigError(f"{file} describes no model: it must be a JSON object with the sizes of its layers")
    try:
        return from_config(values)
    except KeyError as error:
        raise ConfigError(f"{file} names no {error.args[0]}: its sizes cannot be planned with") from error
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def fetched(path: str, revision: str | None) -> Path:
    """The ``config.json`` of a hub model."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(path, "config.json", revision=revision))
    except Exception as error:  # the hub and the network fail in many ways
        raise ConfigError(
            f"the sizes of {path} are not known here and cannot be fetched ({type(error).__name__}): download it and "
            "name its folder"
        ) from error


def from_config(values: dict) -> Shape:
    """A ``config.json`` as sizes; what a decoder of the Llama family leaves out is as that family has it."""
    heads, hidden = layer_size(values, "num_attention_heads"), layer_size(values, "hidden_size")
    return Shape(
        hidden=hidden,
        intermediate=layer_size(values, "intermediate_size"),
        layers=layer_size(values, "num_hidden_layers"),
        heads=heads,
        kv_heads=layer_size(values, "num_key_value_heads", heads),
        vocabulary=layer_size(values, "vocab_size"),
        tied=values.get("tie_word_embeddings", str(values["model_type"]).startswith("gemma")),
        attention_bias=values.get("attention_bias", values["model_type"] == "qwen2"),
        positions=layer_size(values, "max_position_embeddings"),
        head_width=layer_size(values, "head_dim", hidden // heads),
    )


def layer_size(values: dict, name: str, otherwise: int | None = None) -> int:
    """One size, or what stands for it where it is left out.

    >>> layer_size({"head_dim": None}, "head_dim", 64)
    64
    >>> layer_size({"hidden_size": "64"}, "hidden_size")
    Traceback (most recent call last):
    pure_repro.config.base.ConfigError: hidden_size='64' must be a whole number above 0
    """
    found = values[name] if otherwise is None else values.get(name)
    if found is None and otherwise is not None:
        return otherwise
    if type(found) is not int or found < 1:
        raise ConfigError(f"{name}={found!r} must be a whole number above 0")
    return found
