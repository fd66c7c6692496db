"""The check of a GPU, on the processor and at toy size: the same code, from the command to the written file."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from project import ROOT

from pure_repro.launch.shapes import Shape

sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu_check

COMMAND = [sys.executable, str(ROOT / "benchmarks" / "gpu_check.py")]
HEARD = ("padded", "packed", "packed, varlen", "packed, in chunks")
PHASES = ["sampling, hf", *(f"log-probabilities, {way}" for way in HEARD)]
PHASES += [
    f"update, {engine}, {way}" for engine in ("local", "deepspeed_zero2") for way in ("padded", "packed, in chunks")
]
PHASES.append("update, local, adapter")
HEAD = "head of 152064 words, in chunks"


@pytest.mark.slow
def test_the_check_runs_from_sampling_to_the_file(tmp_path: Path):
    """The peak is made up, so that the share of it can be recomputed."""
    run = subprocess.run([*COMMAND, "--tiny", f"--out={tmp_path}", "--teraflops=2"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    [file] = tmp_path.glob("*_tiny.json")
    found = json.loads(file.read_text())
    assert [phase for phase in found["phases"] if "vLLM" not in phase] == [*PHASES, HEAD]
    each = found["matrix_parameters"] * 6 / 2e12
    for phase in PHASES[5:]:
        row = found["phases"][phase]
        assert row["utilisation"] == pytest.approx(each * row["tokens_per_second"]) and row["peak_gib"] > 0
    samplers = ["hf", *(["vLLM"] if find_spec("vllm") else [])]
    assert set(found["gaps"]) == {
        *(f"{way} – padded" for way in HEARD[1:]),
        *(f"{HEAD} – whole", "its gradient – whole, in units of its mean"),
        *(f"sampler ({name}) – trainer" for name in samplers),
    }
    assert all(gap["mean"] <= gpu_check.MEAN_GAP for gap in found["gaps"].values())
    assert found["freed_gib"] is None, "no engine sleeps on a processor"
    assert found["sizes"]["hidden"] == gpu_check.TINY.hidden and found["environment"]["packages"]["torch"]
    assert ("vLLM is not installed" in run.stdout) == (find_spec("vllm") is None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: nothing is refused")
def test_without_a_gpu_it_says_so_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
):
    monkeypatch.setattr(sys, "argv", [COMMAND[1], f"--out={tmp_path}"])
    assert gpu_check.main() == 2 and not [*tmp_path.iterdir()]
    said = capfd.readouterr()
    assert said.out == "" and said.err.startswith("gpu-check: PyTorch sees no CUDA GPU here; ")
    assert said.err.count("\n") == 1


def test_the_model_is_of_the_size_that_is_said(tmp_path: Path):
    assert gpu_check.make_model(gpu_check.TINY, tmp_path).num_parameters() < 1e6
    full = Shape(
        *(gpu_check.FULL.hidden, gpu_check.FULL.intermediate, gpu_check.FULL.layers, gpu_check.FULL.heads),
        *(gpu_check.FULL.kv_heads, gpu_check.FULL.vocabulary, True, True, 640),
    )
    assert 95e6 < full.parameters < 105e6
