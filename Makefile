# `make demo` and `make test` are all a newcomer needs: Python 3.11 to 3.13 and make.
PYTHON ?= $(shell command -v python3.13 >/dev/null 2>&1 && python3.13 -c 'import venv' 2>/dev/null && echo python3.13 || \
            command -v python3.12 >/dev/null 2>&1 && echo python3.12 || echo python3)
BIN := .venv/bin

.PHONY: demo test check lint lock clean
