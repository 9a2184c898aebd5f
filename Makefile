SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: proto
proto:
	PATH=$$PWD/.venv/bin:$$PATH $(PY) -m grpc_tools.protoc -Iproto --python_out=. --mypy_out=readable_stubs:. \
	    --grpc_python_out=. --mypy_grpc_out=readable_stubs:. proto/shared/rpc/v1/*.proto
