# Needs make and Python 3.11 or newer. Everything goes into .venv, from locks with hashes; each target does its own set-up.

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3.15 python3
LOCK := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header

# Most tests wait rather than compute; those of a file share their servers (PARALLEL= for one after the other).
PARALLEL := --numprocesses=9 --dist=loadfile --no-loadscope-reorder

# What needs no sandbox, no second process of Latchkey and no browser; searches through hundreds of lives take too long.
UNIT := domain services policy handlers store slack/messages slack/payloads slack/views slack/test_views.py
UNIT := $(addprefix tests/,$(UNIT)) --deselect=tests/store/test_embedded.py --deselect=tests/store/test_replicas.py --deselect=tests/store/test_cluster.py -m 'not search'

# What the bot sent to the sandbox's Slack during the tests.
OUTGOING := $(CURDIR)/build/outgoing
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1 # or pyright asks for its newest version at every run

.NOTPARALLEL: # slack-types reads what test wrote
.DEFAULT_GOAL := help
.PHONY: help sandbox test test-unit test-pythons check lint types imports slack-types format lock clean test-seeds chaos mutants pictures

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

sandbox: $(VENV)/.sandbox-ready ## the whole product on this machine: bot, a Slack, a Confluent Cloud (ARGS="--help")
	@$(BIN)/python -m sandbox $(ARGS)

test: $(VENV)/.dev-ready ## the tests (ARGS="-k create"); those in a browser are skipped where there is no Chromium
	@rm -rf $(OUTGOING)
	@SANDBOX_OUTGOING=$(OUTGOING) $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-unit: $(VENV)/.dev-ready ## in a minute and one process: rules, services, messages, store; no sandbox, no browser
	@$(BIN)/python -m pytest $(UNIT) $(ARGS)

test-pythons: $(VENV)/.dev-ready ## test-unit on newer Pythons found here, once with the least versions that pyproject.toml allows
	@$(BIN)/python tools/pythons.py $(UNIT) $(ARGS)

test-seeds: $(VENV)/.dev-ready ## the stories over many seeds of an unkind Slack (ARGS="--seeds 20")
	@$(BIN)/python tools/seeds.py $(PARALLEL) $(ARGS)

chaos: $(VENV)/.dev-ready ## people at work while bots, Redis, Slack and Confluent fail (ARGS="--minutes 5 --seed 7")
	@$(BIN)/python -m chaos $(ARGS)

pictures: $(VENV)/.dev-ready ## of every surface in every state, into build/pictures (ARGS="keys --only 900.dark", ARGS=--readme)
	@nice $(BIN)/python -m tools.pictures $(ARGS)

mutants: $(VENV)/.dev-ready ## break the product on purpose and see whether tests notice (ARGS="--files GLOB --n 50 --seed 7")
	@$(BIN)/python tools/mutants.py $(ARGS)

check: lint types imports test slack-types ## all that CI asks for

lint: $(VENV)/.dev-ready ## ruff, and the format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(VENV)/.dev-ready ## mypy and pyright
	@$(BIN)/pyright & pyright=$$!; $(BIN)/mypy; mypy=$$?; wait $$pyright && exit $$mypy

imports: $(VENV)/.dev-ready ## who may import whom
	@$(BIN)/lint-imports

slack-types: $(VENV)/.dev-ready ## whether Slack's own types take what the last `make test` sent
	@$(BIN)/python tools/slack_types.py $(OUTGOING)

format: $(VENV)/.dev-ready ## put the code in order
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: $(VENV)/.dev-ready ## write the locks anew, keeping versions (ARGS="--upgrade" to move them)
	$(BIN)/$(LOCK) --group build --extra sandbox --output-file requirements.lock $(ARGS)
	$(BIN)/$(LOCK) --group build --all-extras --constraints requirements.lock --output-file requirements-dev.lock $(ARGS)
	$(BIN)/$(LOCK) --constraints requirements.lock --output-file requirements-run.lock $(ARGS)
	$(BIN)/$(LOCK) --extra sandbox --extra test --resolution lowest-direct --output-file requirements-lowest.lock $(ARGS)

clean: ## delete what the tools left behind (not .venv, not latchkey-data)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find bot handlers sandbox tests tools benchmarks chaos -name __pycache__ -prune -exec rm -rf {} +

# pip appears only once a venv is whole, so a half-made one is made again.
$(BIN)/pip:
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  "$$python" -m venv --clear $(VENV) && exit 0; \
	  echo "make: $$python cannot make a virtual environment (on Debian: apt-get install python3-venv)" >&2; exit 1; \
	done; \
	echo "make: Latchkey needs Python 3.11 or newer; none found among: $(or $(PYTHON),$(PYTHONS)) (or say make PYTHON=...)" >&2; exit 1

define install
@echo "Installing $(1) into $(VENV)"
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(1)
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
@touch $@
endef

$(VENV)/.sandbox-ready: requirements.lock pyproject.toml | $(BIN)/pip
	$(call install,requirements.lock)

$(VENV)/.dev-ready: requirements-dev.lock pyproject.toml | $(BIN)/pip
	$(call install,requirements-dev.lock)
