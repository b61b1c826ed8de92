# Thin names over commands; `make help` lists them. Needs Rust, Python 3.10 or newer with venv, a C compiler, make:
# everything else is installed into .tools/ on first use.

PYTHON ?= python3

# Which template parameters `make up` overrides, e.g. PARAMETERS="--parameter RetryBaseSeconds=1".
PARAMETERS ?=
EVENT ?= events/webhook/transactions-historical-update.json

TOOLS := $(PYTHON) tools/install.py
SAM := .tools/sam/bin
AWS_PYTHON := .tools/aws/bin/python
CHECKOV := .tools/checkov/bin/checkov
OBSERVABILITY := PYTHONPATH=tools $(AWS_PYTHON) tools/observability.py
STACK := PYTHONPATH=tools $(AWS_PYTHON) -m stack
TEMPLATES := template.yaml examples/change-feed/template.yaml
# Neither a profile nor an account of whoever runs this is needed to check a template.
OFFLINE := AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/deny/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := .tools/fuzz/bin/cargo-fuzz
FUZZ_TARGETS := webhook message object answer
# How long each of the fuzzers searches.
SECONDS ?= 60
# Options of bench/compare.py: --quick, --only sync, --million all.
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo up down status invoke build build-cli fmt lint test test-flawed fuzz soak bench bench-sync build-bench test-peers check-growth observability permissions sbom clean \
	costs tools tools-deny tools-fuzz check-format check-clippy check-docs check-links check-boundaries check-costs check-observability check-template \
	check-dependencies check-advisories test-rust test-examples test-e2e test-events

help: ## What there is to type
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## The main job from end to end, on this machine: a bank connection becomes rows
	@PYTHONPATH=tools $(AWS_PYTHON) tools/demo.py

up: tools ## Deploy everything to a local AWS beside a Belvo of our own, and leave it running
	@$(STACK) up $(PARAMETERS)

down: tools ## End what `make up` started
	@$(STACK) down

status: tools ## What is running, how full the queues are, what the table holds
	@$(STACK) status

invoke: tools ## Run one event through a function in Docker: make invoke EVENT=events/webhook/....json
	@PYTHONPATH=tools $(AWS_PYTHON) tools/invoke.py $(EVENT)

build: tools ## Build the functions as they are deployed, and fake-belvo
	@$(STACK) build

fmt: ## Format the code
	cargo fmt --all

build-cli:
	cargo build --package cli

lint: check-format check-clippy check-docs check-links check-boundaries check-costs check-observability check-template ## All checks that run nothing

# Cheapest first. The end-to-end run builds the functions for release and takes the longest.
test: lint check-dependencies test-examples test-rust test-e2e test-events ## Everything
	@echo "All checks passed."

check-format:
	cargo fmt --all --check

check-clippy:
	cargo clippy --workspace --all-targets --quiet -- -D warnings

check-docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

check-links:
	$(PYTHON) tools/check_links.py

check-boundaries:
	$(PYTHON) tools/check_boundaries.py
	$(PYTHON) tools/check_cycles.py

check-costs:
	$(PYTHON) tools/costs.py --check

check-observability: tools
	$(OBSERVABILITY) --check

# checkov sees the template as it is written; check_template.py shows it what SAM makes of it as well.
check-template:
	@$(TOOLS) sam aws checkov
	$(OFFLINE) $(SAM)/cfn-lint $(TEMPLATES)
	for each in $(TEMPLATES); do $(OFFLINE) $(SAM)/sam validate --lint --template "$$each" || exit 1; done
	$(CHECKOV) --file $(TEMPLATES) --framework cloudformation secrets --skip-download --quiet --compact
	PYTHONPATH=tools $(AWS_PYTHON) tools/check_template.py
	$(AWS_PYTHON) -m pytest -c tests/template/pytest.ini tests/template

# Banned crates, licences, sources (deny.toml). Building cargo-deny takes minutes: that is left to whoever wants it, and
# to .ci/run.
check-dependencies:
	@if [ -x $(CARGO_DENY) ]; then $(CARGO_DENY) check bans licenses sources; \
	elif [ -n "$$REQUIRE_DENY" ]; then echo "check-dependencies: cargo-deny is not installed"; exit 1; \
	else echo "check-dependencies: not checked, since cargo-deny is not installed (make tools-deny)"; fi

# The database is on GitHub. Whether it can be had and what it says are two things: only the second one fails.
check-advisories: tools-deny ## Known weaknesses of the crates in use, where the database can be reached
	@mkdir -p .local; if $(CARGO_DENY) fetch db >.local/advisories.log 2>&1; then $(CARGO_DENY) --offline check advisories; \
	else tail -3 .local/advisories.log; echo "check-advisories: NOT CHECKED, the advisory database cannot be fetched"; fi

