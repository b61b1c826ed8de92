# Short names for commands; `make help` lists them. Needs Rust, Python 3.10 or newer with venv, a C compiler and make.
# The targets install everything else into .tools/ on first use.

PYTHON ?= python3

# Template parameters for `make up`, e.g. PARAMETERS="--parameter RetryBaseSeconds=1".
PARAMETERS ?=
EVENT ?= events/webhook/transactions-historical-update.json

TOOLS := $(PYTHON) tools/install.py
SAM := .tools/sam/bin
AWS_PYTHON := .tools/aws/bin/python
CHECKOV := .tools/checkov/bin/checkov
OBSERVABILITY := PYTHONPATH=tools $(AWS_PYTHON) tools/observability.py
STACK := PYTHONPATH=tools $(AWS_PYTHON) -m stack
TEMPLATES := template.yaml examples/change-feed/template.yaml
# The checks of a template need neither a profile nor an account.
OFFLINE := AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/deny/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := .tools/fuzz/bin/cargo-fuzz
CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS := .tools/mutants/bin/cargo-mutants
# Options of cargo-mutants, e.g. MUTANTS="--file crates/domain/src/plan.rs".
MUTANTS ?=
FUZZ_TARGETS := webhook message object response
# Duration of `make fuzz` for each target.
SECONDS ?= 60
# Options of bench/compare.py: --quick, --only sync, --million all.
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo up down status invoke build build-cli fmt lint test test-flawed mutants fuzz soak bench bench-sync build-bench test-peers check-growth observability permissions sbom clean \
	costs tools tools-deny tools-fuzz tools-mutants check-format check-clippy check-docs check-links check-boundaries check-patches check-costs check-observability check-template \
	check-dependencies check-advisories test-rust test-examples test-e2e test-events

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Show the whole flow on this machine: a bank connection becomes rows of the table
	@PYTHONPATH=tools $(AWS_PYTHON) tools/demo.py

up: tools ## Start a fake Belvo server and a local AWS, and deploy the stack there
	@$(STACK) up $(PARAMETERS)

down: tools ## Stop what `make up` started
	@$(STACK) down

status: tools ## Show running processes, messages in the queues, items in the table
	@$(STACK) status

invoke: tools ## Invoke a function in Docker with one event: make invoke EVENT=events/webhook/....json
	@PYTHONPATH=tools $(AWS_PYTHON) tools/invoke.py $(EVENT)

build: tools ## Build the functions for deployment, and fake-belvo
	@$(STACK) build

fmt: ## Format the code
	cargo fmt --all

build-cli:
	cargo build --package cli

lint: check-format check-clippy check-docs check-links check-boundaries check-patches check-costs check-observability check-template ## Run all static checks

# The fastest first. The end-to-end tests build the functions for release and take the longest.
test: lint check-dependencies test-examples test-rust test-e2e test-events ## Run all checks and tests
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

check-patches:
	@PYTHONPATH=tools $(PYTHON) tools/check_flawed.py --applies

check-costs:
	$(PYTHON) tools/costs.py --check

check-observability: tools
	$(OBSERVABILITY) --check

# checkov reads the template itself; check_template.py runs it on SAM's transformation of the template too.
check-template:
	@$(TOOLS) sam aws checkov
	$(OFFLINE) $(SAM)/cfn-lint $(TEMPLATES)
	for each in $(TEMPLATES); do $(OFFLINE) $(SAM)/sam validate --lint --template "$$each" || exit 1; done
	$(CHECKOV) --file $(TEMPLATES) --framework cloudformation secrets --skip-download --quiet --compact
	PYTHONPATH=tools $(AWS_PYTHON) tools/check_template.py
	$(AWS_PYTHON) -m pytest -c tests/template/pytest.ini tests/template

# Banned crates, licences, sources (deny.toml). Building cargo-deny takes minutes, so only `make tools-deny` and .ci/run do it.
check-dependencies:
	@if [ -x $(CARGO_DENY) ]; then $(CARGO_DENY) check bans licenses sources; \
	elif [ -n "$$REQUIRE_DENY" ]; then echo "check-dependencies: cargo-deny is not installed"; exit 1; \
	else echo "check-dependencies: SKIPPED, cargo-deny is not installed (make tools-deny)"; fi

# The database is on GitHub. An advisory fails this target; a database that cannot be fetched does not.
check-advisories: tools-deny ## Check the dependencies for known vulnerabilities (needs GitHub)
	@mkdir -p .local; if $(CARGO_DENY) fetch db >.local/advisories.log 2>&1; then $(CARGO_DENY) --offline check advisories; \
	else tail -3 .local/advisories.log; echo "check-advisories: NOT CHECKED, the advisory database cannot be fetched"; fi

costs: ## Write the tables of docs/costs.md from the prices and assumptions in tools/costs.py
	$(PYTHON) tools/costs.py --write

