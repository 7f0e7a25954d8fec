# Two commands, nothing else to set up: `make bench` runs the tiny benchmark, `make test` this project's tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_FOR_DOCS := $(VENV)/.ready-for-docs

.PHONY: bench test test-slow test-backends test-all docs lint types clean

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

# The documentation as a site, in site/: no warning, and nothing that a page would load from elsewhere.
docs: $(READY_FOR_DOCS)
	$(BIN)/python tools/stage_docs.py build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python tools/check_site.py site

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

$(READY_FOR_DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache build src/*.egg-info
