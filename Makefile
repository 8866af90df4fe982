# Everything goes through .venv, made from requirements.lock; a change of the lock makes it again.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster
export DAGSTER_DISABLE_TELEMETRY := 1
export OMP_WAIT_POLICY := passive

.PHONY: help install demo dev check test test-all bench lock clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## Make .venv from requirements.lock

$(VENV)/installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@echo "Installing the locked requirements into $(VENV). The first time takes some minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install ## Six months of real New York flights become a champion, through Dagster
	$(BIN)/ml-platform demo --through 2013-06

# The reports are on the port after that of the UI. The default of ML_PLATFORM_REPORTS_URL, to which links lead, is so.
PORT ?= 3000
REPORTS_PORT = $(shell expr $(PORT) + 1)
ifneq ($(PORT),3000)
dev: export ML_PLATFORM_REPORTS_URL := http://127.0.0.1:$(REPORTS_PORT)
endif
define PORTS_ARE_FREE
import socket, sys
for port in map(int, sys.argv[1:]):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(('127.0.0.1', port))
        except OSError as error:
            sys.exit(f'Port {port} cannot be used: {error.strerror}. make dev PORT=4000 takes 4000 and 4001.')
endef
dev: export PORTS_ARE_FREE := $(PORTS_ARE_FREE)
dev: install ## The Dagster UI on 127.0.0.1:3000, and the reports that its links lead to on 127.0.0.1:3001; PORT=4000 moves both
	mkdir -p $(DAGSTER_HOME)
	@# Both in the background: a shell that waits for a command in the foreground acts on no signal until that ends.
	@# A shell has what it starts there ignore SIGINT, and Dagster then ignores SIGTERM, too: SIG_DFL undoes that.
	@$(BIN)/python -c "$$PORTS_ARE_FREE" $(PORT) $(REPORTS_PORT)
	@$(BIN)/ml-platform reports & reports=$$!; \
	$(BIN)/python -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); \
	  os.execv(sys.argv[1], sys.argv[1:])' $(BIN)/dagster dev --host 127.0.0.1 --port $(PORT) & dagster=$$!; \
	trap 'kill $$reports 2>/dev/null; wait' EXIT; trap 'exit 130' INT; trap 'kill $$dagster; exit 143' TERM; \
	wait $$dagster

check: install ## Lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The suite starts hundreds of processes. With this variable set, each would compile the whole package again.
test test-all: export PYTHONDONTWRITEBYTECODE :=

# A commit waits for the disk, 4 ms and more at each fsync, and not for memory. Where it has 4 GB of room, the tests'
# folders are there: until the run ends, and where a test failed, until the next one.
MEMORY := /dev/shm/ml_platform-tests-$(shell id -u)-$(shell echo '$(CURDIR)' | cksum | cut -d ' ' -f 1)
FOLDERS = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "--basetemp=$(MEMORY)"}')
# Files in order of name: the few long ones come early, and neither process waits for the other at the end.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(FOLDERS)

test: install ## The suite
	$(PYTEST) -m "not slow"
	rm -rf $(MEMORY)

test-all: install ## The suite and the slow tests; these want the servers of PostgreSQL and Redis installed
	$(PYTEST) --hypothesis-profile=thorough -m "slow or not slow"
	rm -rf $(MEMORY)

bench: install ## The measurements of bench/README.md
	$(BIN)/python -m bench.imports
	$(BIN)/python -m bench.windows
	$(BIN)/python -m bench.drift
	$(BIN)/python -m bench.ingestion
	$(BIN)/python -m bench.platform_tax
	$(BIN)/python -m bench.ticks
	$(BIN)/python -m bench.event_log
	$(BIN)/python -m bench.pandas_import

lock: ## Resolve requirements.lock again
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile requirements.in --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean: ## Remove everything that make made, but not the lake
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
