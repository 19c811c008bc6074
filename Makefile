# One command each; `make help` lists them. Everything is installed into .venv, and for the demo into .venv-demo.

PORT ?= 8080

VENV := .venv
DEMO_VENV := .venv-demo

# Found by running it, because a pyenv shim may be there and fail. Looked for only when an environment has to be made.
CANDIDATES := python3 python3.12 python3.11 python3.10 python3.13 python
find_python = $(shell for candidate in $(CANDIDATES); do \
	"$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $(1)))' \
	>/dev/null 2>&1 && { echo "$$candidate"; break; }; done)
PYTHON ?= $(call find_python,13)
DEMO_PYTHON ?= $(call find_python,12)

.PHONY: help demo sandbox test check format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo             the sandbox's orders into a database, and their print files (Python 3.10 to 3.12)"
	@echo "make sandbox PORT=N   a fake of the Customer's Canvas API on http://127.0.0.1:N (default $(PORT))"
	@echo "make test             all tests"
	@echo "make check            format, lint, types, metadata"
	@echo "make format           format the code and fix what can be fixed"
	@echo "make clean            remove what these commands installed"

demo: $(DEMO_VENV)/demo.stamp
	$(DEMO_VENV)/bin/python -m demo

sandbox: $(VENV)/sandbox.stamp
	$(VENV)/bin/python -m sandbox --port $(PORT)

test: $(VENV)/test.stamp
	$(VENV)/bin/python -m pytest unit_tests integration_tests

check: $(VENV)/check.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/python tools/check_metadata.py

format: $(VENV)/check.stamp
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO_VENV)

# A stamp is newer than pyproject.toml when what is declared there is installed
$(VENV)/sandbox.stamp: EXTRAS := sandbox
$(VENV)/test.stamp: EXTRAS := sandbox,test
$(VENV)/check.stamp: EXTRAS := sandbox,test,lint

$(VENV)/sandbox.stamp $(VENV)/test.stamp $(VENV)/check.stamp: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

$(DEMO_VENV)/demo.stamp: pyproject.toml | $(DEMO_VENV)/bin/python
	@echo "Installing PyAirbyte into $(DEMO_VENV): about 1 GB, some minutes."
	$(DEMO_VENV)/bin/python -m pip install --quiet --editable '.[sandbox,demo]'
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
