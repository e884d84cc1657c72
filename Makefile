PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: venv
venv: $(VENV)/stamp

# One stamp for the whole set-up: it is laid anew when what it was made from changes.
$(VENV)/stamp: pyproject.toml setup.py $(wildcard host/core/*.c host/core/*.h host/core/*.py) $(wildcard abi/hostcalls.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
