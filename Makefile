# Each target creates .venv and installs what is missing, once.
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
INSTALLED := $(VENV)/.installed
SCHEMAS := experiments/schema.json data/schema.json
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder # two test files at a time, in their order: the longest come early

.PHONY: help install demo repro test test-all check architecture bench ui
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

install: $(INSTALLED) $(SCHEMAS) ## create .venv and install into it: several GB, a few minutes, once

$(INSTALLED): requirements.txt pyproject.toml
	@echo "Installing into $(VENV): several GB, a few minutes, once"
	python3 -m venv $(VENV)
	python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	touch $@

experiments/schema.json: $(INSTALLED) $(shell find pipeline/experiment pipeline/models pipeline/training -name '*.py')
	python -m pipeline schema > $@

data/schema.json: $(INSTALLED) $(shell find pipeline/datasets -name '*.py')
	python -m pipeline schema dataset > $@

demo: install ## run the whole pipeline on the digits in scikit-learn: no download, about two minutes
	dvc repro explore@digits report@digits
	@echo "Report: reports/digits/index.html"

repro: install ## run everything in params.yaml: five data sets, five searches, reports/index.html
	dvc repro
	@echo "Report: reports/index.html"

test: install ## run the quick tests, offline, about four minutes
	python -m pytest $(PARALLEL)

test-all: install ## run the slow tests too: a lost Ray node, a search killed fifty times, pages in chromium
	python -m pytest $(PARALLEL) -m "not gpu and not network"

check: install ## run ruff, mypy and the word check
	ruff check .
	ruff format --check .
	mypy
	python tests/language.py

architecture: install ## redraw docs/architecture.md and its diagram from the code
	python -m docs.draw_architecture

bench: install ## measure training speed, memory, and the cost of a search: half an hour
	python -m benchmarks

ui: install ## show the runs in MLflow and print the addresses that open on them
	python -m pipeline ui
