# Two commands do everything: `make demo` shows the main job, `make test` proves it.
# Both set up what they need first; a second set-up does nothing and says nothing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The variable doubles the cost of every import of every process that we start.
unexport PYTHONDONTWRITEBYTECODE
# Another project's active environment must not receive our packages.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

PYTHON ?= $(firstword $(shell command -v python3.11 python3 2>/dev/null))
VENV := .venv
BIN := $(VENV)/bin
UV := env VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
PHASE := .ci/phase
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test check bench lint types contracts servers quick unit cluster e2e test-frameworks image containers generate lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.synced: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"mlgitops needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; run: make setup PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(PHASE) "packages of requirements.lock" $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@$(UV) pip install --quiet --no-deps --editable .
	@touch $@

setup: $(VENV)/.synced ## Make .venv and find or build the control plane
	@$(BIN)/python -m mlgitops.local.binaries

demo: setup ## The main job from a training script to a rollback, on a local cluster
	@$(BIN)/mlgitops demo $(ARGS)

test: setup ## All that CI runs: check, then every test
	@$(MAKE) --no-print-directory lint types contracts
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory cluster
	@$(MAKE) --no-print-directory e2e

check: setup lint types contracts quick ## The developer's loop, under a minute

lint:
	@$(PHASE) "ruff check" $(BIN)/ruff check --quiet .
	@$(PHASE) "ruff format" $(BIN)/ruff format --quiet --check .

types:
	@$(PHASE) "mypy strict" $(BIN)/mypy --no-error-summary

contracts:
	@$(PHASE) "import contracts" $(BIN)/lint-imports --no-logo

servers: # What tests talk to beside the control plane: built once, kept in the cache.
	@PYTHONPATH=tests $(BIN)/python -m servers.s3

quick:
	@$(PHASE) "tests: unit, property, the quick ones" $(PYTEST) tests/unit tests/property -q -n 2 -m "not slow" $(ARGS)

unit: setup servers ## Unit and property tests, those that start servers too
	@$(PHASE) "tests: unit, property" $(PYTEST) tests/unit tests/property -q -n 2 $(ARGS)

cluster: setup servers ## Tests against the real API server
	@$(PHASE) "tests: cluster" $(PYTEST) tests/cluster -q -n 2 --dist loadfile $(ARGS)

e2e: setup servers ## Tests of the whole loop
	@$(PHASE) "tests: end to end" $(PYTEST) tests/e2e -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-frameworks: $(VENV)/.synced ## Tests with heavy frameworks, in environments of their own (gigabytes, once)
	@for lock in tests/frameworks/*.lock; do \
		name=$$(basename $$lock .lock); python=$$($(BIN)/python tools/isolated.py $$lock); \
		KERAS_BACKEND=jax PYTHONPATH=$(CURDIR)/src $(PHASE) "tests: $$name" \
			$$python -m pytest tests/frameworks/test_$${name}*.py -q --confcutdir=tests/frameworks -p no:cacheprovider $(ARGS); \
	done

containers: setup ## Tests on a real kubelet and containerd (Linux, root; installs Debian packages that are missing)
	@test "$$(id -u)" = 0 || { echo "make containers needs root: it runs containerd and a kubelet"; exit 2; }
	@for program in containerd runc buildah debootstrap ip gcc; do command -v $$program > /dev/null || missing=1; done; \
		test -z "$${missing:-}" || { apt-get update --quiet=2 && apt-get install --yes --quiet=2 containerd runc \
		containernetworking-plugins buildah debootstrap iproute2 gcc libc6-dev; }
	@PYTHONPATH=tests $(PHASE) "kubelet and images" $(BIN)/python -m containers.images
	@MLGITOPS_CONTAINER_RING=1 $(PHASE) "tests: containers" unshare --net -- sh -c \
		'ip link set lo up && exec $(PYTEST) tests/containers -q $(ARGS)'

bench: setup ## Measure: make bench NAME=tracking
	@$(BIN)/python bench/run $(or $(NAME),tracking) $(ARGS)

generate: $(VENV)/.synced ## Write docs/reference/ and schemas/ from crds/ and the command line
	@$(BIN)/python tools/reference.py
	@$(BIN)/python tools/schemas.py

lock: $(VENV)/.synced ## Renew requirements.lock after a change of pyproject.toml
	@$(UV) pip compile pyproject.toml --quiet --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header -o requirements.lock

clean: ## Remove the environment (caches and clusters stay)
	rm -rf $(VENV)
