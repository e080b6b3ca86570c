# `make demo` and `make test` are all that a newcomer needs, with Python 3.11 to 3.13 and make.
SUITED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if \
	$(shell $(name) -c '$(SUITED)' 2>/dev/null && echo yes),$(name))))
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check lint lock clean

demo: $(READY)  ## acoustic scenes on generated audio, end to end
	$(BIN)/python task1a.py

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: lint test  ## what CI runs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed; name it: make PYTHON=/path/to/python"; exit 2; }
	@echo "Setting up .venv with $(PYTHON): about 2.6 GB, a minute or more"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $(READY)

lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --universal --python-version 3.11 --upgrade --no-emit-index-url --no-header \
		--no-annotate --group dev pyproject.toml -o requirements.lock

clean:  ## everything that can be made again, but no runs and no data
	rm -rf .venv cache .pytest_cache .mypy_cache .ruff_cache
