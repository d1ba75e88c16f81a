.PHONY: help setup demo test bounds lint format bench fuzz clean

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

help:  ## Show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready  ## Make the virtual environment with everything in it

NATIVE := CMakeLists.txt $(wildcard native/*.cpp native/*/*.cpp native/*/*.h)

$(VENV)/.ready: pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup  ## Serve the page with four synthetic cameras
	$(BIN)/costream serve --demo

# A process a core, each with one thread: torch's threads would wait for each other's. One more, since tests
# of cameras and services wait. In the order of tests/conftest.py, which has the longest files begin. Bytecode is
# kept even where the environment says otherwise: tests start many processes, and each would compile the package.
# Large pages: a virtual machine that hands memory back to its host takes microseconds for each page that is
# touched anew, and torch asks for fresh memory with every product.
test: setup  ## Run the tests
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \
		$(BIN)/pytest -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 10

bounds: setup  ## Try the oldest and newest versions that pyproject.toml admits
	VENV=$(VENV) scripts/bounds.sh $(CLIP)

lint: setup  ## Check formatting, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## Repeat the table of the README, in a few minutes
	mkdir -p out
	$(BIN)/costream synth out/camera.mp4 --seconds 120
	$(BIN)/costream bench out/camera.mp4 --window 40 --stride 8

# libFuzzer is clang's. Seeds are folders of small streams in Annex B's form.
CLANG ?= clang++
FUZZ := -std=c++17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

fuzz:  ## Build the fuzzers of both readers: out/fuzz-h264 SEEDS, out/fuzz-h265 SEEDS
	mkdir -p out
	$(CLANG) $(FUZZ) native/fuzz/h264.cpp native/h264/*.cpp -o out/fuzz-h264
	$(CLANG) $(FUZZ) native/fuzz/h265.cpp native/h265/*.cpp -o out/fuzz-h265

clean:  ## Remove the environment and what the tools left behind
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
