# Two commands, nothing else to set up: `make bench` runs the tiny benchmark, `make test` this project's tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: bench test test-slow test-backends test-all lint types clean

bench: $(READY)
	$(BIN)/python -m pytest benchmarks -k "retinanet and tiny" --scenario Offline

test: lint types
	$(BIN)/python -m pytest tests -m "not slow and not backends" -n 2

test-slow: $(READY)
	$(BIN)/python -m pytest tests -m "slow and not thorough and not backends" -n 2

# Makes the environment of every backend on the way.
test-backends: $(READY)
	$(BIN)/python -m pytest tests -m "backends and not thorough" -n 2

test-all: lint types
	$(BIN)/python -m pytest tests -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build src/*.egg-info
