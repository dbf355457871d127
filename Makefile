# `make run` and `make test` are the whole interface: both set up .venv on first use.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CROSSCHECK := .crosscheck
STUDY ?= studies/sapg_ablations.yaml

.PHONY: setup run test check slow simulations crosscheck clean

setup: $(VENV)/ready

# torch comes first and pinned: an unpinned torch would pull gigabytes of CUDA packages.
$(VENV)/ready: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

run: setup
	$(BIN)/ablate run $(STUDY)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest

slow: setup
	$(BIN)/python -m pytest -m slow

# Writes what it finds into docs/statistics.md; a few minutes on one core.
simulations: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m simulation tests/simulations

# rliable needs releases older than ours (pandas<3, arch<8), so it lives in an environment of its own.
crosscheck:
	$(PYTHON) -m venv $(CROSSCHECK)
	$(PYTHON) -c "from configparser import RawConfigParser as P; p = P(); p.read('setup.cfg'); print(p['options.extras_require']['crosscheck'])" > $(CROSSCHECK)/requirements.txt
	$(CROSSCHECK)/bin/pip install --quiet --disable-pip-version-check -r $(CROSSCHECK)/requirements.txt
	$(CROSSCHECK)/bin/python benchmarks/statistics_crosscheck.py

clean:
	rm -rf $(CROSSCHECK) $(VENV) build dist *.egg-info
