.PHONY: test quick painter lint fix bench fuzz ci

SECONDS ?= 30

test:  ## everything
	pytest

quick:  ## under two minutes
	pytest -m "not slow"

painter:  ## what drew the shipped model's training set, and reads its pictures
	python -m pytest tools/builtin_model

lint:
	ruff check .
	ruff format --check .
	mypy

fix:
	ruff check --fix .
	ruff format .

bench:
	python -m benchmarks.overhead

fuzz:  ## every reader of other people's files, for SECONDS each
	python -m tools.fuzz --seconds $(SECONDS)

ci:  ## what continuous integration runs
	.ci/run