costs: ## Compute the tables of docs/costs.md, from the prices and assumptions in tools/costs.py
	$(PYTHON) tools/costs.py --write

sbom: ## A bill of materials for each function, as CycloneDX, into target/sbom/
	@$(PYTHON) tools/sbom.py

test-rust:
	cargo test --workspace

test-examples: tools ## Only the example behind the table's stream, without a stack
	$(AWS_PYTHON) -m pytest -c examples/change-feed/tests/pytest.ini examples/change-feed/tests

test-flawed: ## Do the tests notice? Known mistakes, put into a copy of the code, have to turn them red (some minutes)
	@PYTHONPATH=tools $(PYTHON) tools/check_flawed.py

# Coverage needs flags of a nightly compiler. What it finds goes into testing/fuzz/corpus/, what fails into testing/fuzz/artifacts/.
fuzz: tools-fuzz ## Search for hostile input that breaks a promise, a minute for each target: make fuzz SECONDS=600
	@set -e; cd testing/fuzz; for target in $(FUZZ_TARGETS); do mkdir -p corpus/$$target; \
	RUSTUP_TOOLCHAIN=nightly $(CURDIR)/$(CARGO_FUZZ) run --sanitizer none $$target corpus/$$target ../hostile-input/corpus/$$target -- \
		-max_total_time=$(SECONDS) -dict=json.dict -max_len=65536 -timeout=20 -rss_limit_mb=1500 -print_final_stats=1; done

soak: ## Ten thousand random histories through the sync engine (about half an hour in all), larger worlds for its model
	MODEL_BOUNDS=large cargo test -p model promises -- --nocapture --test-threads 1
	PROPTEST_CASES=10000 cargo test -p sync --release every_history_converges

bench: build-bench ## Ours beside Python and Node.js, into docs/performance.md (half an hour; BENCH=--quick: three minutes, no page)
	$(PYTHON) bench/compare.py $(BENCH)
	@$(TOOLS) bench-report
	$(if $(filter --quick,$(BENCH)),,.tools/bench-report/bin/python bench/report.py)

# Its table comes while it runs, its JSON at the end: SYNC="load --items 1000000" for other scenarios and sizes.
bench-sync: build-bench ## What the sync function costs when it is tried: no change, duplicates, an outage (some minutes)
	@$(PYTHON) bench/sync.py $(SYNC)

# Needs node and npm, 20 or newer.
build-bench: build
	cargo build --release --package stand-ins --package fake-belvo --bins --example capacity
	PATH="$(CURDIR)/$(SAM):$$PATH" cargo lambda build --release --package floor
	@$(TOOLS) bench-python bench-node
	$(PYTHON) bench/peers/python/build.py
	node bench/peers/node/build.mjs

test-peers: build-bench ## Do the benchmark's peers give the same results as ours?
	BENCH_PEERS="python node" .tools/bench-python/bin/python -m pytest -c bench/peers/tests/pytest.ini bench/peers/tests

check-growth: build ## Has a binary grown, or the instructions that its work takes? (needs valgrind)
	cargo build --release --package stand-ins --package fake-belvo
	$(PYTHON) bench/guard.py

# Built first, where one sees it: pytest keeps the output of what it runs to itself.
test-e2e: build build-cli ## Only the run on the deployed stack
	$(AWS_PYTHON) -m pytest -c tests/e2e/pytest.ini tests/e2e

observability: tools ## Write docs/observability.md: log fields, metrics, alarms, dashboard
	@$(OBSERVABILITY)

permissions: build ## Write docs/permissions.md: what each function may do, beside the calls that need it
	PYTHONPATH=tools $(AWS_PYTHON) tools/permissions.py > docs/permissions.md

test-events: tools ## Only the events of events/, through `sam local invoke` (where Docker is)
	@PYTHONPATH=tools $(AWS_PYTHON) tools/check_events.py

clean: ## Remove what was built and installed here (downloads of cargo and pip stay)
	rm -rf target .tools .local .aws-sam

tools: ## Install the tools into .tools/ (whatever needs them does it by itself)
	@$(TOOLS)

tools-fuzz:
	@rustup run nightly rustc --version >/dev/null || { echo "fuzz: needs \`rustup toolchain install nightly\`"; exit 1; }
	@[ -x $(CARGO_FUZZ) ] || cargo install cargo-fuzz --locked --version $(CARGO_FUZZ_VERSION) --root .tools/fuzz

tools-deny: ## Install cargo-deny into .tools/ (takes some minutes)
	@$(CARGO_DENY) --version 2>/dev/null | grep -qx 'cargo-deny $(CARGO_DENY_VERSION)' || \
	cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION) --root .tools/deny
