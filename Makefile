# `make demo` runs Indelible with a generated history; `make test` runs the tests. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint requirements

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /make \1\t/'

# One stamp stands for the environment: it is made again when the pinned requirements change.
.venv/.ready: requirements/dev.txt requirements/aside.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Indelible needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --ignore-requires-python \
	  -r requirements/aside.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/.ready ## the service with a believable 90-day history, on http://127.0.0.1:8750
	$(BIN)/indelible dev --demo

test: .venv/.ready ## the tests (the slow extra: .venv/bin/pytest -m slow)
	$(BIN)/pytest

lint: .venv/.ready ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

requirements: ## pin again what pyproject.toml asks for
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra archive --extra server --group dev pyproject.toml requirements/build.in -o requirements/dev.txt
