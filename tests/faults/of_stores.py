"""Faults of what lies in a store or beside it: finished stages, checkpoints, models of others, a full disk."""

import errno
import json
import os
import pickle
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from campaign import Fault
from hub_model import save_hub_model
from safetensors.torch import load_file, save_file

from pure_repro.config import ConfigError
from pure_repro.launch.compose import composed
from pure_repro.launch.failure import Failure
from pure_repro.launch.outputs import outputs, require_as_left
from pure_repro.launch.plan import StageRun, plan
from pure_repro.launch.shapes import shape_of
from pure_repro.launch.stages import of_machine
from pure_repro.launch.weights import file_digest, folder_of
from pure_repro.models.checkpoint import Progress, digests_of, load_state, save_state
from pure_repro.models.finite import require_finite
from pure_repro.models.policy import load_policy, save_policy
from pure_repro.models.ranks import ALONE

WORDS = ["stages=[score]", "model=local", "score=benchmarks", "score.benchmarks=[aime24]"]
MARK = "pickle-was-run"


class Evil:
    """What a pickle of somebody else does: it makes a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder / MARK),)


def nothing_ran(folder: Path, strike: Callable[[], Any]) -> None:
    """Whatever the strike does, no code of the folder's own was run."""
    try:
        strike()
    finally:
        if (folder / MARK).exists():
            raise SystemError("somebody else's code was run")


# Finished stages -----------------------------------------------------------------------------------------------------

FILES = {
    "model/model.safetensors": b"weights" * 100,
    "model/config.json": b"{}",
    "model/tokenizer.json": b'{"a": 1}',
    "gate.json": b'{"passed": true}',
    "metrics.jsonl": b'{"step": 1}\n',
}


def finished(folder: Path) -> StageRun:
    """A stage that has left some files, and its manifest."""
    stage = folder / "store" / "prm" / "0123456789ab"
    for name, written in FILES.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_bytes(written)
    (stage / ".lock").write_text("")
    (stage / "run.json").write_text("{}")
    (stage / "manifest.json").write_text(json.dumps({"stage": "prm", "outputs": outputs(stage)}))
    return StageRun("prm", {}, {}, stage)


def harmed(folder: Path, harm: Callable[[Path], Any]) -> None:
    run = finished(folder)
    harm(run.folder)
    require_as_left(run)


def flip(path: Path, at: int, bit: int = 0) -> None:
    written = bytearray(path.read_bytes())
    written[at] ^= 1 << bit
    path.write_bytes(written)


def stages() -> Iterator[Fault]:
    area = "files of finished stages"
    for name in FILES:
        yield Fault(area, f"{name} gone", lambda f, n=name: harmed(f, lambda s: (s / n).unlink()), f"{name} is gone")
        yield Fault(
            area, f"{name} empty", lambda f, n=name: harmed(f, lambda s: (s / n).write_bytes(b"")), f"{name} is other"
        )
        yield Fault(
            area, f"{name} cut", lambda f, n=name: harmed(f, lambda s: os.truncate(s / n, 1)), f"{name} is other"
        )
        yield Fault(
            area,
            f"{name} longer",
            lambda f, n=name: harmed(f, lambda s: (s / n).open("ab").write(b" ")),
            f"{name} is other",
        )
        yield Fault(area, f"{name}, a bit of it", lambda f, n=name: harmed(f, lambda s: flip(s / n, 1)), "remove ")
    for written in (b"", b"{", b"[]", b"null", b"{}", b'{"outputs": null}', b"\xff", b'{"outputs": []}'):
        yield Fault(
            area,
            f"manifest of {written!r}",
            lambda f, w=written: harmed(f, lambda s: (s / "manifest.json").write_bytes(w)),
            "manifest.json does not say",
        )
    for name in (".lock", "run.json", "config.yaml", "replies.sqlite", "state.pt"):
        yield Fault(
            area, f"{name} other than it was", lambda f, n=name: harmed(f, lambda s: (s / n).write_text("else")), None
        )
    yield Fault(area, "a file too many", lambda f: harmed(f, lambda s: (s / "note.txt").write_text("mine")), None)
    yield Fault(
        area,
        "the folder of weights gone",
        lambda f: harmed(f, lambda s: shutil.rmtree(s / "model")),
        "model/config.json is gone",
    )


# Checkpoints ---------------------------------------------------------------------------------------------------------


def resumed(folder: Path, harm: Callable[[Path], Any]) -> None:
    """A state is saved, harmed and taken up: as it was, or refused."""
    weights = torch.arange(500, dtype=torch.float32)
    save_state(folder, {"policy": {"w": weights}, "optimizer": {}}, Progress(step=4, best=0.5))
    harm(folder / "state.pt")
    state, progress = load_state(folder)
    assert torch.equal(state["policy"]["w"], weights) and progress.step == 4, "another state was taken up"


