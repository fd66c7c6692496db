"""Reward models that tests read: random weights in the layout of the hub, and a served one that says its part."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification

END = "<|endoftext|>"
TEXTS = ["We have $x = 2$.\nThen $x + 1 = 3$.\nSo the answer is 3.\n", "What is $x + 1$ if $x = 2$?", " Yes No Answer:"]
SHARED = Path(os.environ.get("PURE_REPRO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "process"


def save_reward_model(folder: Path, seed: int = 0, positions: int = 4096) -> Path:
    """A token classifier and, beside it, a language model, with random weights that tell steps apart."""
    core = Tokenizer(models.BPE())
    words_and_signs = pre_tokenizers.Split(Regex(r" ?[^\s\w]+[\r\n]*|\s*[\r\n]+| ?\w+|\s+"), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [words_and_signs, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    bytes_first = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=[END], initial_alphabet=bytes_first)
    core.train_from_iterator(TEXTS * 20, trainer)
    words = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=END)
    assert len(words.encode(".\n")) == 1, "a full stop and the newline behind it are one token of this tokenizer"
    sizes = Qwen2Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        num_labels=2,
    )
    torch.manual_seed(seed)
    for name, kind in (("prm", Qwen2ForTokenClassification), ("lm", Qwen2ForCausalLM)):
        model = kind(sizes)
        for weight in model.parameters():
            weight.data.mul_(8)
        model.save_pretrained(folder / name)
        words.save_pretrained(folder / name)
    return folder / "prm"


class Pooling(BaseHTTPRequestHandler):
    """Says of a step ``… [0.9]`` that it is right with probability 0.9; some words make it late, slow or strange."""

    seen: ClassVar[list[dict]] = []

    def do_POST(self) -> None:
        """The answer to one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body)
        asked = " ".join(body["input"])
        data = [[float(p) for p in re.findall(r"\[([\d.]+)\]<s>", text)] for text in body["input"]]
        reply = json.dumps({"data": [{"data": [[1 - p, p] for p in one]} for one in data]}).encode()
        if "STRANGE" in asked:
            reply = b'{"data": "none"}'
        if "SHORT" in asked:
            reply = json.dumps({"data": [{"data": one[:-1]} for one in data]}).encode()
        self.send_response(503 if "BROKEN" in asked else 200)
        self.end_headers()
        try:
            for byte in reply if "DRIP" in asked else ():  # never late by the clock of one read
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.5)
            if "DRIP" not in asked:
                self.wfile.write(reply)
        except OSError:
            pass  # whoever asked has hung up

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def pooling() -> Iterator[str]:
    """The address of that server while the block runs."""
    Pooling.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Pooling) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/pooling"
        server.shutdown()


def served(url: str) -> list[str]:
    """The words of a command that ask it, one text a request."""
    pattern = ["prm.marker='<s>'", "prm.prompt='{question} '", "prm.step='{step}<s>'"]
    return ["prm=endpoint", f"prm.url={url}", "prm.model=some", *pattern, "prm.batch=1", "prm.timeout=5"]


def write_rows(path: Path, rows: list[dict]) -> Path:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
