# Needs python3 (3.11 or newer) and nothing else. `make demo` and `make test` do all their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ROOT := $(abspath .)
WORKERS ?= 2
SECONDS ?= 600

.PHONY: demo test check bench bench-peers docs fuzz independent browser torch ray clean format

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The link makes the repository root importable as `marey` for every tool (STYLE: section 1).
define link_package
	@$(BIN)/python -c "import pathlib, sysconfig; p = pathlib.Path(sysconfig.get_path('purelib'), 'marey'); p.is_symlink() or p.symlink_to('$(ROOT)')"
endef

$(VENV)/.runtime: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	$(link_package)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	$(link_package)
	@touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime
	$(BIN)/marey demo

# Properties are drawn the same way every time: a run fails for what changed, not by luck. pytest
# alone draws others each time.
test: $(VENV)/.dev
	CI=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/typos

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Options in BENCH: names of benches, `--all`, `--repeats 15` (`python -m tests.bench --help`).
bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench $(BENCH)

# Libraries to compare with, in an environment of their own; torchcodec is left out where it
# cannot be installed or does not load. It takes PyTorch, which is large.
bench-peers: $(VENV)-peers/.made
$(VENV)-peers/.made: tests/bench/peers.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip --disable-pip-version-check --quiet install --requirement tests/bench/peers.txt
	-$(VENV)-peers/bin/python -m pip --disable-pip-version-check --quiet install torch==2.13.0
	-$(VENV)-peers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps torchcodec==0.13.0
	@$(VENV)-peers/bin/python -c "import pathlib, sysconfig; p = pathlib.Path(sysconfig.get_path('purelib'), 'marey'); p.is_symlink() or p.symlink_to('$(ROOT)')"
	@touch $@

# Marey's subset streams in decoders other than FFmpeg's. Needs node and npm.
independent: $(VENV)/.dev
	npm install --prefix tests/independent --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	$(BIN)/python -m pytest tests/independent

# What needs torch or Ray. From a registry torch may bring gigabytes of CUDA along: TORCH names
# another version, or a wheel on disk.
TORCH ?= torch>=2.6
torch: $(VENV)/.dev
	$(PIP) install '$(TORCH)' 'torchdata>=0.11'
	$(BIN)/python -m pytest tests/engine/test_tensors.py tests/engine/loading/test_in_torch.py

ray: $(VENV)/.dev
	$(PIP) install 'ray[data]>=2.60'
	$(BIN)/python -m pytest tests/engine/test_ray.py

# Previews in a page of a headless Chromium; without Debian's chromium and chromium-driver the
# tests are skipped, and say so.
browser: $(VENV)/.dev
	CI=1 MAREY_BROWSER=1 $(BIN)/python -m pytest -rs tests/browser

# Hostile input, as long as wanted; findings are kept in tests/fuzz/corpus and run by `make test`.
fuzz: $(VENV)/.dev
	$(BIN)/python -m marey.tests.fuzz $(SECONDS)

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(VENV)-peers build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/independent/node_modules
