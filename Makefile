# Everything a developer or CI does, from an empty clone on. `make` alone lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Both cores here, more where there are more; each worker is a process.
JOBS ?= auto
PYTEST := $(BIN)/python -m pytest
# Tests start the command hundreds of times: compiled modules are kept, whatever the machine's environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help venv lock demo check quick full faults servers bench clean format \
        check-format check-lint check-types check-imports check-tests check-migrations check-translations check-docs \
        docs translations wheel

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv with the locked packages (a second run does nothing)

$(STAMP): requirements/dev.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh "$(PYTHON)" $(VENV) requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock: $(STAMP) ## renew requirements/*.txt from pyproject.toml
	@tools/lock.sh $(BIN)/uv

demo: $(STAMP) ## run the sample company and its mail
	$(BIN)/crmservice demo

check: check-format check-lint check-types check-imports check-docs check-translations check-migrations check-tests ## all that must hold before a change is merged

check-format: $(STAMP)
	$(BIN)/ruff format --check

check-lint: $(STAMP)
	$(BIN)/ruff check

check-types: $(STAMP)
	$(BIN)/mypy

check-imports: $(STAMP)
	$(BIN)/lint-imports --no-cache

check-tests: $(STAMP)
	@tools/servers.sh || true
	@rm -f .coverage .coverage.*
	$(PYTEST) -n $(JOBS) -m "not slow" --cov --cov-report=
	$(BIN)/coverage json --quiet -o build/coverage.json
	$(BIN)/python tools/coverage_floor.py build/coverage.json

check-migrations: $(STAMP)
	$(BIN)/python tools/manage.py makemigrations --check --dry-run

check-translations: $(STAMP)
	$(BIN)/python tools/translations.py --check

check-docs: $(STAMP)
	$(BIN)/python tools/rules_doc.py --check
	$(BIN)/python tools/commands_doc.py --check

quick: $(STAMP) ## lint, types and the tests that need no server, in about a minute
	$(BIN)/ruff check
	$(BIN)/mypy
	$(PYTEST) -n $(JOBS) -q -m "not server and not slow"

full: check wheel ## check, the long runs (marker slow), and the built wheel in an empty environment
	$(PYTEST) -m slow

faults: $(STAMP) ## every fault of docs/reliability.md in full numbers (root; about an hour on two cores)
	@tools/servers.sh || true
	$(PYTEST) -n $(JOBS) tests/faults

servers: ## install the servers that the tests speak to (Debian, as root)
	@tools/servers.sh

wheel: $(STAMP) ## build the wheel and try it in an empty environment (build/wheel-venv)
	@tools/try_wheel.sh "$(PYTHON)" $(BIN)/python

bench: $(STAMP) ## measure against the floor (BENCH='startup --mails 1000' for a part; see benchmarks/)
	$(BIN)/python benchmarks/compare.py --crmservice $(BIN)/crmservice $(BENCH)

format: $(STAMP) ## format the code and mend what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(STAMP) ## write the generated pages (docs/rules.md)
	$(BIN)/python tools/rules_doc.py
	$(BIN)/python tools/commands_doc.py

translations: $(STAMP) ## bring the catalogues up to date with the code and compile them
	$(BIN)/python tools/translations.py

clean: ## remove what was built, the environment included
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
