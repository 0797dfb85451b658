# Each target creates .venv and installs what is missing, once.
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
INSTALLED := $(VENV)/.installed
SCHEMA := experiments/schema.json
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder # two files side by side, in their order: the longest come early

.PHONY: install demo repro test test-all check architecture bench ui
.DELETE_ON_ERROR:

install: $(INSTALLED) $(SCHEMA)

$(INSTALLED): requirements.txt pyproject.toml
	@echo "Installing into $(VENV): several GB, a few minutes, once"
	python3 -m venv $(VENV)
	python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	touch $@

$(SCHEMA): $(INSTALLED) $(shell find pipeline/experiment pipeline/models pipeline/training -name '*.py') # for editors
	python -m pipeline schema > $@

demo: install ## the whole pipeline on the digits that scikit-learn ships: no download, about a minute
	dvc repro explore@digits report@digits
	@echo "Report: reports/digits/index.html"

repro: install ## everything in params.yaml
	dvc repro
	@echo "Report: reports/index.html"

test: install ## the quick suite, two files side by side
	python -m pytest $(BESIDE)

test-all: install ## with the slow ones and those that drive chromium: a lost Ray node, a search killed fifty times
	python -m pytest $(BESIDE) -m "not gpu and not network"

check: install
	ruff check .
	ruff format --check .
	mypy

architecture: install ## docs/architecture.md and its diagram, from the code
	python -m docs.draw_architecture

bench: install ## training speed, cost of a search, workers that one coordinator feeds; half an hour
	python -m benchmarks

ui: install ## MLflow on http://127.0.0.1:5000
	@echo "MLflow: http://127.0.0.1:5000"
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1
