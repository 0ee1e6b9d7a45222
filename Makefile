# `make demo` runs Indelible with a generated history, and a product that shows it; `make test` runs the tests. Both set
# up what they need.
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

# The environment brings Node along, and the viewer with it; it is built again when its sources change.
VIEWER := src/indelible/server/static/audit-log.js
$(VIEWER): .venv/.ready hatch_build.py viewer/package-lock.json viewer/vite.config.ts $(shell find viewer/src -type f)
	@$(BIN)/python hatch_build.py
	@touch $@

demo: $(VIEWER) ## a product with its audit log, on http://127.0.0.1:8751, and the service that keeps it
	$(BIN)/python -m examples.demo

# File by file, in their order: else those of few tests come last, which take the longest.
test: $(VIEWER) ## the tests, in two processes (the slow extra: .venv/bin/pytest -m slow)
	$(BIN)/python hatch_build.py test --silent
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VIEWER) ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python hatch_build.py run --silent check

requirements: ## pin again what pyproject.toml asks for
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra archive --extra server --group dev pyproject.toml requirements/build.in -o requirements/dev.txt
