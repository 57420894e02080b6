# make app: set up what is missing and start the app. make test: set up what is missing and run all tests.

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
  BIN := $(VENV)/Scripts
else
  BIN := $(VENV)/bin
endif
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: app test check all-tests fast-tests coverage fuzz load-test large-photo-test startup-benchmark chaos-test public-test \
  accessibility screenshots messages docs setup \
  lint style types lock audit sbom licenses platforms clean
app: $(VENV)/.app
	$(BIN)/python -m emotion app

# Without compiled bytecode, each of the many processes that tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

# On up to four cores, since each process takes at least half a gigabyte. In one process: python -m pytest
PYTEST := pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Everything, twenty to forty minutes on two cores; the last lines name the twelve slowest tests.
test: style
	$(MAKE) --jobs=2 types all-tests

# The static checks and the fast tests, two to four minutes on two cores. One of the tests checks the import contracts.
check: style
	$(MAKE) --jobs=2 types fast-tests

all-tests: $(VENV)/.dev
	$(BIN)/python -m $(PYTEST)

fast-tests: $(VENV)/.dev
	$(BIN)/python -m $(PYTEST) -m "not slow"

# Which lines the tests run, also in the processes that they start: a summary by module, and pages in out/coverage.
coverage: $(VENV)/.dev
	rm -rf out/coverage
	$(BIN)/python -m coverage run -m $(PYTEST)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage html --quiet --directory out/coverage/html
	$(BIN)/python -m coverage report --skip-covered --skip-empty --sort=cover

# 10,000 damaged images and 1,000 damaged videos through the decoders, and the memory of large videos: make fuzz SEED=2
SEED ?= 1
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz images --count 10000 --seed $(SEED)
	$(BIN)/python -m tests.fuzz videos --count 1000 --seed $(SEED)
	$(BIN)/python -m tests.fuzz large

# Ten users, two of them with a camera; writes a table and a chart into out/load.
MINUTES ?= 10
load-test: $(VENV)/.dev
	$(BIN)/python -m tests.load --minutes $(MINUTES)

# Seconds to Home while thirty photos of 40 megapixels are analyzed; run it on an idle machine.
large-photo-test: $(VENV)/.dev
	$(BIN)/python -m tests.load.large_photos

# A hundred kills of trainings, video analyses and data set builds, full disks (root only), races: make chaos-test SEED=2
chaos-test: $(VENV)/.dev
	$(BIN)/python -m tests.chaos --seed $(SEED)

# A visitor presses every button of a public server under strace; five minutes.
public-test: $(VENV)/.dev
	EMOTION_PRESS_BUTTONS=1 $(BIN)/python -m pytest tests/browser/test_public_server.py

# Seconds to the first page and between pages, and memory of the server; run it on an idle machine.
startup-benchmark: $(VENV)/.dev
	$(BIN)/python -m tests.startup_benchmark

# axe-core on every page in its states, in three languages, two widths and both themes; ten minutes or more.
accessibility: $(VENV)/.dev
	$(BIN)/python -m tests.accessibility

# Every page in three windows, into docs/images.
screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.screenshots

# Takes the text of the pages over into the catalogs of all languages, where new text waits for its translation.
LOCALE := emotion/translation/locale
messages: $(VENV)/.dev
	mkdir -p out
	$(BIN)/python -m babel.messages.frontend -q extract --mapping babel.cfg --keyword gettext_noop --add-location file --sort-output --add-comments "Translators:" \
	  --output out/emotion.pot .
	$(BIN)/python -m babel.messages.frontend -q update --input-file out/emotion.pot --output-dir $(LOCALE) --domain emotion --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date --width 110

lint: style types

style: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

# Takes one core for most of `make check`, so it runs beside the tests.
types: $(VENV)/.dev
	$(BIN)/python -m pyright --pythonpath $(BIN)/python

# The documentation as pages in out/docs, without a network; a warning is an error.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

setup: $(VENV)/.app

$(VENV)/.app: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "This is Python %d.%d; Emotion Studio needs 3.11, 3.12 or 3.13: make PYTHON=python3.12 app" % v)'
	@echo "Setting up (once, a few minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt constraints.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@

# After a change of requirements.txt or constraints.txt: lock the versions of constraints.txt for all systems, by hash.
lock: $(VENV)/.dev
	$(INSTALL) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -c constraints.txt -o requirements.lock requirements.txt

# Known vulnerabilities of the locked versions; without a network: make audit ADVISORIES=all.zip, a copy of the OSV database.
ADVISORIES ?=
audit: $(VENV)/.dev
	$(BIN)/python -m tools.audit_dependencies $(if $(ADVISORIES),--advisories $(ADVISORIES))

# What requirements.lock installs, as out/sbom.json in the CycloneDX format.
sbom: $(VENV)/.dev
	mkdir -p out
	$(BIN)/python -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON \
	  --output-file out/sbom.json requirements.lock

# The licenses of what requirements.lock installs, into docs/licenses.md.
licenses: $(VENV)/.dev
	$(BIN)/python -m tools.list_licenses

# The systems and Python versions for which requirements.lock resolves.
platforms: $(VENV)/.dev
	$(INSTALL) uv
	$(BIN)/python -m tools.check_platforms

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
