# Everything a developer and CI run. `make` alone lists it.
PYTHON ?= python3
SIZE ?= small
test: PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
LOCK_ARGS ?=
IMAGE ?= inlet:local

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# Spark's Python workers take the system's interpreter otherwise.
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python

.DELETE_ON_ERROR:
.PHONY: help env image jars classes tools test test-cluster cluster cluster-down lint docs format demo bench-tools unwrap-tools lock clean

help: ## list the targets
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-12s %s\n", $$1, $$2 }'

env: .venv/.java .venv/.project ## the environment in .venv: the locked packages, inlet itself, Java

# Stamps: each is as new as what it was made from, so that nothing is done twice.
.venv/.java: deployments/setup/java.sh | $(BIN)/pip
	@deployments/setup/java.sh
	@touch $@

.venv/.locked: requirements.lock | $(BIN)/pip
	@echo "Installing requirements.lock into .venv"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

# setuptools, which builds it, is in the lock: nothing unhashed is fetched for it.
.venv/.project: pyproject.toml .venv/.locked
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# pip is what `venv` writes last, so a half-made environment is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "inlet needs Python 3.11 or newer: install it (apt-get install python3.11-venv, dnf install python3.11," \
			"brew install python@3.11), then run: make env PYTHON=python3.11." >&2; exit 1; }
	@$(PYTHON) -m venv .venv

image: ## the image from which all runs on Kubernetes, named IMAGE=inlet:local, by docker or podman
	@docker=$$(command -v docker || command -v podman) || \
		{ echo "The image is built by docker or podman: install one." >&2; exit 1; }; \
	$$docker build -f deployments/Dockerfile -t $(IMAGE) .

jars: env build/jars/.copied ## the jars with which Spark reads s3a://, in build/jars

build/jars/.copied: spark/jars/pom.xml | env
	@command -v mvn >/dev/null || deployments/setup/debian.sh maven || { \
		echo "Spark's S3 jars come by Maven: install it (apt-get, dnf or brew install maven), then run make jars again." >&2; exit 1; }
	@rm -rf build/jars
	@mvn -q -B -f spark/jars/pom.xml dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/build/jars"
	@touch $@

classes: build/spark.jsa ## Spark's classes as the JVM has them in memory: it starts in half the CPU time

build/spark.jsa: .venv/.locked .venv/.java | env
	@mkdir -p build
	@echo "Making $@, from which Spark starts in half the CPU time"
	@$(BIN)/python -m spark.session >build/classes.log 2>&1 || { echo "Read build/classes.log." >&2; exit 1; }

# Without root or Debian nothing is installed and nothing said: a test that misses its tool skips with the reason.
tools: env ## what the tests need beyond Python: sshd, gpg, nginx, PostgreSQL, chromium, zip, toxiproxy, Spark's S3 jars
	@deployments/setup/debian.sh openssh-server openssh-client gnupg nginx openssl postgresql chromium zip zstd bzip2 || true
	@if command -v mvn >/dev/null || deployments/setup/debian.sh maven; then $(MAKE) --no-print-directory jars; fi
	@if command -v go >/dev/null || deployments/setup/debian.sh golang-go ca-certificates; then \
		$(MAKE) --no-print-directory build/bin/toxiproxy-server; fi

# Cuts the fault tests' connections.
build/bin/toxiproxy-server: deployments/setup/toxiproxy.sh
	@deployments/setup/toxiproxy.sh

test: env tools classes ## all tests; PYTEST_ARGS="-k nppes" for some, INLET_REALDATA=<folder> for those on real files
	$(BIN)/pytest $(PYTEST_ARGS) --ignore tests/cluster

test-cluster: env ## those on a real Kubernetes: of KUBECONFIG, or a node on this machine (root on Debian, Go)
	$(BIN)/pytest tests/cluster $(PYTEST_ARGS)

cluster: ## a Kubernetes of one node below build/cluster, with inlet's image, to play with: root on Debian, Go
	@tests/cluster/kubernetes/up.sh
	@tests/cluster/kubernetes/image.sh localhost/inlet:test deployments/Dockerfile .

cluster-down: ## end it; what was fetched and built stays
	@tests/cluster/kubernetes/down.sh

lint: env ## formatting, style, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: env ## docs/schemas.md, from spark/schemas
	$(BIN)/python -m spark.schemas.page > docs/schemas.md

format: env ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: env ## a synthetic month of NPPES, from a folder to checked Parquet
	$(BIN)/python -m bench.demo

# bench-transfer's S3 server, by Go; where that fails the tests' own takes its place, and the result says so.
VERSITYGW := build/bin/versitygw-v1.8.0

bench-transfer: bench-tools

bench-tools: ## what bench-transfer needs beyond Python: sshd, sftp, nginx, curl, versitygw
	@deployments/setup/debian.sh openssh-server openssh-client nginx openssl curl || true
	@if ! command -v go >/dev/null; then \
		echo "There is no Go (go.dev/dl) to build versitygw with: SeaweedFS takes its place." >&2; \
	elif ! $(MAKE) --silent --no-print-directory $(VERSITYGW); then \
		echo "versitygw was not built: SeaweedFS takes its place." >&2; fi

$(VERSITYGW): build/bin/%:
	@echo "Building $*, which takes a few minutes"
	@mkdir -p build/bin
	@CGO_ENABLED=0 GOBIN="$(CURDIR)/build/bin" go install github.com/versity/versitygw/cmd/versitygw@$(*:versitygw-%=%) \
		>build/versitygw.log 2>&1 || { echo "Read build/versitygw.log." >&2; exit 1; }
	@mv build/bin/versitygw $@

# igzip is in the package isal.
bench-unwrap: unwrap-tools

unwrap-tools: ## what bench-unwrap compares with: pigz, igzip, unzip, zstd, bzip2, gpg
	@deployments/setup/debian.sh pigz isal zip unzip zstd bzip2 gnupg || true

bench-%: env ## a benchmark, bench/%.py or bench/%/; SIZE=small unless told
	$(BIN)/python -m bench.$* --size $(SIZE)

# Pins stay as they are unless LOCK_ARGS="--upgrade" or "--upgrade-package NAME".
lock: ## requirements.lock, and of it what the image has, deployments/requirements.lock, from pyproject.toml, by uv
	@command -v uv >/dev/null || { echo "The lock is made by uv: pip install uv, then run make lock again." >&2; exit 1; }
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev $(LOCK_ARGS) \
		pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra metrics \
		--constraint requirements.lock pyproject.toml -o deployments/requirements.lock

clean: ## remove what was built and the tools' caches, not .venv
	@[ ! -d build/cluster/run ] || tests/cluster/kubernetes/down.sh
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