def shards(folder: Path, harm: Callable[[Path], Any]) -> None:
    """Shards are harmed after their digests were written."""
    for rank in range(2):
        (folder / f"mp_rank_0{rank}_model_states.pt").write_bytes(pickle.dumps({"w": rank}))
    written = digests_of(folder, ALONE)
    harm(folder)
    if digests_of(folder, ALONE) != written:
        raise ConfigError("shards are not as they were written")


def checkpoints() -> Iterator[Fault]:
    area = "checkpoints"
    rng = random.Random(0)
    for share in sorted(rng.uniform(0.0, 0.999) for _ in range(16)):
        yield Fault(
            area,
            f"cut at {share:.0%}",
            lambda f, s=share: resumed(f, lambda p: os.truncate(p, int(p.stat().st_size * s))),
            "the stage begins again",
        )
    for _ in range(16):  # the tensor lies in the middle half of the file
        share, bit = rng.uniform(0.3, 0.6), rng.randrange(8)
        yield Fault(
            area,
            f"bit {bit} at {share:.0%}",
            lambda f, s=share, b=bit: resumed(f, lambda p: flip(p, int(p.stat().st_size * s), b)),
            "the stage begins again",
        )
    for name, written in {"empty": b"", "text": b"hello", "zeros": b"\0" * 4096, "JSON": b"{}"}.items():
        yield Fault(area, name, lambda f, w=written: resumed(f, lambda p: p.write_bytes(w)), "the stage begins again")
    yield Fault(
        area,
        "a pickle",
        lambda f: nothing_ran(f, lambda: resumed(f, lambda p: p.write_bytes(pickle.dumps(Evil(f))))),
        "the stage begins again",
    )
    yield Fault(
        area,
        "torch's pickle",
        lambda f: nothing_ran(f, lambda: resumed(f, lambda p: torch.save(Evil(f), p))),
        "the stage begins again",
    )
    yield Fault(
        area,
        "torch's old pickle",
        lambda f: nothing_ran(
            f, lambda: resumed(f, lambda p: torch.save(Evil(f), p, _use_new_zipfile_serialization=False))
        ),
        "the stage begins again",
    )
    yield Fault(
        area,
        "half of the next state beside it",
        lambda f: resumed(f, lambda p: p.with_name("state.partial").write_bytes(b"half")),
        None,
    )
    yield Fault(
        area,
        "a shard replaced",
        lambda f: shards(f, lambda s: (s / "mp_rank_00_model_states.pt").write_bytes(pickle.dumps(Evil(f)))),
        "not as they were written",
    )
    yield Fault(
        area,
        "a shard gone",
        lambda f: shards(f, lambda s: (s / "mp_rank_01_model_states.pt").unlink()),
        "not as they were written",
    )
    yield Fault(
        area,
        "a shard too many",
        lambda f: shards(f, lambda s: (s / "mp_rank_02_model_states.pt").write_bytes(b"")),
        "not as they were written",
    )
    yield Fault(
        area,
        "shards swapped",
        lambda f: shards(f, lambda s: shutil.copy(s / "mp_rank_01_model_states.pt", s / "mp_rank_00_model_states.pt")),
        "not as they were written",
    )
    yield Fault(area, "shards as they were", lambda f: shards(f, lambda s: None), None)


# Models of others ----------------------------------------------------------------------------------------------------


@cache
def hub() -> Path:
    """A whole model, made once."""
    return save_hub_model(Path(tempfile.mkdtemp()) / "model")


def loaded(folder: Path, harm: Callable[[Path], Any], words: list[str] | None = None) -> None:
    """A copy of the model is harmed and loaded as a run does it, from the plan on."""
    copy = Path(shutil.copytree(hub(), folder / "model"))
    harm(copy)
    config = composed([*WORDS, f"model.path={copy}", *(words or [])])
    plan(config)
    load_policy(folder_of(config.model), config.model)


def sized(folder: Path, **values: Any) -> None:
    """A copy of the model with other sizes in its config.json is planned with, as before every run."""
    copy = Path(shutil.copytree(hub(), folder / "model"))
    edited(copy / "config.json", **values)
    shape_of(str(copy))


def edited(path: Path, **values: Any) -> None:
    """A JSON file with other values; ``None`` takes a key away."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def bad_value(tensors: dict[str, torch.Tensor], name: str, value: float) -> None:
    tensors[name].view(-1)[7] = value


def other_code(folder: Path) -> None:
    """An architecture that is code of the folder's own."""
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(folder / MARK)!r})\n")
    edited(
        folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.E", "AutoModelForCausalLM": "evil.M"}
    )


