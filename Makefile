# Fronts for scripts/; `make` alone lists the targets. Nothing has to be run before any of them.
.DEFAULT_GOAL := help
.PHONY: help setup build run test test-cpp test-python test-sanitize fuzz fuzz-hour test-wheel test-aarch64 mutants bench clean

# Modules of another Python must not leak into .venv.
unexport PYTHONPATH PYTHONHOME

py := .venv/bin/python
export PYTHON

help:                 ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## */\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup:                ## install missing Debian packages, make .venv
	@bash scripts/setup.sh

build: setup          ## set up, then build program, library and Python extension into build/release
	@bash scripts/build.sh release

run: build            ## build, then simulate the five regimens into results/
	@$(py) scripts/run_all.py --nkpk build/release/cli/nkpk --out results

test: setup           ## every test but test-aarch64; ends with the counts
	@$(py) scripts/test_all.py

test-cpp: setup       ## C++ tests only
	@$(py) scripts/test_all.py cpp

test-python: setup    ## Python tests only
	@$(py) scripts/test_all.py python

test-sanitize: setup  ## C++ tests under the address and undefined-behaviour sanitizers, threaded ones under ThreadSanitizer
	@$(py) scripts/test_all.py sanitize

fuzz: setup           ## bytes that nobody wrote into every reader, two minutes in all; or make fuzz SECONDS=600
	@FUZZ_SECONDS=$(or $(SECONDS),120) $(py) scripts/test_all.py fuzz

fuzz-hour: setup      ## an hour of it, into tests/fuzz/report.md
	@bash scripts/build.sh fuzz
	@$(py) scripts/fuzz.py --seconds 3600 --report tests/fuzz/report.md

test-wheel: setup     ## pip install into an empty environment, then import and run
	@$(py) scripts/test_all.py wheel

test-aarch64: setup   ## the same where there is no x86: cross-compiler and emulator for 64-bit ARM, 120 MB of packages
	@$(py) scripts/test_all.py aarch64

mutants: build        ## break the code in 43 ways; each must turn a test red (about half an hour; resumable)
	@$(py) tests/mutants/run_mutants.py

bench: build         ## ensembles against other solvers into benchmarks/peers.*; makes build/bench-venv (about half an hour; resumable)
	@$(py) benchmarks/peers.py

clean:                ## remove what the build made; .venv and results/ stay
	rm -rf build python/nkpk/_core*.so .pytest_cache .hypothesis
	find . -name .venv -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
