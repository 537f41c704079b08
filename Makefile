# The front door: `make` lists the targets. Every target installs what it needs; stamp files make repeated runs fast.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
VENV_MIN ?= .venv-min
VENV_PEERS ?= .venv-peers
VENV_DJANGO6 ?= .venv-django6
TEST_LEVEL ?= dev
# One more than there are cores on a small machine: tests also wait, for programs that start.
WORKERS ?= 3
ARGS ?=
DATA ?=
NAME =
# pip compiles nothing (below): without caches each process would compile what it imports, ten seconds for the local model.
unexport PYTHONDONTWRITEBYTECODE
# For example the --find-links or --extra-index-url of a torch without CUDA, which saves some gigabytes.
PIP_OPTIONS ?=
# The first Python that is new enough; tried by running it, because a shim may exist for a version that does not.
PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,$(shell $(python) -c 'import sys; sys.version_info >= (3, 11) and print("$(python)")' 2>/dev/null)))
# Django 6 needs Python 3.12, for which the pinned torch may have no build: so its tests have an environment without torch.
PYTHON_DJANGO6 ?= $(firstword $(foreach python,python3 python3.13 python3.12 $(wildcard $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python3),$(shell $(python) -c 'import sys; sys.version_info >= (3, 12) and print("$(python)")' 2>/dev/null)))
DJANGO_TESTS = $(wildcard tests/*/test_django*.py)

# Without --no-compile pip compiles all of torch, of which little is ever imported.
PIP = $(VENV)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check $(PIP_OPTIONS)
REQUIREMENTS = pyproject.toml constraints.txt

.PHONY: help demo test test-faults test-reembed test-index-faults lint bench bench-filters bench-peers bench-keyword bench-queries bench-recall bench-sync eval docs test-min test-django6 docs-assistant migration wheel-test clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r target text; do printf '  make %-18s %s\n' "$$target" "$$text"; done

demo: $(VENV)/.installed-all ## Search the docstrings of your Python (starts a local server)
	@$(VENV)/bin/pgvec demo $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests (TEST_LEVEL=full runs all, brief a few; ARGS="-k filter" chooses)
	@TEST_LEVEL="$(TEST_LEVEL)" $(VENV)/bin/pytest -n $(WORKERS) $(ARGS)

test-faults: $(VENV)/.installed-dev ## Kill, freeze and cut off workers under load (ARGS="--seed N" replays)
	@PYTHONPATH="tests:$$PWD" $(VENV)/bin/python -m support.faults $(ARGS)

test-reembed: $(VENV)/.installed-dev ## Change the model of 20,000 rows under load, killed at six points, three times each
	@PGVEC_REEMBED_ROWS="$${PGVEC_REEMBED_ROWS:-20000}" PGVEC_REEMBED_TILES="$${PGVEC_REEMBED_TILES:-48}" $(VENV)/bin/pytest tests/integration/test_reembed.py -k full_size $(ARGS)

lint: $(VENV)/.installed-dev ## Check style, types and floors
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

bench: $(VENV)/.installed-dev ## Measure against hand-written psycopg (DATA=dir takes real data)
	@$(VENV)/bin/python -m benchmarks $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-filters: $(VENV)/.installed-dev ## Measure filtered search cell by cell (DATA=dir adds real data)
	@$(VENV)/bin/python -m benchmarks.filters $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-peers: $(VENV_PEERS)/.installed ## The same cells beside other engines from PyPI (installs them apart)
	@$(VENV_PEERS)/bin/python -m benchmarks.peers $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-keyword: $(VENV)/.installed-dev ## Measure keyword and hybrid search beside ts_rank over GIN
	@$(VENV)/bin/python -m benchmarks.keyword $(ARGS)

bench-queries: $(VENV)/.installed-dev ## Time every way to ask beside a plain search of a hundred rows
	@$(VENV)/bin/python -m benchmarks.queries $(ARGS)

eval: $(VENV)/.installed-dev ## Judge vectors, words, both and chunkers on public collections (DATA=dir), and texts with pictures
	@$(VENV)/bin/python -m benchmarks.eval --data "$(DATA)" $(ARGS)

bench-recall: $(VENV)/.installed-dev ## Check recall= and reports of recall against the truth (DATA=dir adds real data)
	@$(VENV)/bin/python -m benchmarks.recall $(if $(DATA),--data "$(DATA)") $(ARGS)

bench-sync: $(VENV)/.installed-dev ## Measure workers, claims from a long queue, and loads with capture
	@$(VENV)/bin/python -m benchmarks.sync $(ARGS)

docs: $(VENV)/.installed-dev ## Run the examples of README and docs
	@TEST_LEVEL="$(TEST_LEVEL)" $(VENV)/bin/pytest tests/docs $(ARGS)

test-min: $(VENV_MIN)/.installed ## Run the tests on the oldest supported versions, without torch
	@TEST_LEVEL="$(TEST_LEVEL)" $(VENV_MIN)/bin/pytest -n $(WORKERS) $(ARGS)

test-index-faults: $(VENV)/.installed-dev ## Kill index builds at every point in every way, five times (some minutes)
	@rm -f .index-faults
	@TEST_LEVEL=full PGVEC_INDEX_FAULT_ROUNDS=5 PGVEC_INDEX_FAULT_REPORT=.index-faults $(VENV)/bin/pytest tests/integration/test_index_faults.py $(ARGS); \
		status=$$?; sort .index-faults; exit $$status

test-django6: $(if $(PYTHON_DJANGO6),$(VENV_DJANGO6)/.installed) ## Run the tests of the Django app on Django 6 (needs Python 3.12)
ifeq ($(PYTHON_DJANGO6),)
	@echo "skipped: Django 6 needs Python 3.12 or newer, and none was found (PYTHON_DJANGO6=/path/to/python3.12 names one)"
else
	@TEST_LEVEL="$(TEST_LEVEL)" $(VENV_DJANGO6)/bin/pytest -n $(WORKERS) $(DJANGO_TESTS) $(ARGS)
endif

docs-assistant: $(VENV)/.installed-all ## Answer questions about a folder in the browser (DATA=folder, docs by default)
	@$(VENV)/bin/python examples/docs_assistant "$(or $(DATA),docs)" $(ARGS)

migration: $(VENV)/.installed-dev ## Make the files of a new migration (NAME=pre_something)
	@$(VENV)/bin/python -m pgvec.sql.new "$(NAME)"

wheel-test: $(VENV)/.installed-dev ## Build the wheel, install it elsewhere and use it
	@$(VENV)/bin/python tests/wheel/build_and_use.py

clean: ## Remove what make has made
	rm -rf $(VENV) $(VENV_MIN) $(VENV_PEERS) $(VENV_DJANGO6) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed-all: $(REQUIREMENTS) | $(VENV)/bin/python
	@echo "installing pgvec with all extras into $(VENV) ..."
	@$(PIP) -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(REQUIREMENTS) | $(VENV)/bin/python
	@echo "installing pgvec with its development tools into $(VENV) ..."
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-all

$(VENV_MIN)/.installed: pyproject.toml constraints-min.txt | $(VENV_MIN)/bin/python
	@echo "installing pgvec on its oldest supported versions into $(VENV_MIN) ..."
	@$(VENV_MIN)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check $(PIP_OPTIONS) -c constraints-min.txt -e '.[embedded,cli,django,chunk,test]'
	@touch $@

$(VENV_PEERS)/.installed: $(REQUIREMENTS) | $(VENV_PEERS)/bin/python
	@echo "installing pgvec and its peers into $(VENV_PEERS) ..."
	@$(VENV_PEERS)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[embedded,bench,bench-peers]'
	@touch $@

$(VENV_DJANGO6)/.installed: pyproject.toml | $(VENV_DJANGO6)/bin/python
	@echo "installing pgvec with Django 6 into $(VENV_DJANGO6) ..."
	@$(VENV_DJANGO6)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check $(PIP_OPTIONS) 'django>=6' -e '.[embedded,django,test]'
	@touch $@

$(VENV_DJANGO6)/bin/python: PYTHON = $(PYTHON_DJANGO6)
%/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "pgvec needs Python 3.11 or newer: install one, or name it (make PYTHON=/path/to/python3.12 ...)" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("pgvec needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0])'
	@$(PYTHON) -m venv $*
