# What a developer types. `make` alone lists it.

PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-long check bench bench-store profile fuzz docs clean

MINUTES ?= 10
ONLY ?=
FULL ?=
ARGS ?=
BIN := .venv/bin

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

run: .venv/installed ## start one node with the embedded default and print its endpoint and keys (ARGS="--config FILE")
	$(BIN)/forebay serve $(ARGS)

test: .venv/installed-test ## every test in its short form
	$(BIN)/pytest -m 'not long' $(ARGS)

test-long: .venv/installed-test ## the tests of nightly size as well; ONLY=name picks some
	FOREBAY_TEST_SIZE=long $(BIN)/pytest $(if $(ONLY),-k '$(ONLY)') --timeout=0 $(ARGS)

check: .venv/installed-check ## format, lint, types, floors, tidy tests and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m 'not slow and not long' $(ARGS)

bench: .venv/installed-test ## hits beside nginx, one node over a directory beside rclone, one over an S3 server that counts
	$(BIN)/python -m loadtest.bench $(ARGS)

bench-store: .venv/installed-test ## what the block store costs, holds and delays; FULL=1 for 5 million records
	FULL='$(FULL)' $(BIN)/python -m loadtest.bench_store $(ARGS)

profile: .venv/installed-bench ## where the time of hits goes, as a flame graph: profile.svg
	$(BIN)/python -m loadtest.flame $(ARGS)

fuzz: .venv/installed-test ## random bytes into every parser for MINUTES=10
	FOREBAY_FUZZ_MINUTES=$(MINUTES) $(BIN)/pytest tests/fuzz -s --timeout=0 $(ARGS)

docs: .venv/installed-test ## write the tables of docs/ that come from the code
	$(BIN)/python -m tests.tidy.tables

clean: ## remove the environment and what the tools left behind, but no data
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp is renewed when pyproject.toml changes.

.venv/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo 'the venv module is missing: install it (Debian: apt install python3-venv)' >&2; exit 1; }
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/installed-test: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed

.venv/installed-bench: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test,bench]'
	@touch $@ .venv/installed .venv/installed-test

.venv/installed-check: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test,check]'
	@touch $@ .venv/installed .venv/installed-test
