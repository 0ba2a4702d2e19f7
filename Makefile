# Targets work from a fresh clone; the two that a newcomer needs are `make run` and `make test`.
WAREHOUSE ?= warehouse
ISSUE_DATE ?=
# The newest Python that is really there (a shim without a version behind it does not count) and can make a venv.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help setup setup-dev run ui test lint types dbt-test docs bench soak lock clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.runtime dbt_project/target/manifest.json  ## Virtual environment with the locked packages, and dbt's manifest

setup-dev: .venv/.dev dbt_project/target/manifest.json  ## The same with the tools that the tests need

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .venv

# The lock lists every package with its hashes, so nothing is left to resolve.
.venv/.runtime: .venv/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

dbt_project/target/manifest.json: .venv/.runtime $(shell find dbt_project -name '*.sql' -o -name '*.yml' -o -name '*.csv' | grep -v /target/)
	@ENERGY_DATABASE=$(abspath $(WAREHOUSE))/energy.duckdb $(BIN)/dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project
	@touch $@

run: setup  ## Materialize a whole warehouse: make run [WAREHOUSE=folder] [ISSUE_DATE=2022-11-20]
	$(BIN)/energy-assets run --warehouse $(WAREHOUSE) $(if $(ISSUE_DATE),--issue-date $(ISSUE_DATE))

ui: setup  ## The Dagster UI on http://localhost:3000
	$(BIN)/energy-assets ui --warehouse $(WAREHOUSE)

lint: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup-dev
	$(BIN)/mypy

dbt-test: setup-dev
	$(BIN)/python -m tests.dbt

test: setup-dev lint types  ## Format, lint, types, dbt, definitions, tests with a coverage floor
	$(BIN)/dg check defs
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered -q

soak: setup-dev  ## Kill runs at random moments, twenty times, and compare
	ENERGY_SOAK_KILLS=20 $(BIN)/python -m pytest -q tests/pipeline/test_killed_runs.py

bench: setup-dev  ## Speed and memory, measured
	$(BIN)/python -m tests.bench

docs: setup  ## The data dictionary, from contracts and dbt
	$(BIN)/python -m energy_assets.dictionary > docs/data-dictionary.md

lock:  ## New lock files from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --group build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --group build --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:  ## Remove what the default warehouse has grown
	find warehouse -mindepth 1 -maxdepth 1 ! -name sources.yaml ! -name README.md -exec rm -rf {} +