sbom: ## Write a bill of materials (CycloneDX) for each function into target/sbom/
	@$(PYTHON) tools/sbom.py

test-rust:
	cargo test --workspace

test-examples: tools ## Test the example of the change feed, without a stack
	$(AWS_PYTHON) -m pytest -c examples/change-feed/tests/pytest.ini examples/change-feed/tests

test-flawed: ## Check that tests fail when a known mistake is patched into a copy of the code (some minutes)
	@PYTHONPATH=tools $(PYTHON) tools/check_flawed.py

mutants: tools-mutants ## Check that the tests of the domain and the webhook function catch 95 % of all mutants (an hour)
	@$(PYTHON) tools/mutants.py $(MUTANTS)

# Coverage needs a nightly compiler. New inputs go into testing/fuzz/corpus/, failing ones into testing/fuzz/artifacts/.
fuzz: tools-fuzz ## Fuzz the parsers, one minute for each target: make fuzz SECONDS=600
	@set -e; cd testing/fuzz; for target in $(FUZZ_TARGETS); do mkdir -p corpus/$$target; \
	RUSTUP_TOOLCHAIN=nightly $(CURDIR)/$(CARGO_FUZZ) run --sanitizer none $$target corpus/$$target ../hostile-input/corpus/$$target -- \
		-max_total_time=$(SECONDS) -dict=json.dict -max_len=65536 -timeout=20 -rss_limit_mb=1500 -print_final_stats=1; done

soak: ## Run the model with larger bounds, and 10,000 random histories through the sync function (half an hour)
	MODEL_BOUNDS=large cargo test -p model promises -- --nocapture --test-threads 1
	PROPTEST_CASES=10000 cargo test -p sync --release every_history_converges

bench: build-bench ## Compare with Python and Node.js, write docs/performance.md (half an hour; BENCH=--quick: three minutes, no page)
	$(PYTHON) bench/compare.py $(BENCH)
	@$(TOOLS) bench-report
	$(if $(filter --quick,$(BENCH)),,.tools/bench-report/bin/python bench/report.py)

# Prints a table while it runs, and JSON at the end. SYNC="load --items 1000000" selects other scenarios and sizes.
bench-sync: build-bench ## Measure the sync function: first load, no change, duplicates, an outage (some minutes)
	@$(PYTHON) bench/sync.py $(SYNC)

# Needs node and npm, 20 or newer.
build-bench: build
	cargo build --release --package stand-ins --package fake-belvo --bins --example capacity
	PATH="$(CURDIR)/$(SAM):$$PATH" cargo lambda build --release --package floor
	@$(TOOLS) bench-python bench-node
	$(PYTHON) bench/peers/python/build.py
	node bench/peers/node/build.mjs

test-peers: build-bench ## Check that the Python and Node.js implementations give the same results
	BENCH_PEERS="python node" .tools/bench-python/bin/python -m pytest -c bench/peers/tests/pytest.ini bench/peers/tests

check-growth: build ## Check that neither binaries nor instruction counts have grown (needs valgrind)
	cargo build --release --package stand-ins --package fake-belvo
	$(PYTHON) bench/guard.py

# Builds first, because pytest captures the output of a build.
test-e2e: build build-cli ## Test the stack on a local AWS
	$(AWS_PYTHON) -m pytest -c tests/e2e/pytest.ini tests/e2e

observability: tools ## Write docs/observability.md: log fields, metrics, alarms, dashboard
	@$(OBSERVABILITY)

permissions: build ## Write docs/permissions.md: the permissions of each function, with the calls that need them
	PYTHONPATH=tools $(AWS_PYTHON) tools/permissions.py > docs/permissions.md

test-events: tools ## Run every event of events/ with `sam local invoke` (needs Docker)
	@PYTHONPATH=tools $(AWS_PYTHON) tools/check_events.py

clean: ## Remove all that was built and installed here (keeps the downloads of cargo and pip)
	rm -rf target .tools .local .aws-sam

tools: ## Install the tools into .tools/ (other targets do it when needed)
	@$(TOOLS)

tools-fuzz:
	@rustup run nightly rustc --version >/dev/null || { echo "fuzz: needs \`rustup toolchain install nightly\`"; exit 1; }
	@[ -x $(CARGO_FUZZ) ] || cargo install cargo-fuzz --locked --version $(CARGO_FUZZ_VERSION) --root .tools/fuzz

tools-mutants:
	@$(CARGO_MUTANTS) mutants --version 2>/dev/null | grep -qx 'cargo-mutants $(CARGO_MUTANTS_VERSION)' || \
	cargo install cargo-mutants --locked --version $(CARGO_MUTANTS_VERSION) --root .tools/mutants

tools-deny: ## Install cargo-deny into .tools/ (some minutes)
	@$(CARGO_DENY) --version 2>/dev/null | grep -qx 'cargo-deny $(CARGO_DENY_VERSION)' || \
	cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION) --root .tools/deny
