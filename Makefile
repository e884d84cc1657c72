# Everything that is done with this repository. `make` alone lists the targets.
#
# Each step of the set-up leaves a stamp in .venv and is done anew only when what it was made from changes.
# PYTHON=python3.12 names the interpreter for a new .venv; LISTEN=HOST:PORT the address of `make run`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PEERS := .peers/venv
LISTEN ?= 127.0.0.1:9080
CHECK ?=
PYTEST_ARGUMENTS ?=
SANITIZE_ROUNDS ?= 100000

# constraints.txt pins what pip installs, so that a new machine gets what the last one tested. The project itself is
# built without pip's isolation: an isolated build would fetch setuptools and cffi unpinned.
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CORE := $(filter-out host/core/generated/%,$(wildcard host/core/*.c host/core/*.h host/core/cpython/*.[ch] host/core/*.py)) $(wildcard abi/*.py) setup.py

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/core.stamp ## Start the gateway on 127.0.0.1:9080 with a TinyGo plugin, in front of a demo origin
	@exec $(BIN)/python examples/quickstart/run.py --listen $(LISTEN)

.PHONY: test
test: venv ## Run the test suite (skips, with the reason, what needs an absent peer)
	timeout --signal=INT 840 $(BIN)/python -m pytest $(PYTEST_ARGUMENTS)

##@ Work on it

.PHONY: venv
venv: $(VENV)/dev.stamp $(VENV)/core.stamp ## Set up .venv with the pinned development tools and the native core

.PHONY: check
check: venv ## Check format, lint, types, import directions and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_pins.py
	$(BIN)/python scripts/config_reference.py --check
	CFLAGS=-Werror $(BIN)/python setup.py --quiet build_ext --force --build-temp build/werror --build-lib build/werror

.PHONY: sanitize
sanitize: venv ## Fuzz the C core under the sanitizers for longer, and compare it with wasmtime's headers (cargo)
	SANITIZE_ROUNDS=$(SANITIZE_ROUNDS) WASMTIME_HEADERS=fetch timeout --signal=INT 900 \
	  $(BIN)/python -m pytest tests/sanitize tests/wasm/test_layouts.py $(PYTEST_ARGUMENTS)

.PHONY: format
format: venv ## Format the Python code and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test-peers
test-peers: venv peers ## Install the real peers (Envoy, nginx) and run what is compared with them; skips nothing
	SLUICEWAY_PEERS=require timeout --signal=INT 1500 $(BIN)/python -m pytest tests/peers $(PYTEST_ARGUMENTS)

.PHONY: peers
peers: ## Install the peers: Envoy into .peers, nginx with Lua, Redis and wrk by apt
	scripts/install-peers $(PEERS)

.PHONY: bench
bench: venv peers ## Run the micro benchmarks and a short round of the load comparison
	if compgen -G 'bench/test_*.py' >/dev/null; then $(BIN)/python -m pytest bench --benchmark-only; fi
	$(BIN)/python -m bench.load --short

.PHONY: plugins
plugins: ## Rebuild the guests of testdata/plugins; CHECK=1 builds the TinyGo ones elsewhere and compares
	python3 testdata/build.py $(if $(CHECK),--check --toolchain tinygo)

.PHONY: wheel
wheel: venv ## Build sdist and abi3 wheel, install each in an empty venv and run the smoke test there
	rm -rf dist build
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python scripts/try_distributions.py dist

.PHONY: constraints
constraints: venv ## Write the versions that .venv has now to constraints.txt
	$(BIN)/python scripts/check_pins.py --write

.PHONY: clean
clean: ## Remove what was built (not .venv, .peers and .toolchains, which cost downloads: distclean removes these too)
	rm -rf build dist *.egg-info host/_core*.so host/core/generated .pytest_cache .mypy_cache .ruff_cache \
	  .hypothesis .import_linter_cache .benchmarks
	rm -f $(VENV)/core.stamp $(VENV)/runtime.stamp $(VENV)/dev.stamp

.PHONY: distclean
distclean: clean ## Remove everything that is not in the repository's own files
	rm -rf .venv .peers .toolchains .cache

# The set-up, step by step.

$(VENV)/python.stamp: constraints.txt
	@python=$$(scripts/find-python) && { test -x $(BIN)/python || "$$python" -m venv $(VENV); }
	$(PIP_INSTALL) setuptools cffi
	touch $@

$(VENV)/runtime.stamp: $(VENV)/python.stamp pyproject.toml setup.py
	$(PIP_INSTALL) --no-build-isolation --editable .
	touch $@

# A changed source needs the compiler alone, and no pip.
$(VENV)/core.stamp: $(CORE) | $(VENV)/runtime.stamp
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp
	$(PIP_INSTALL) --no-build-isolation --editable '.[dev]'
	touch $@
