# Every target sets up what is missing first (packaging/setup.py, which returns at once when there is nothing to do).
# On Windows, and wherever make is missing: see "Without make" in the README.

PYTHON ?= python3
VENV := .venv/bin/python
# Tests and benchmarks run offline and offscreen, and idle threads yield the few cores they share.
ALONE := HF_HUB_OFFLINE=1 QT_QPA_PLATFORM=offscreen OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false

.PHONY: run test demo bench setup ready lint types readme
.DEFAULT_GOAL := run

run: ready          ## open the window
	@$(VENV) packaging/system.py --window
	@$(VENV) main.py

test: ready lint types          ## lint, types, then the tests
	$(ALONE) $(VENV) -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: ready
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .

types: ready
	$(VENV) -m mypy

demo: ready          ## the whole journey by itself, into build/demo (QUICK=1: the tiny model)
	@$(VENV) main.py demo $(if $(filter-out 0,$(QUICK)),--quick)

bench: ready          ## every benchmark, one after the other, about an hour; one alone: python -m tests.benchmarks.NAME
	@set -e; for file in tests/benchmarks/*.py; do name=$$(basename "$$file" .py); \
	  echo "== $$name"; $(ALONE) $(VENV) -m "tests.benchmarks.$$name"; done

readme: ready          ## write the README's tables from the registries
	@$(VENV) packaging/readme_tables.py --write

setup:          ## set up, and try again for an embedded model that could not be had before
	@$(PYTHON) packaging/setup.py --again

ready:
	@$(PYTHON) packaging/setup.py
