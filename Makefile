# One command each; `make help` lists them. Needs Python 3.11 or newer with venv, and nothing else installed.

PYTHON ?= python3
ARGS ?=
SPREAD ?= -n auto --maxprocesses 4 --dist worksteal
BENCH ?= $(patsubst tests/benchmarks/bench_%.py,%,$(wildcard tests/benchmarks/bench_*.py))

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
EXTRAS := docs notebooks tensorboard mlflow onnx qonnx openvino peers report browser
READY_EXTRAS := $(VENV)/.installed-extras
# What holds oneDNN, PyTorch and Numba to less than this processor has, set by set (commas join what goes together);
# the last hides Numba, and with it the tests of its loops are left out.
HELD := ONEDNN_MAX_CPU_ISA=SSE41 ONEDNN_MAX_CPU_ISA=AVX2 ONEDNN_MAX_CPU_ISA=DEFAULT ATEN_CPU_CAPABILITY=default \
  NUMBA_CPU_NAME=generic ONEDNN_MAX_CPU_ISA=AVX2,ATEN_CPU_CAPABILITY=avx2,NUMBA_CPU_NAME=haswell \
  PYTHONPATH=tests/without_numba
PORTABLE := tests/nn tests/test_decode.py tests/test_conformance.py tests/experiment/test_session_real.py
# Kept, whatever the shell says: without it each of the many interpreters that tests start compiles the sources anew.
BYTECODE := PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.PHONY: help evolve test test-slow test-extras test-portable check docs notebooks published bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

evolve: $(READY)  ## run a search, the default one or as ARGS says: make evolve ARGS="--generations 20 --seed 3"
	@$(BIN)/evobnn evolve $(ARGS)

test: $(READY)  ## run the tests that take seconds, a core each; ARGS goes to pytest, SPREAD= is for one process
	@$(BYTECODE) $(BIN)/python -m pytest -m "not slow and not extras" $(SPREAD) $(ARGS)

test-slow: $(READY)  ## run the tests that take minutes; ARGS goes to pytest
	@$(BYTECODE) $(BIN)/python -m pytest -m "slow and not extras" $(ARGS)

test-extras: $(READY_EXTRAS)  ## install the extras, run the tests that need them and name each; ARGS goes to pytest
	@echo "With the extras: $(EXTRAS)"
	@$(BYTECODE) $(BIN)/python -m pytest -m extras -v $(ARGS)

test-portable: $(READY)  ## run the tests of networks and a search as other processors would, and without Numba
	@for held in $(HELD); do \
	  echo; echo "With $$held"; \
	  env $$(echo $$held | tr , ' ') $(BYTECODE) $(BIN)/python -m pytest -m "not slow and not extras" \
	    $(SPREAD) $(PORTABLE) $(ARGS) || failed="$$failed $$held"; \
	done; if [ -n "$$failed" ]; then echo "Failed with:$$failed"; exit 1; fi

check: $(READY)  ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

docs: $(READY_EXTRAS)  ## build the site into docs/_build; a warning is an error
	@$(BIN)/python -m sphinx -b html -c docs -W --keep-going -n -q . docs/_build
	@echo "docs/_build/index.html"

notebooks: $(READY_EXTRAS)  ## execute the notebooks again, in place
	@$(BIN)/jupyter-execute --inplace notebooks/*.ipynb

published: $(READY)  ## write populations/published/ anew, from the constants of the spaces
	@$(BIN)/python -m evobnn.spaces.published

bench: $(READY)  ## run the benchmarks, or one: make bench BENCH=training ARGS="--only digits"
	@for name in $(BENCH); do \
	  echo "bench_$$name.py"; $(BIN)/python "tests/benchmarks/bench_$$name.py" $(ARGS) || exit 1; echo; done

clean:  ## remove caches and build leftovers; .venv and populations/ stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov build dist docs/_build
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# The stamp is written last: an interrupted installation is taken up again by the next call, a finished one is not.
$(READY): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "Expected Python 3.11 or newer as '$(PYTHON)', got none. Install it or name it: make PYTHON=python3.12 ..."; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Expected Python 3.11 or newer, got $$("$(PYTHON)" --version). Name a newer one: make PYTHON=python3.12 ..."; exit 2; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Expected Python with venv, got one without. On Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@echo "Installing the tested set into $(VENV) (once; some minutes) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

empty :=
comma := ,
$(READY_EXTRAS): $(READY)
	@echo "Installing the extras into $(VENV) (once): $(EXTRAS) ..."
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt \
	  -e ".[dev,$(subst $(empty) $(empty),$(comma),$(EXTRAS))]"
	@touch $@
