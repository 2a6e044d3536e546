# make install   .venv with the CPU extras, default models pulled and verified
# make demo      the first-run story: ingest the sample documents, ask three questions
# make test      everything that CI runs
# make coverage  the tests once more with their coverage (tracing makes them half as fast)
# make chat      the chat over the sample documents
# make screenshots   pictures of every page, in $(SHOTS)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of torch where the package index offers one; any torch >= 2.6 works.
TORCH ?= torch==2.13.0
COVERAGE_FLOOR ?= 80
SHOTS ?= build/screenshots
HAS_BROWSER := import shutil, sys; sys.exit(not any(map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))))

.PHONY: install demo chat screenshots test lint types unit coverage clean
.DEFAULT_GOAL := install

install: $(VENV)/.models

$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@echo "Installing Surefoot with its CPU extras (llama.cpp is compiled for this CPU: a few minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cpu]"
	@touch $@

$(VENV)/.models: $(VENV)/.installed rag/catalogue.toml
	@$(BIN)/surefoot models pull
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cpu,dev]"
	@$(BIN)/python -c "$(HAS_BROWSER)" || $(BIN)/playwright install chromium || echo "No browser could be installed: the tests of the pages will be skipped."
	@touch $@

demo: install
	@$(BIN)/surefoot demo

chat: install
	@$(BIN)/surefoot chat --kb "$$($(BIN)/surefoot demo --where)"

test: install $(VENV)/.dev lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	@$(BIN)/surefoot models pull qwen2.5-coder-0.5b
	$(BIN)/python -m pytest --durations=15 -ra

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR)

screenshots: $(VENV)/.dev
	@$(BIN)/python tests/ui/screenshots.py $(SHOTS)

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache
