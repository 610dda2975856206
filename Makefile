# Two commands do all: `make demo` and `make test`. Everything heavy is kept in the cache folder.
SHELL := /bin/bash
.DELETE_ON_ERROR:

export CATALYX_DR_CACHE ?= $(HOME)/.cache/catalyx-dr
export PYTHONPATH := $(CURDIR)
# Started often, compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check unit cluster-test goldens schema locks up down env bench clean

demo: ## Set all up, then protect, damage and recover a validator
	@set -o pipefail; python=$$(dev/python_environment.sh) && exec "$$python" -m dev.demo

test: check ## Set all up and pass every test
	@python=$$(dev/python_environment.sh) && exec "$$python" -m pytest

check: ## Format, lint, types, import contracts, dead code
	@python=$$(dev/python_environment.sh) && exec "$$python" -m dev.checks

unit: ## Only the tests that need no cluster
	@python=$$(dev/python_environment.sh) && exec "$$python" -m pytest -m "not cluster"

up: ## Start the local platform and leave it running
	@python=$$(dev/python_environment.sh) && "$$python" -m dev.cluster up && exec "$$python" -m dev.platform up

down: ## End everything that up, demo or test started
	@python=$$(dev/python_environment.sh) && exec "$$python" -m dev.cluster down

env: ## For a shell beside a platform that is up: eval "$$(make -s env)"
	@python=$$(dev/python_environment.sh) && exec "$$python" -m dev.local_stack

goldens: ## Rewrite the golden renderings of the stacks
	@python=$$(dev/python_environment.sh) && exec "$$python" -m pytest tests/goldens --snapshot-update

schema: ## Rewrite stacks/schema.json and docs/policy.md from the code
	@python=$$(dev/python_environment.sh) && exec "$$python" -m dev.generated_files

bench: ## Measure against peers; rows in bench/out
	@python=$$(dev/python_environment.sh) && exec "$$python" -m bench

locks: ## Resolve the lock files again
	@dev/python_environment.sh --lock
