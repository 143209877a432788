# The commands of a checkout. `make` lists them.

PYTHON      ?= python3
ENVIRONMENT := .venv
BIN         := $(ENVIRONMENT)/bin
DEMO        := results/demo
SEEDS       ?= 5
SAMPLES     ?= 24
CELLS       ?= 3000 10000 30000
REGISTRY    ?= scsiameseclu
VERSION     := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' bin/scsiameseclu/_version.py)
export PYTHON

.PHONY: help setup demo benchmark benchmark-network benchmark-published benchmark-markers benchmark-batch benchmark-steps benchmark-batches test test-fast docs lint format lock images clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

setup: ## the Python environment that the venv profile runs in
	@containers/install $(ENVIRONMENT) core scsiameseclu report

demo: setup ## run the pipeline on the bundled data and print where the report is
	@./nextflow run . -profile test,venv --outdir $(DEMO) -work-dir $(DEMO)/work $(if $(wildcard $(DEMO)/work),-resume)
	@echo "Open it:  $(CURDIR)/$(DEMO)/multiqc/multiqc_report.html"

benchmark: setup ## every labelled data set of DATA=folder by every method, SEEDS=5 (BENCHMARK_OPTIONS=--ablate: without each part); writes docs/benchmarks.md
	@test -n "$(DATA)" || { echo "Say where the labelled data sets are: make benchmark DATA=folder" >&2; exit 2; }
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark --data "$(DATA)" --seeds $(SEEDS) --output docs/benchmarks $(BENCHMARK_OPTIONS)

benchmark-network: setup ## what the network is for: calibration, cells held out, embedding, on DATA=folder; writes its part of docs/benchmarks.md
	@test -n "$(DATA)" || { echo "Say where the labelled data sets are: make benchmark-network DATA=folder" >&2; exit 2; }
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.network --data "$(DATA)" --output docs/benchmarks $(BENCHMARK_OPTIONS)

benchmark-published: setup ## time scSiameseClu on DATA=labelled.h5ad beside the published code, PUBLISHED=checkout NAME=data-set-there; writes its part of docs/benchmarks.md
	@test -n "$(DATA)" && test -n "$(PUBLISHED)" && test -n "$(NAME)" || { echo "Say where the published code is, the data set's name there, and its file: make benchmark-published PUBLISHED=folder NAME=name DATA=file.h5ad" >&2; exit 2; }
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.published --code "$(PUBLISHED)" --name "$(NAME)" --data "$(DATA)" --output docs/benchmarks

benchmark-markers: setup ## time the marker test on DATA=labelled.h5ad beside Seurat's and scanpy's; writes its part of docs/benchmarks.md
	@test -n "$(DATA)" || { echo "Say what the labelled data set is: make benchmark-markers DATA=file.h5ad" >&2; exit 2; }
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.markers --data "$(DATA)" --output docs/benchmarks

benchmark-batch: setup ## time SAMPLES=24 copies of the bundled samples on two cores; writes its part of docs/benchmarks.md
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.batch --samples $(SAMPLES) --output docs/benchmarks $(BENCHMARK_OPTIONS)

benchmark-steps: setup ## time and memory of every step on simulated groups of CELLS="3000 10000 30000", beside scanpy; writes its part of docs/benchmarks.md
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.steps --cells $(CELLS) --output docs/benchmarks $(BENCHMARK_OPTIONS)

benchmark-batches: setup ## clusters with and without batch correction on DATA=folder, real batches and controls; writes its part of docs/benchmarks.md
	@test -n "$(DATA)" || { echo "Say where the labelled data sets are: make benchmark-batches DATA=folder" >&2; exit 2; }
	PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark.batch_correction --data "$(DATA)" --output docs/benchmarks $(BENCHMARK_OPTIONS)

test: ## set up what is missing and run all tests
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --no-loadscope-reorder --durations=15

test-fast: ## the quick tests, without Nextflow: for every edit
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m "not pipeline and not slow" --durations=15

docs: ## build the documentation as a site in site/, with warnings as errors
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: ## style, types, workflow files and parameter schema
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/ruff check bin tests
	$(BIN)/ruff format --check bin tests
	$(BIN)/mypy bin/scsiameseclu
	@# Nextflow's linter does not know the variables that closures of directives see, of which these two files are made.
	./nextflow lint -exclude .git,work,results,.venv,.launcher,conf/modules.config,conf/base.config .
	$(BIN)/python -m pytest -q tests/pipeline/test_schema.py -m "not pipeline"

format: ## put the Python code into the house style
	$(BIN)/ruff format bin tests
	$(BIN)/ruff check --fix bin tests

lock: ## compile containers/*/requirements.in to hashed locks
	PATH="$(CURDIR)/$(BIN):$$PATH" containers/lock

images: ## build the container images
	for family in core scsiameseclu report; do \
	  docker build $(DOCKER_BUILD_OPTIONS) --build-arg FAMILY=$$family --build-arg VERSION=$(VERSION) -t $(REGISTRY)/$$family:$(VERSION) containers || exit 1; \
	done

clean: ## remove what runs leave behind in this folder (not .venv)
	rm -rf work results .nextflow .nextflow.log*
