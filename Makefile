# The two commands of a newcomer are `make demo` and `make test`; both set up what they need in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PAGES := $(VENV)/.pages

.DEFAULT_GOAL := help
.PHONY: help setup demo test neo4j lint format bench bench-quality bench-speed soak docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(READY) $(PAGES) ## set up .venv from the lock file, and the pages' assets

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ringfence needs Python 3.11 or newer; make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) from requirements.lock"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# GraphiQL's files come from the npm registry; without them everything but that page works, and it says what to do.
$(PAGES): $(READY) api/graphiql_assets.py
	@$(BIN)/python -m api.graphiql_assets && touch $@ || echo "GraphiQL's files could not be fetched: the API works, its query page will say how to get them"

demo: setup ## simulate a market, find its rings, ask the API; ends by itself
	@$(BIN)/ringfence demo

# three at a time on two cores: while one waits for a server that starts or ends, two go on
test: setup ## the tests
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not soak"

neo4j: $(READY) ## start a Neo4j server to try, with its Browser, until Ctrl-C (needs Java 17 and Maven)
	$(BIN)/python -m scripts.neo4j_server start --foreground --browser

soak: setup ## the long tests
	$(BIN)/python -m pytest -q -m soak

lint: $(READY) ## ruff, mypy --strict, import-linter, the lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-quality bench-speed ## tables of detection quality and of speed

bench-quality: setup
	$(BIN)/python -m benchmarks.quality

bench-speed: setup
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.checkout --busy
	$(BIN)/python -m benchmarks.addresses

docs: setup ## write docs/reference anew from the code
	$(BIN)/python -m cli.docs docs/reference

lock: $(READY) ## resolve the dependency ranges anew into requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev --extra bench --upgrade pyproject.toml -o requirements.lock

clean: ## remove what set-up and demo made
	rm -rf $(VENV) .cache .demo .bench .neo4j .mypy_cache .ruff_cache .pytest_cache
