# make demo | test | test-all | ui | check: each works on a fresh clone with Python 3.11+, make and a package index.

PYTHON ?= python3
EXTRAS ?= audit,cpu,objects,openvino,gigatoken,fasttext,eval,ray,postgres,dev
DOCUMENTS ?= 5000
PORT ?= 3000
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
# Where there is room in memory, tests write there: their lakes wait for each file to be on the disk, ten thousands of times.
TEST_FOLDER ?= $(shell $(PYTHON) -c 'import os, shutil, tempfile; m = "/dev/shm"; print(m if os.path.isdir(m) and shutil.disk_usage(m).free > 8e9 else tempfile.gettempdir())')
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Where util-linux's setpriv is (BusyBox has another), a recipe dies with make, also when make is killed; so it execs.
ifneq ($(shell setpriv --pdeathsig KILL true 2>/dev/null && echo it does),)
SHELL := $(shell command -v setpriv)
.SHELLFLAGS := --pdeathsig KILL /bin/sh -ec
endif

.PHONY: demo test test-all ui check install screenshot sbom lock clean

demo: install ## the whole of CLIMB on a real corpus
	@echo "Fetching the demo corpus (skipped where it is there) ..."
	@exec $(BIN)/climb demo-corpus --documents $(DOCUMENTS)
	@test -e data_lake/demo/cache/speeds.json || exec $(BIN)/climb check
	@echo "Materialising what is stale ..."
	@exec $(BIN)/climb up

test: install ## every test, a file at a time on all cores; one process more, as servers mostly wait
	@exec env TMPDIR=$(TEST_FOLDER) $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-all: export CLIMB_TEST_MOMENTS := all
test-all: test ## the same, with every moment at which a process is killed

ui: install ## Dagster's web UI and daemon on loopback
	@exec $(BIN)/climb ui --port $(PORT)

check: install ## lint, format, types
	@exec $(BIN)/ruff check .
	@exec $(BIN)/ruff format --check .
	@exec $(BIN)/mypy

screenshot: install ## docs/screenshot.png, taken from the running project with headless Chromium
	@exec $(BIN)/python docs/take_screenshot.py --port $(PORT)

sbom: install ## sbom.json: what is installed, with licences, in CycloneDX
	@exec $(PYTHON) -m venv $(VENV)/sbom # of its own, or the list would hold what makes the list
	@exec $(VENV)/sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom
	@exec $(VENV)/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file sbom.json $(BIN)/python

lock: install ## locked.txt: the pinned versions with hashes of this platform's files, for pip install --require-hashes
	@exec $(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH_OPTIONS) --dry-run --ignore-installed --no-deps --requirement constraints.txt --report $(VENV)/report.json
	@exec $(BIN)/python docs/write_lock.py $(VENV)/report.json locked.txt

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Making $(VENV) with the pinned versions of constraints.txt (minutes, once) ..."
	@exec $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "climb needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || exec $(PYTHON) -m venv $(VENV)
	@exec $(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH_OPTIONS) --constraint constraints.txt torch
	@exec $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@exec touch $(INSTALLED)

clean: ## what was made in both lakes, but not the raw files
	@exec rm -rf $(foreach lake,data_lake data_lake/demo,$(addprefix $(lake)/,artifacts refs locks unfinished dagster_home export))
