"""The preflight: refused before a weight is loaded, with keys that mend it; the same words printed alone."""

from pathlib import Path

import pytest
from hub_model import save_hub_model
from test_price import CELL, VLLM, flight

from pure_repro.config import ConfigError
from pure_repro.launch import machine as machines
from pure_repro.launch.compose import composed
from pure_repro.launch.machine import GIB, Machine, this_machine
from pure_repro.launch.preflight import Preflight, main, preflight, refusal, require_fit
from pure_repro.launch.preflight import this_machine as asked
from pure_repro.launch.shapes import shape_of

NODE = [*VLLM, "experiment=table1/pure_prm_vr"]


@pytest.mark.parametrize("gibibytes", [79.6, 40])
def test_the_node_command_is_accepted_or_refused_with_words_that_are_accepted(gibibytes, capsys):
    """The first command of docs/node.md on eight GPUs of 80 GB; on 40 GB, with the words that the refusal offers."""
    status = main([*NODE, f"gpu={gibibytes}", "--preflight"])
    said = capsys.readouterr()
    assert status == (0 if gibibytes > 79 else 2)
    assert "phases in GiB: open 28.4, sample" in said.out and "was trained on 4096 positions" in said.out
    if status:
        offer = said.err.rsplit("; ", 1)[1].removesuffix(" would fit\n").split(" or ")[0]
        words = [*NODE, *offer.replace("host:port", "head:29500").split(), f"gpu={gibibytes}", "gpus=8"]
        assert main(words) == 0, capsys.readouterr().err


def test_what_a_machine_lacks_is_named():
    run = flight(NODE)
    little = Machine(4, 80 * GIB, "GPU", 535, 100 * GIB, 10 * GIB)
    sentences = [*Preflight(run.config, run.models, little).obstacles()]
    assert sentences[0].startswith("launch.nproc_per_node=8 and this machine has 4")
    assert "has 10.0 GiB left and the run writes up to 368.8 at a time, two checkpoints" in sentences[1]
    assert any("of main memory of 100.0" in one for one in Preflight(run.config, run.models, little).shortages())


def test_an_old_driver_is_named(monkeypatch):
    monkeypatch.setattr("pure_repro.launch.preflight.cuda_of_the_wheels", lambda: 13)
    run = flight(CELL)
    old, new = (Machine(8, 80 * GIB, "GPU", driver, 1e15, 1e15) for driver in (570, 580))
    assert "CUDA 13, whose driver is 580 or newer, and this machine has 570" in str(
        refusal(Preflight(run.config, run.models, old))
    )
    assert refusal(Preflight(run.config, run.models, new)) is None


def test_the_system_is_asked(monkeypatch, tmp_path):
    lines = "NVIDIA L4, 23034, 570.133.20\nNVIDIA L4, 23034, 570.133.20\n"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = this_machine(tmp_path / "store" / "not there yet")
    assert (found.gpus, found.gpu_name, found.driver) == (2, "NVIDIA L4", 570)
    assert found.gpu_bytes == 23034 * 2**20 and found.disk_bytes > 0 and found.host_bytes > GIB
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert this_machine(tmp_path).gpus == 1
    monkeypatch.setattr(machines, "cards", list)
    assert this_machine(tmp_path).gpus == 0


def test_a_run_is_refused_before_anything_is_loaded(entry, tmp_path):
    """A folder without weights, only sizes: whoever loaded it would fail in another way."""
    model = save_hub_model(tmp_path / "model")
    large = (model / "config.json").read_text().replace('"hidden_size": 32', '"hidden_size": 65536')
    (model / "config.json").write_text(large)
    words = [
        "recipe=paper",
        "model=local",
        f"model.path={model}",
        "track=none",
        f"store={tmp_path}",
        "reward=verifiable",
    ]
    run = entry(*words, "model.context=9216")
    assert run.returncode == 2, run.stderr
    assert "it does not fit without a GPU" in run.stderr and "phase open needs" in run.stderr
    assert "minutes on one core" not in run.stdout and "phases in GiB" in run.stdout
    assert not (tmp_path / "train").exists()


def test_other_models_are_read_or_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = save_hub_model(tmp_path)
    assert shape_of(str(folder)).hidden == 32
    with pytest.raises(ConfigError, match="the sizes of nobody/nothing are not known here and cannot be fetched"):
        shape_of("nobody/nothing")
    assert preflight(composed([]), asked(Path())) is None, "a model that is made here fits"
    require_fit(None)
