# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
STORE  ?= store

.PHONY: setup demo test browser check docs bench lint types slow lowest newest clean

setup: $(STAMP)  ## a virtual environment with everything

demo: $(STAMP)  ## run the main study on real images and say where its page is
	$(BIN)/eigencode run studies/demo.toml --store $(STORE) --workers 2

# Python keeps compiled files in these runs, whatever the machine's setting: every process would compile them anew
export PYTHONDONTWRITEBYTECODE :=

test: $(STAMP) browser  ## the fast tests: no network, no accelerator needed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

browser:  ## Chromium and axe-core for the tests of the page, where apt and npm can get them; skipped elsewhere
	@sh tools/browser.sh

slow: $(STAMP) $(VENV)/.docs browser lowest  ## the tests that take minutes, and those with the lowest dependencies
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "slow or hypothesis" --hypothesis-profile=default

lowest newest:  ## a shortened demo and tests with the lowest, or the newest, dependencies that pyproject.toml allows
	$(PYTHON) -m tools.dependencies $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test  ## what continuous integration runs

docs: $(VENV)/.docs  ## the documentation as a site in build/docs; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/docs
	@echo "open build/docs/index.html"

bench: $(STAMP)  ## speed against a straightforward implementation, in the same run; writes published/bench.json
	$(BIN)/python -m benchmarks --out published/bench.json

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $(VENV)/.docs

clean:
	rm -rf $(VENV) build docs/generated store
