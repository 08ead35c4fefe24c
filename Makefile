.PHONY: test quick lint fix bench ci

test:  ## everything
	pytest

quick:  ## under two minutes
	pytest -m "not slow"

lint:
	ruff check .
	ruff format --check .
	mypy

fix:
	ruff check --fix .
	ruff format .

bench:
	python -m benchmarks.overhead

ci:  ## what continuous integration runs
	.ci/run
