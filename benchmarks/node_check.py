"""The node's own command, two steps, with models of random weights: ``make node-check``.

    python benchmarks/node_check.py [--ranks 8] [--steps 2] [--out results/node_check] [words for the command …]

On a machine with GPUs policy and reward model have the sizes of Qwen2.5-Math-7B and there is a rank a GPU; without
one they are small, untied and really sharded, and there are two ranks on the processor, with vLLM for CPU where it is
installed. Either way the command is ``recipe=paper experiment=table1/pure_prm_vr train=deepspeed_zero3
launch=torchrun``, from its preflight to its score. Printed and written: seconds of every phase and, on GPUs, the GiB
that PyTorch held beside those that the preflight plans with. Fewer and shorter responses than the recipe's, since
random weights never end one: words behind it change that.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification

from pure_repro.data.tokenizer import world_tokenizer
from pure_repro.launch.compose import composed
from pure_repro.launch.machine import GIB, this_machine
from pure_repro.launch.preflight import preflight
from pure_repro.models.ranks import device_name
from pure_repro.track.manifest import environment, write_json

# Hidden, intermediate, layers, heads, heads of keys and values, vocabulary.
SEVEN_B, SMALL = (3584, 18944, 28, 28, 4, 152064), (64, 192, 2, 2, 1, 512)
PLANNED = {
    "sample": "sample",
    "prm": "score",
    "reference": "score",
    "update": "update",
}  # phase of a step → of the plan


def save_models(folder: Path, sizes: tuple[int, ...]) -> None:
    """Policy and reward model of random weights, in bfloat16, with a tokenizer that both read."""
    tokenizer = world_tokenizer(modulus=23)
    hidden, intermediate, layers, heads, kv_heads, vocabulary = sizes
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=4096 if sizes == SEVEN_B else 64,  # fewer than the run asks for
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        num_labels=2,
    )
    for name, kind in (("policy", Qwen2ForCausalLM), ("prm", Qwen2ForTokenClassification)):
        with torch.device(device_type()):
            model = kind(config).to(torch.bfloat16)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    rows = [{"question": "7" + "+5" * n + ":", "answer": (7 + 5 * n) % 23} for n in range(1, 13)] * 12
    (folder / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))


def device_type() -> str:
    """Where random weights are drawn fastest."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def command(folder: Path, ranks: int, steps: int, more: list[str]) -> list[str]:
    """The words of the run; what the small model cannot have is smaller."""
    gpus = torch.cuda.is_available()
    sampler = ["rollout=vllm"] if find_spec("vllm") else []
    small = ["train.deepspeed.keep_whole_below=1000", "train.tokens_per_microbatch=2048"]
    prompts, tokens = (8 * ranks, 1024) if gpus else (2 * ranks, 48)
    return [
        *("recipe=paper", "experiment=table1/pure_prm_vr", "train=deepspeed_zero3", "launch=torchrun", *sampler),
        *(f"launch.nproc_per_node={ranks}", f"train.steps={steps}", "track=none", f"store={folder / 'store'}"),
        *("model=local", f"model.path={folder / 'policy'}", f"model.context={tokens + 64}", "prompt=none"),
        *("data=local", f"data.path={folder / 'problems.jsonl'}", "data.validation=[]", "prm.revision=null"),
        *(f"prm.path={folder / 'prm'}", "reward.answered_share=0.1", "rollout.max_prompt_tokens=64"),
        *(f"rollout.max_new_tokens={tokens}", f"train.prompts_per_step={prompts}", "train.samples_per_prompt=8"),
        *(f"train.rollouts_per_update={8 * prompts}", "score.checkpoints=[last]", f"score.max_new_tokens={tokens}"),
        f"score.benchmarks=[{{name: own, path: {folder / 'problems.jsonl'}, question: question, answer: answer}}]",
        "score.sampler=rollout",
        *([] if gpus else small),
        *more,
    ]


def figures(train: Path, planned: dict[str, int]) -> dict[str, dict[str, float | None]]:
    """Seconds and GiB of every phase of the last step, beside what was planned."""
    row: dict[str, Any] = json.loads((train / "metrics.jsonl").read_text().splitlines()[-1])
    phases = [name.removeprefix("seconds/") for name in row if name.startswith("seconds/")]
    return {
        name: {
            "seconds": row[f"seconds/{name}"],
            "gib": row.get(f"gpu_gib/{name}"),
            "planned_gib": planned[PLANNED[name]] / GIB if name in PLANNED else None,
        }
        for name in phases
    } | {"step": {name.removeprefix("speed/"): value for name, value in row.items() if name.startswith("speed/")}}


def main() -> int:
    """Run it, print and write what it took; the command's own status where it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=torch.cuda.device_count() or 2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/node_check"))
    words, more = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(dir="."))
    try:
        save_models(folder, SEVEN_B if torch.cuda.is_available() else SMALL)
        told = command(folder, words.ranks, words.steps, more)
        config = composed(told)
        fit = preflight(config, this_machine(folder))
        assert fit is not None
        run = subprocess.run([sys.executable, "-m", "pure_repro", *told], check=False)
        if run.returncode:
            return run.returncode
        [train] = (folder / "store" / "train").iterdir()
        made = figures(train, fit.memory.phases)
    finally:
        shutil.rmtree(folder)
    for name, row in made.items():
        print(
            f"{name:<12}"
            + "".join(f"{key} {'–' if value is None else round(value, 3)}   " for key, value in row.items())
        )
    words.out.mkdir(parents=True, exist_ok=True)
    file = words.out / f"{device_name().lower().replace(' ', '_')}.json"
    how = {"device": device_name(), "ranks": words.ranks, "sampler": config.rollout.name}
    write_json(file, {**how, "phases": made, "environment": environment()})
    print(f"written: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
