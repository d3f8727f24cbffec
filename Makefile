# `make demo` and `make test` do all the set-up on a machine with Python 3.11+ and make; `make help` lists the rest.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOCK := requirements.lock
UV := uv==0.13.9
ARGS :=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help venv demo lab test test-slow lint types tests format notebooks bench torture lock clean clean-all

help:  ## this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo 'variables: PYTHON=/path/to/python3 (3.11 or newer, for a new .venv), ARGS="..." (for pytest and lab)'

# The stamp is written last: an interrupted installation leaves none, and the next make goes on with it.
$(STAMP): $(LOCK) pyproject.toml tools/make_venv.sh
	@rm -f $(STAMP)
	@sh tools/make_venv.sh $(VENV)
	@touch $(STAMP)

venv: $(STAMP)  ## make .venv and install requirements.lock and this project into it

demo: $(STAMP)  ## draw Figure 7 from a real search, small enough for a minute or two
	@$(PY) reproduce.py --figure 7 --scale smoke
	@test -f figures/fig7.png && echo 'The picture: $(CURDIR)/figures/fig7.png'

lab: $(STAMP)  ## open the first notebook in JupyterLab
	@$(PY) -m jupyterlab notebooks/00_*.ipynb $(ARGS)

test: lint types tests  ## everything CI checks: lint, types, tests

lint: $(STAMP)  ## ruff, linter and formatter
	@$(PY) -m ruff check --output-format concise .
	@$(PY) -m ruff format --check .

types: $(STAMP)  ## pyright
	@$(PY) -m pyright --pythonpath $(PY)

tests: $(STAMP)  ## pytest alone; a part of it: make tests ARGS="tests/space -k depth"
	@$(PY) -m pytest $(ARGS)

test-slow: $(STAMP)  ## what takes minutes: every experiment at smoke scale
	@$(PY) -m pytest -m slow $(ARGS)

format: $(STAMP)  ## let ruff fix and format the code
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

notebooks: $(STAMP)  ## run all notebooks and keep their outputs
	@$(PY) tools/run_notebooks.py

bench: $(STAMP)  ## run the benchmarks
	@set -e; for file in benchmarks/bench_*.py; do \
		test -f "$$file" || { echo 'There is no benchmarks/bench_*.py'; exit 1; }; \
		echo "$$file"; $(PY) "$$file"; \
	done

torture: $(STAMP)  ## kill searches 120 times, run one of 2,000 trials: nothing may be lost, left behind or grow
	@$(PY) tools/torture.py --kills 80 --worker-kills 40
	@$(PY) tools/soak.py --trials 2000

lock: $(STAMP)  ## renew requirements.lock with the newest versions that pyproject.toml allows
	@$(PY) -m pip install -q --disable-pip-version-check $(UV)
	@$(PY) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
		--upgrade --no-header --no-annotate -q -o $(VENV)/lock.txt
	@cat tools/lock-header.txt $(VENV)/lock.txt >$(LOCK)
	@echo 'Renewed $(LOCK); run make test before it is committed'

clean:  ## remove caches and build outputs; keeps .venv, figures and trial stores
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name $(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name $(VENV) -prune -o -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

clean-all: clean  ## also remove .venv
	@rm -rf $(VENV)
