# Targets work from a fresh clone; the two that a newcomer needs are `make run` and `make test`.
WAREHOUSE ?= warehouse
ISSUE_DATE ?=
PORT ?= 3000
# The newest Python that is really there (a shim without a version behind it does not count) and can make a venv.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
COMPAT := .venv-compat
BIN := $(VENV)/bin
# The locks list every package with its hashes, so nothing is left to resolve.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps
# The optional extras whose tests run everywhere; `deep` is gigabytes, and its tests say that they are skipped.
TESTED_EXTRAS := --extra xgboost --extra tuning --extra tracking

.PHONY: help setup setup-dev run ui doctor test lint types dbt-test docs faults bench compare-models soak compat audit lock clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.runtime  ## Virtual environment with the locked packages

setup-dev: .venv/.dev  ## The same with the tools that the tests need

.venv/bin/python .venv-compat/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python $(INSTALL) --require-hashes -r requirements.lock
	$(BIN)/python $(INSTALL) --no-build-isolation -e .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { echo "LightGBM needs OpenMP (Debian: apt-get install libgomp1)"; exit 1; }
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(BIN)/python $(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# The DuckDB that most BI drivers still carry takes the place of the locked one.
.venv-compat/.runtime: requirements.lock pyproject.toml | .venv-compat/bin/python
	$(COMPAT)/bin/python $(INSTALL) --require-hashes -r requirements.lock
	$(COMPAT)/bin/python $(INSTALL) 'duckdb>=1.5,<1.6'
	$(COMPAT)/bin/python $(INSTALL) --no-build-isolation -e .
	@touch $@

run: setup  ## Materialize a whole warehouse: make run [WAREHOUSE=folder] [ISSUE_DATE=2022-11-20]
	$(BIN)/energy-assets run --warehouse "$(WAREHOUSE)" $(if $(ISSUE_DATE),--issue-date $(ISSUE_DATE))

ui: setup  ## The Dagster UI on http://localhost:3000 (or PORT=…)
	$(BIN)/energy-assets ui --warehouse "$(WAREHOUSE)" --port $(PORT)

doctor: setup  ## What may be wrong with this machine or warehouse, and what to do
	$(BIN)/energy-assets doctor --warehouse "$(WAREHOUSE)"

lint: setup-dev  ## Format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup-dev  ## mypy
	$(BIN)/mypy

dbt-test: setup-dev  ## Only the dbt project: build, data tests, unit tests
	$(BIN)/python -m pytest -q tests/dbt

test: setup-dev lint types  ## Format, lint, types, definitions, dbt, tests with a coverage floor
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/dg check defs
	$(BIN)/python -m pytest -q -n logical --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

soak: setup-dev  ## The faults in their long form: runs killed twenty times, disks filled; a day by the other executor
	ENERGY_SOAK_KILLS=20 $(BIN)/python -m pytest -q tests/faults tests/pipeline/test_executors.py

faults: setup-dev  ## Faults, what is promised under each, and whether it holds: into docs/faults.md
	$(BIN)/python -m tests.faults

bench: setup-dev  ## Speed, memory and disk beside floors, into docs/benchmarks.md [BENCH="--short"]
	$(BIN)/python -m tests.bench $(BENCH)

# The libraries that the bench compares with, in a virtual environment of their own; one of them needs Python 3.12.
# Without the project: OpenSTEF and Evidently ask for different releases of Plotly.
.venv-peers/.peers: pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["peers"], sep="\n")' > .venv-peers/requirements.txt
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r .venv-peers/requirements.txt
	@touch $@

compare-models: setup-dev  ## All models on the same backtest, written into docs/models.md [WAREHOUSE=folder]
	$(BIN)/python -m tests.bench.models $(if $(filter-out file,$(origin WAREHOUSE)),--warehouse "$(WAREHOUSE)") $(COMPARE)

compat: .venv-compat/.runtime  ## A small warehouse on DuckDB 1.5, in a virtual environment of its own
	.ci/compat

audit: setup-dev  ## Licences of all packages against those allowed; known vulnerabilities, where their data can be had
	.ci/audit

docs: setup  ## The generated pages: data dictionary, fields of sources.yaml
	$(BIN)/python -m energy_assets.dictionary

lock:  ## New lock files from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --group build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --group build --group dev $(TESTED_EXTRAS) pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:  ## Remove what the default warehouse has grown
	find warehouse -mindepth 1 -maxdepth 1 ! -name sources.yaml ! -name README.md -exec rm -rf {} +