def models() -> Iterator[Fault]:
    area = "model folders"
    body, head = "model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight"
    whole = "model/model.safetensors"
    wrong: list[tuple[str, Callable[[Path], Any], str]] = [
        ("no weights", lambda m: (m / "model.safetensors").unlink(), "holds no *.safetensors"),
        (
            "weights as .bin alone",
            lambda m: (m / "model.safetensors").rename(m / "pytorch_model.bin"),
            "holds no *.safetensors",
        ),
        ("no config.json", lambda m: (m / "config.json").unlink(), "holds no model that can be read"),
        ("config.json cut", lambda m: os.truncate(m / "config.json", 30), "holds no model that can be read"),
        ("config.json empty", lambda m: (m / "config.json").write_text(""), "holds no model that can be read"),
        ("config.json of a list", lambda m: (m / "config.json").write_text("[]"), "holds no model that can be read"),
        (
            "an unknown architecture",
            lambda m: edited(m / "config.json", model_type="unheard"),
            "holds no model that can be read",
        ),
        ("no architecture", lambda m: edited(m / "config.json", model_type=None), "holds no model that can be read"),
        ("another width", lambda m: edited(m / "config.json", hidden_size=64), "holds no model that can be read"),
        (
            "another depth",
            lambda m: edited(m / "config.json", num_hidden_layers=3, layer_types=None),
            "lacks weights of its model",
        ),
        ("a tensor missing", lambda m: weights(m, lambda t: t.pop(body)), f"lacks weights of its model, {body}"),
        ("the embedding missing", lambda m: weights(m, lambda t: t.pop(head)), "lacks weights of its model"),
        (
            "an output layer missing",
            lambda m: edited(m / "config.json", tie_word_embeddings=False),
            "lacks weights of its model, lm_head",
        ),
        ("no tensor at all", lambda m: weights(m, lambda t: t.clear()), "model"),
        ("a weight of NaN", lambda m: weights(m, lambda t: bad_value(t, body, float("nan"))), f"not finite, {body}"),
        (
            "a weight of infinity",
            lambda m: weights(m, lambda t: bad_value(t, head, float("inf"))),
            f"not finite, {head}",
        ),
        ("weights cut", lambda m: os.truncate(m / "model.safetensors", 5000), whole.split("/")[0]),
        ("weights empty", lambda m: (m / "model.safetensors").write_bytes(b""), "holds no model that can be read"),
        (
            "weights of text",
            lambda m: (m / "model.safetensors").write_text("hello world"),
            "holds no model that can be read",
        ),
        (
            "a pickle by the name of weights",
            lambda m: (m / "model.safetensors").write_bytes(pickle.dumps(Evil(m))),
            "holds no model that can be read",
        ),
        ("code of its own", other_code, "code of its own, which is never run"),
        ("no tokenizer.json", lambda m: (m / "tokenizer.json").unlink(), "holds no tokenizer.json"),
        ("tokenizer.json cut", lambda m: os.truncate(m / "tokenizer.json", 100), "holds no tokenizer that can be read"),
        (
            "tokenizer.json of a list",
            lambda m: (m / "tokenizer.json").write_text("[]"),
            "holds no tokenizer that can be read",
        ),
        ("words beyond the embedding", lambda m: edited_words(m, 50), "a tokenizer of another model: its word"),
        ("no end named", no_end, "names no token that ends a response: name it with model.stop"),
    ]
    for name, harm, says in wrong:
        yield Fault(area, name, lambda f, h=harm: nothing_ran(f / "model", lambda: loaded(f, h)), says)
    yield Fault(area, "as it is", lambda f: loaded(f, lambda m: None), None)
    yield Fault(
        area, "no pad token", lambda f: loaded(f, lambda m: edited(m / "tokenizer_config.json", pad_token=None)), None
    )
    yield Fault(area, "no end named, but model.stop", lambda f: loaded(f, no_end, ["model.stop=['<|im_end|>']"]), None)
    yield Fault(
        area,
        "a pickle beside",
        lambda f: nothing_ran(
            f / "model", lambda: loaded(f, lambda m: (m / "training_args.bin").write_bytes(pickle.dumps(Evil(m))))
        ),
        None,
    )
    yield Fault(
        area,
        "no such folder",
        lambda f: plan(composed([*WORDS, "model.path=nowhere"])),
        "model.path=nowhere is no folder",
    )
    yield Fault(
        area, "a file for a folder", lambda f: plan(composed([*WORDS, f"model.path={__file__}"])), "is no folder"
    )
    yield Fault(area, "NaN is not saved", lambda f: save_broken(f), "the weights are not finite")


