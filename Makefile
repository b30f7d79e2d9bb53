# Every verb of this repository. They need python3 (3.11 or newer, with pip), make and a package registry; the rest is
# fetched into .tools and .venv on first use. `make` alone lists the verbs; ARGS="…" passes options on.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?=
ARGS ?=

UV_VERSION := 0.13.9
UV := .tools/bin/uv
UV_STAMP := .tools/.uv-$(UV_VERSION)
STAMP := .venv/.stamp
BIN := .venv/bin

# Certificates come from the system (company proxies); an interpreter is never downloaded behind the user's back.
export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes: without its bytecode each would compile the product again, for a second.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run chat test bench eval chaos fuzz clients lint lint-style lint-types lint-imports lint-size lint-deps lint-docs lint-api lint-site
.PHONY: format docs site lock clean

# List the verbs with their comments.
help:
	@awk '/^# /{c=substr($$0,3)} /^[a-z-]+:/{split($$1,v,":"); if (c) printf "  make %-13s %s\n", v[1], c} !/^# /{c=""}' Makefile

# Serve the HTTP API and the web page: make run HOST=0.0.0.0 PORT=9000 WORKERS=2.
run: $(STAMP)
	@exec $(BIN)/convo serve --host $(HOST) --port $(PORT) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

# Talk to the model in the terminal, or through a pipe: echo "Hello" | make chat.
chat: $(STAMP)
	@exec $(BIN)/convo chat $(ARGS)

# Run the tests: make test ARGS="-k idempotency -x".
test: $(STAMP)
	@exec $(BIN)/pytest -n 3 --dist loadgroup $(ARGS)

# Run the benchmarks.
bench: $(STAMP)
	@exec $(BIN)/python -m benchmarks $(ARGS)

# Measure the product's judgement, such as its token counts: make eval ARGS="token_counts --data FOLDER".
eval: $(STAMP)
	@exec $(BIN)/python -m evaluation $(ARGS)

# Kill servers and databases under load and audit what is left: make chaos ARGS="--kills 20 --database sqlite".
chaos: $(STAMP)
	@exec $(BIN)/python -m chaos $(ARGS)

# Ask every operation of the HTTP API many things, right and wrong ones: make fuzz ARGS="--examples 200 --seed 7".
fuzz: $(STAMP)
	@exec $(BIN)/python -m tests.contract.fuzz $(ARGS)

# Talk to the OpenAI dialect with LangChain and the OpenAI Agents SDK, whose dependencies clash with ours.
clients: $(STAMP)
	@$(UV) venv --quiet --clear --python $(BIN)/python .tools/clients
	@$(UV) pip install --quiet --python .tools/clients/bin/python -r tests/openai/clients/requirements.txt
	@exec $(BIN)/pytest tests/openai/test_clients.py $(ARGS)

# Check everything a machine can check; make -k lint goes on after the first complaint.
lint: lint-style lint-types lint-imports lint-size lint-deps lint-docs lint-api lint-site

# Check style and formatting.
lint-style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Check types.
lint-types: $(STAMP)
	$(BIN)/mypy

# Check that imports go down only (importlinter.toml).
lint-imports: $(STAMP)
	$(BIN)/lint-imports --config importlinter.toml --no-logo

# Check that files, functions and parameter lists stay small.
lint-size: $(STAMP)
	$(BIN)/python scripts/size_ratchet.py

# Check that every import is a declared dependency and every dependency is used.
lint-deps: $(STAMP)
	$(BIN)/deptry src

# Check that the generated reference pages are fresh.
lint-docs: $(STAMP)
	$(BIN)/python scripts/generate_docs.py --check

# Build the documentation site and check its links, to pages and to headings.
lint-site: $(STAMP)
	$(BIN)/zensical build --strict --clean

# Check the OpenAPI document by the specification, and with Redocly's linter where there is Node.
lint-api: $(STAMP)
	$(BIN)/python scripts/lint_openapi.py

# Repair what ruff can repair, then format.
format: $(STAMP)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# Write the reference pages (CLI, settings, errors, tables, …) again from the code.
docs: $(STAMP)
	$(BIN)/python scripts/generate_docs.py

# Build the documentation site into build/site.
site: $(STAMP)
	$(BIN)/zensical build --clean

# Resolve the dependencies into lock.txt again, free of addresses: make lock ARGS=--upgrade takes the newest.
lock: $(UV_STAMP)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--all-extras --group test --group lint pyproject.toml -o lock.txt $(ARGS)
	@! grep -n '://' lock.txt

# Remove the tools, the environment, caches and builds. Conversations stay.
clean:
	rm -rf .venv .tools .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Prepare the environment, as every other verb does by itself.
setup: $(STAMP)

# Set-up speaks on stderr and reads nothing, so that `make chat` works in a pipe.
$(STAMP): lock.txt pyproject.toml $(UV_STAMP)
	@exec </dev/null >&2; set -e; \
	test -x $(BIN)/python || { \
		echo "setup: creating .venv"; $(UV) venv --quiet --clear --python $(PYTHON) .venv; }; \
	echo "setup: installing the locked packages (a minute on a fresh machine)"; \
	$(UV) pip sync --require-hashes --compile-bytecode lock.txt; \
	$(UV) pip install --quiet --no-deps --editable .; \
	touch $@; echo "setup: done"

# Fetch uv with pip, into this folder only; say it plainly when python or pip will not do.
$(UV_STAMP):
	@exec </dev/null >&2; set -e; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "setup: $(PYTHON) is missing or older than 3.11; name a newer one: make PYTHON=python3.12 …"; exit 1; }; \
	$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
		echo "setup: $(PYTHON) has no pip; install it (python3-pip) or run: $(PYTHON) -m ensurepip --user"; exit 1; }; \
	echo "setup: fetching uv $(UV_VERSION)"; \
	$(PYTHON) -m pip install --quiet --no-warn-script-location --root-user-action=ignore \
		--upgrade --target .tools 'uv==$(UV_VERSION)'; \
	touch $@
