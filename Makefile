# `make demo` and `make test` do everything on a fresh machine with Python 3.11+: they build .venv when it is missing, broken
# or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
PIP := $(BIN)/python -m pip
RECENT := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
# As many processes as cores, four at most: each of them loads torch, and each takes one file of tests after another. A later
# option wins: `make test ARGS="-n0 tests/x.py"` runs one file without them. Compiled modules are kept, whatever the machine
# says: the tests start hundreds of services, and each would compile all of the project again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all check lock clean
.NOTPARALLEL:  # under `make -j` too, one goal after another: all of them share .venv

# An interpreter that is gone, or was replaced by another version, has no pip: what was installed for it counts for nothing.
ifneq ($(shell $(BIN)/python -c 'import pip' 2>&1 || echo broken),)
.PHONY: $(STAMP)
endif

demo: $(STAMP)  ## a simulated sorting line against a real service; ARGS=--once stops after the first round
	$(BIN)/senka demo $(ARGS)

test: $(STAMP)  ## everything but the tests marked slow
	$(PYTEST) $(ARGS)

test-all: $(STAMP)  ## the slow tests too
	$(PYTEST) -m '' $(ARGS)

check: $(STAMP)  ## ruff, mypy strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# --no-deps: the lock is complete, so nothing is left to resolve
$(STAMP): requirements.lock pyproject.toml
	@if ! { $(BIN)/python $(RECENT) && $(PIP) --version; } >/dev/null 2>&1; then \
	    $(PYTHON) $(RECENT) 2>/dev/null || \
	        { echo "Senka needs Python 3.11 or newer, and $(PYTHON) is none. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
	    $(PYTHON) -m venv --clear $(VENV); \
	fi
	$(PIP) install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(PIP) install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lock:  ## the newest versions that pyproject.toml allows, names and versions only
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet setuptools '.[train,test]'
	$(VENV)-lock/bin/python -m pip freeze --all --exclude senka --exclude pip > requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) $(VENV)-lock build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