def sizes() -> Iterator[Fault]:
    area = "sizes of models"
    for name, written, says in [
        ("cut", b'{"hidden', "no JSON"),
        ("empty", b"", "no JSON"),
        ("of a list", b"[]", "describes no model"),
        ("of null", b"null", "describes no model"),
        ("binary", bytes(range(256)), "UTF-8"),
        ("without sizes", b"{}", "names no num_attention_heads"),
    ]:
        yield Fault(
            area,
            f"config.json {name}",
            lambda f, w=written: [(f / "config.json").write_bytes(w), shape_of(str(f))],
            f"config.json{'' if says.startswith(('no JSON', 'UTF')) else ' ' + says}",
        )
    for value in (0, -1, "64", 2.5, True, [64]):
        for key in ("hidden_size", "num_attention_heads", "num_key_value_heads"):
            yield Fault(area, f"{key}={value!r}", lambda f, k=key, v=value: sized(f, **{k: v}), f"{key}={value!r} must")
    yield Fault(area, "as they are", sized, None)
    yield Fault(area, "no heads for keys", lambda f: sized(f, num_key_value_heads=None), None)


def edited_words(folder: Path, more: int) -> None:
    """The tokenizer of a larger model."""
    content = json.loads((folder / "tokenizer.json").read_text())
    last = max(token["id"] for token in content["added_tokens"])
    like = content["added_tokens"][-1]
    content["added_tokens"] += [{**like, "id": last + n, "content": f"<new{n}>"} for n in range(1, more)]
    (folder / "tokenizer.json").write_text(json.dumps(content))


def no_end(folder: Path) -> None:
    edited(folder / "config.json", eos_token_id=None)
    (folder / "generation_config.json").unlink()


def save_broken(folder: Path) -> None:
    model, tokenizer = load_policy(hub(), composed([*WORDS, f"model.path={hub()}"]).model)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = float("nan")
    try:
        save_policy(model, tokenizer, folder / "saved")
    finally:
        assert not (folder / "saved").exists()


# The machine ---------------------------------------------------------------------------------------------------------


def machines_words(error: Exception, folder: Path) -> None:
    """What ``run_stages`` makes of an error while it writes."""
    said = of_machine(error, folder)
    if said is None:
        raise error
    raise Failure(f"{said}; the same command goes on from here once it is mended", 1)


def full(path: str) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(b"x")


def caught(act: Callable[[], Any], folder: Path) -> None:
    try:
        act()
    except Exception as error:
        machines_words(error, folder)


def machine() -> Iterator[Fault]:
    area = "disk and permissions"
    for number in (
        errno.ENOSPC,
        errno.EACCES,
        errno.EROFS,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.EFBIG,
        errno.ESTALE,
        errno.ENOENT,
    ):
        words = os.strerror(number)
        yield Fault(
            area, words, lambda f, n=number: machines_words(OSError(n, os.strerror(n), str(f / "model")), f), words
        )
        yield Fault(
            area, f"{words}, of no file", lambda f, n=number: machines_words(OSError(n, os.strerror(n)), f), words
        )
    said = "No space left on device"
    yield Fault(
        area,
        "safetensors on a full disk",
        lambda f: machines_words(RuntimeError(f"Error while serializing: I/O error: {said} (os error 28)"), f),
        said,
    )
    yield Fault(
        area,
        "a library's error without a number",
        lambda f: machines_words(OSError("there is no model here"), f),
        "there is no model here",
    )
    if Path("/dev/full").exists():
        yield Fault(area, "a full device", lambda f: caught(lambda: full("/dev/full"), f), said)
    yield Fault(area, "a file that is a folder", lambda f: file_digest(f), "cannot be read")
    yield Fault(area, "a file that is not there", lambda f: file_digest(f / "nowhere"), "nowhere cannot be read")


def numbers() -> Iterator[Fault]:
    area = "numbers that are none"
    for what in ("the gradient norm", "the loss of policy", "the gap between the log-probabilities"):
        for value in (float("nan"), float("inf"), float("-inf")):
            yield Fault(
                area, f"{what} of {value}", lambda f, w=what, v=value: require_finite(w, v), f"{what} is not finite"
            )
    for what in ("the rewards 'process'", "the advantages"):
        for value in (float("nan"), float("inf"), float("-inf")):
            yield Fault(
                area,
                f"{value} among {what}",
                lambda f, w=what, v=value: require_finite(w, torch.tensor([1.0, v])),
                f"{what} are not finite",
            )


def faults() -> Iterator[Fault]:
    """All faults of stores."""
    yield from stages()
    yield from checkpoints()
    yield from models()
    yield from sizes()
    yield from machine()
    yield from numbers()
