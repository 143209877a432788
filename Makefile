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
BENCHMARK   := PYTHONPATH=bin $(BIN)/python -m scsiameseclu.benchmark
OUTPUT      := --output docs/benchmarks
NEEDS_DATA   = test -n "$(DATA)" || { \
  echo "Say where the labelled data sets are: make $@ DATA=folder" >&2; exit 2; }
export PYTHON

.PHONY: help setup demo test test-fast docs lint format lock images clean \
  benchmark benchmark-network benchmark-published benchmark-authors benchmark-markers \
  benchmark-batch benchmark-steps benchmark-batches benchmark-batch-time

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | \
	  column -t -s '|'

setup: ## create the Python environment of the profile venv
	@containers/install $(ENVIRONMENT) core scsiameseclu report

demo: setup ## run the pipeline on the bundled data and print the path of the report
	@./nextflow run . -profile test,venv --outdir $(DEMO) -work-dir $(DEMO)/work \
	  $(if $(wildcard $(DEMO)/work),-resume)
	@echo "Open it:  $(CURDIR)/$(DEMO)/multiqc/multiqc_report.html"

benchmark: setup ## all methods on all labelled data sets of DATA=folder, SEEDS=5
	@$(NEEDS_DATA)
	$(BENCHMARK) --data "$(DATA)" --seeds $(SEEDS) $(OUTPUT) $(BENCHMARK_OPTIONS)

benchmark-network: setup ## the value of the network, DATA=folder
	@$(NEEDS_DATA)
	$(BENCHMARK).network --data "$(DATA)" $(OUTPUT) $(BENCHMARK_OPTIONS)

benchmark-published: setup ## compare the time with the published code, PUBLISHED=checkout, NAME=data-set, DATA=file
	@test -n "$(DATA)" && test -n "$(PUBLISHED)" && test -n "$(NAME)" || { \
	  echo "Say where the published code is, the data set's name there, and its file:" \
	    "make $@ PUBLISHED=folder NAME=name DATA=file.h5ad" >&2; exit 2; }
	$(BENCHMARK).published --code "$(PUBLISHED)" --name "$(NAME)" --data "$(DATA)" $(OUTPUT)

benchmark-authors: setup ## compare a baseline with its authors' code, METHOD=name, CODE=checkout, DATA=folder
	@$(NEEDS_DATA)
	@test -n "$(METHOD)" && test -n "$(CODE)" || { \
	  echo "Say which baseline, and where its authors' code is:" \
	    "make $@ METHOD=name CODE=folder DATA=folder" >&2; exit 2; }
	$(BENCHMARK).authors --method $(METHOD) --code "$(CODE)" --data "$(DATA)" $(OUTPUT) \
	  $(BENCHMARK_OPTIONS)

benchmark-markers: setup ## compare the marker test with Seurat's and scanpy's, DATA=file
	@test -n "$(DATA)" || { \
	  echo "Say what the labelled data set is: make $@ DATA=file.h5ad" >&2; exit 2; }
	$(BENCHMARK).markers --data "$(DATA)" $(OUTPUT)

benchmark-batch: setup ## time SAMPLES=24 copies of the bundled samples on two cores
	$(BENCHMARK).batch --samples $(SAMPLES) $(OUTPUT) $(BENCHMARK_OPTIONS)

benchmark-steps: setup ## time and memory of every step, CELLS="3000 10000 30000"
	$(BENCHMARK).steps --cells $(CELLS) $(OUTPUT) $(BENCHMARK_OPTIONS)

benchmark-batches: setup ## results with and without batch correction, DATA=folder
	@$(NEEDS_DATA)
	$(BENCHMARK).batch_correction --data "$(DATA)" $(OUTPUT) $(BENCHMARK_OPTIONS)

benchmark-batch-time: setup ## time of batch correction, 20,000 simulated cells
	$(BENCHMARK).batch_time $(OUTPUT) $(BENCHMARK_OPTIONS)

test: ## set up what is missing and run all tests
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --no-loadscope-reorder --durations=15

test-fast: ## run the quick tests, without Nextflow, after every edit
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m "not pipeline and not slow" --durations=15

docs: ## build the documentation as a site in site/; warnings are errors
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: ## check style, types, workflow files and parameter schema
	@containers/install $(ENVIRONMENT) core scsiameseclu report development
	$(BIN)/ruff check bin tests
	$(BIN)/ruff format --check bin tests
	$(BIN)/mypy bin/scsiameseclu
	@# Nextflow's linter does not know the variables that closures of directives see, of which
	@# these two files are made.
	./nextflow lint -exclude .git,work,results,.venv,.launcher,conf/modules.config,conf/base.config .
	$(BIN)/python -m pytest -q tests/pipeline/test_schema.py -m "not pipeline"

format: ## format the Python code
	$(BIN)/ruff format bin tests
	$(BIN)/ruff check --fix bin tests

lock: ## compile containers/*/requirements.in to hashed locks
	PATH="$(CURDIR)/$(BIN):$$PATH" containers/lock

images: ## build the container images
	for family in core scsiameseclu report; do \
	  docker build $(DOCKER_BUILD_OPTIONS) --build-arg FAMILY=$$family \
	    --build-arg VERSION=$(VERSION) -t $(REGISTRY)/$$family:$(VERSION) containers || exit 1; \
	done

clean: ## remove files of runs in this folder (not .venv)
	rm -rf work results .nextflow .nextflow.log*
