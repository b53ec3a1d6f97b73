# make repro: environment, real reviews, trained and registered model, reports.   make test: everything is tested.

PYTHON ?= python3
PORT ?= 5000
VENV := .venv
# Stages run as `python -m stages.<name>`; this makes `python` the environment's own.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export GX_ANALYTICS_ENABLED := false
# Libraries are compiled when first imported, not all when installed, which takes a minute; so their bytecode must be kept.
export PYTHONDONTWRITEBYTECODE :=

READY := $(VENV)/.ready

.PHONY: help setup repro summary sweep ui test lint check fix lock docs clean

help: ## show these words
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "starsight needs Python 3.11 or newer; use make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

repro: setup ## run the pipeline: what has changed runs, the rest is kept
	dvc repro
	@starsight summary

summary: setup ## show the last run's metrics and where to look next
	@starsight summary

sweep: setup ## run several models and compare them; MODELS="minilm mpnet", SET="finetune.epochs=1"
	@starsight sweep $(MODELS) $(addprefix --set ,$(SET))

ui: setup ## open the MLflow UI on 127.0.0.1; PORT=5000
	@starsight ui --port $(PORT)

test: setup ## every test but the slow ones; no network beyond the package index
	python -m pytest -n auto --dist loadfile

lint: setup ## format, lint, types, generated pages
	ruff format --check
	ruff check
	mypy
	starsight docs --check

check: lint ## the same and the fast tests: what a commit must pass
	python -m pytest -n auto --dist loadfile -m "not pipeline and not slow and not gpu"

fix: setup ## format, and mend what the linter can
	ruff format
	ruff check --fix

lock: setup ## resolve pyproject.toml into requirements.lock anew
	pip-compile --quiet --extra dev --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-emit-options --no-header --output-file requirements.lock pyproject.toml
	sed -i -E 's/^(torch==[0-9.]+)\+.*/\1/' requirements.lock

docs: setup ## write the generated parts of the README, and docs/settings.md
	starsight docs

clean: ## remove the environment and the scratch folder; data, models and runs stay
	rm -rf $(VENV) scratch
