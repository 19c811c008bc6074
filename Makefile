# One command each; `make help` lists them. Everything is installed into .venv, PyAirbyte and what needs it into .venv-demo.

PORT ?= 8080

VENV := .venv
DEMO_VENV := .venv-demo
LOCK_VENV := .venv-lock
QA_VENV := .venv-qa

# Found by running it, because a pyenv shim may be there and fail. Looked for only when an environment has to be made.
CANDIDATES := python3 python3.12 python3.11 python3.10 python3.13 python
find_python = $(shell for candidate in $(CANDIDATES); do \
	"$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, $(1)) <= sys.version_info[:2] <= (3, $(2)))' \
	>/dev/null 2>&1 && { echo "$$candidate"; break; }; done)
PYTHON ?= $(call find_python,10,13)
DEMO_PYTHON ?= $(call find_python,10,12)
QA_PYTHON ?= $(call find_python,11,12)
AZURITE := 3.35.0
PYTHONS ?= python3.10 python3.11 python3.12 python3.13

.PHONY: help demo screenshots sandbox test test-connector test-pyairbyte test-pythons check image-check bench soak format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo             the sandbox's orders into a database, and their print files (Python 3.10 to 3.12)"
	@echo "make demo STORE=s3    the same with the files in a bucket of an S3 server that it starts"
	@echo "make sandbox PORT=N   a fake of the Customer's Canvas API on http://localhost:N (default $(PORT))"
	@echo "make test             all tests"
	@echo "make test-pythons     the unit tests with each supported version of Python that is there"
	@echo "make check            format, lint, types, Dockerfile, metadata, docs, locks, examples, Airbyte's own checks"
	@echo "make bench            speed, memory and scale (some 40 minutes; ONLY=first-sync,no-news or QUICK=1 for less)"
	@echo "make soak             an hour of syncs among failures and kills, held against the shop (MINUTES=10 for less)"
	@echo "make format           format the code and fix what can be fixed"
	@echo "make image-check      build the image without Docker and run its commands (Debian, root)"
	@echo "make screenshots      the README's pictures anew (Chromium)"
	@echo "make lock             poetry.lock anew, and from it requirements.lock, which the image is built from"
	@echo "make clean            remove what these commands installed"

demo: $(DEMO_VENV)/demo.stamp
	$(DEMO_VENV)/bin/python -m demo $(STORE)

screenshots: $(VENV)/test.stamp $(DEMO_VENV)/demo.stamp
	$(VENV)/bin/python -m tools.make_screenshots $(DEMO_VENV)/bin/python

sandbox: $(VENV)/sandbox.stamp
	$(VENV)/bin/python -m sandbox --port $(PORT)

test: test-connector test-pyairbyte

test-connector: $(VENV)/test.stamp $(VENV)/azurite.stamp
	$(VENV)/bin/python -m pytest --numprocesses auto --dist worksteal -m "not pyairbyte" unit_tests integration_tests

test-pyairbyte:
	@if test -x $(DEMO_VENV)/bin/python || test -n "$(DEMO_PYTHON)"; then \
		$(MAKE) --no-print-directory run-pyairbyte; \
	else \
		echo "Skipped: the tests with PyAirbyte need Python 3.10, 3.11 or 3.12; set DEMO_PYTHON=/path/to/python."; \
	fi

.PHONY: run-pyairbyte
run-pyairbyte: $(DEMO_VENV)/test.stamp
	$(DEMO_VENV)/bin/python -m pytest -m pyairbyte \
		$(foreach name,pyairbyte examples serverless,integration_tests/release/test_$(name).py)

test-pythons:
	@for python in $(PYTHONS); do \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || { echo "Skipped: no $$python here."; continue; }; \
		echo "$$python:" && "$$python" -m venv .venv-$$(basename "$$python") && \
		.venv-$$(basename "$$python")/bin/python -m pip install --quiet --editable '.[sandbox,test]' && \
		.venv-$$(basename "$$python")/bin/python -m pytest --numprocesses auto unit_tests || exit 1; \
	done

check: $(VENV)/check.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/hadolint Dockerfile
	$(VENV)/bin/python tools/check_metadata.py
	$(VENV)/bin/python tools/check_examples.py
	@$(MAKE) --no-print-directory check-qa

# Airbyte's checks, where their package supports the Python that is there
.PHONY: check-qa run-qa
check-qa:
	@if test -x $(QA_VENV)/bin/python || test -n "$(QA_PYTHON)"; then \
		$(MAKE) --no-print-directory run-qa; \
	else \
		echo "Skipped: Airbyte's checks need Python 3.11 or 3.12; set QA_PYTHON=/path/to/python."; \
	fi

run-qa: $(QA_VENV)/qa.stamp
	@DO_NOT_TRACK=1 $(QA_VENV)/bin/python -W ignore tools/check_qa.py

image-check: $(VENV)/sandbox.stamp
	$(VENV)/bin/python -m tools.check_image

bench: $(VENV)/sandbox.stamp
	$(VENV)/bin/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

soak: $(VENV)/test.stamp
	$(VENV)/bin/python -m tools.soak --minutes $(or $(MINUTES),60)

format: $(VENV)/check.stamp
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# POETRY_PYPI_MIRROR_URL in the environment: another index to lock from, which the lock does not name
lock: $(LOCK_VENV)/lock.stamp
	$(LOCK_VENV)/bin/poetry lock --no-interaction --regenerate
	$(LOCK_VENV)/bin/poetry export --no-interaction --only main --without-urls --output $(LOCK_VENV)/exported
	$(LOCK_VENV)/bin/python tools/requirements.py < $(LOCK_VENV)/exported > requirements.lock

clean:
	rm -rf $(VENV) $(DEMO_VENV) $(LOCK_VENV) $(QA_VENV) build/bench $(foreach python,$(PYTHONS),.venv-$(notdir $(python))) demo-output

# A stamp is newer than pyproject.toml when what is declared there is installed. The package is compiled as pip compiles
# all others: where Python is told to write no bytecode, each command would do it anew.
$(VENV)/sandbox.stamp: EXTRAS := sandbox
$(VENV)/test.stamp: EXTRAS := sandbox,test
$(VENV)/check.stamp: EXTRAS := sandbox,test,lint

$(VENV)/sandbox.stamp $(VENV)/test.stamp $(VENV)/check.stamp: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@$(VENV)/bin/python -m compileall -q source_customerscanvas
	@touch $@

# Azure's storage for the tests, which leave it out where it is not there
$(VENV)/azurite.stamp: | $(VENV)/bin/python
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(VENV)/azurite azurite@$(AZURITE) && touch $@ || \
		echo "Skipped: Azurite could not be installed."; \
	else \
		echo "Skipped: Azurite needs npm."; \
	fi

$(DEMO_VENV)/demo.stamp: REQUIREMENTS := demo/requirements.txt
$(DEMO_VENV)/test.stamp: REQUIREMENTS := demo/requirements-test.txt

$(DEMO_VENV)/demo.stamp $(DEMO_VENV)/test.stamp: pyproject.toml $(wildcard demo/*.txt) | $(DEMO_VENV)/bin/python
	@echo "Installing PyAirbyte into $(DEMO_VENV): about 1 GB, some minutes."
	$(DEMO_VENV)/bin/python -m pip install --quiet --editable '.[sandbox,demo]' --requirement $(REQUIREMENTS)
	@$(DEMO_VENV)/bin/python -m compileall -q source_customerscanvas
	@touch $@

$(VENV)/bin/python:
	@python='$(PYTHON)'; test -n "$$python" || { \
		echo "This needs Python 3.10 to 3.13 with its venv module; set PYTHON=/path/to/python." >&2; exit 1; }; \
	"$$python" -m venv $(VENV)

$(DEMO_VENV)/bin/python:
	@python='$(DEMO_PYTHON)'; test -n "$$python" || { \
		echo "The demo needs Python 3.10, 3.11 or 3.12, which PyAirbyte supports; set DEMO_PYTHON=/path/to/python." >&2; \
		exit 1; }; \
	"$$python" -m venv $(DEMO_VENV)

$(LOCK_VENV)/lock.stamp: tools/requirements-lock.txt | $(LOCK_VENV)/bin/python
	$(LOCK_VENV)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(QA_VENV)/qa.stamp: tools/requirements-qa.txt | $(QA_VENV)/bin/python
	@echo "Installing Airbyte's checks into $(QA_VENV): about 900 MB, a minute or two."
	$(QA_VENV)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(LOCK_VENV)/bin/python: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(LOCK_VENV)

$(QA_VENV)/bin/python:
	"$(QA_PYTHON)" -m venv $(QA_VENV)
