# Everything that people and CI run. `make help` lists it.

# One profile for `up` and `test`, so that dependencies are compiled once; clippy shares their build scripts.
PROFILE     := release
CARGO_FLAGS := --locked --$(PROFILE)
SERVICES    := -p gatekeeper -p proxy -p infra
INFRA       := target/$(PROFILE)/infra

DIR       ?= cluster
ENGINE    ?= auto
WORKERS   ?= 2
PORT_BASE ?= 3400
# more arguments: make up UP_ARGS="--set proxy.routing.strategy=direct"
UP_ARGS    ?=
TEST_ARGS  ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 30
SOAK_SECONDS ?= 1800

.PHONY: help up down status build test lint bench bench-facts fuzz soak setup

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'
	@echo
	@echo "  make up ENGINE=mariadb|mysql|auto WORKERS=2 DIR=cluster PORT_BASE=3400 UP_ARGS='--set …'"

up: ## the whole system on this machine: database cluster, proxy, gatekeeper
	@scripts/setup up $(ENGINE)
	cargo build $(CARGO_FLAGS) $(SERVICES)
	@$(INFRA) local up --dir $(DIR) --port-base $(PORT_BASE) --engine $(ENGINE) --workers $(WORKERS) $(UP_ARGS)

down: ## stop it; the data stays in DIR
	@if [ -x $(INFRA) ]; then $(INFRA) local down --dir $(DIR); else echo "nothing was built, nothing runs"; fi

status: ## what of it runs
	@$(INFRA) local status --dir $(DIR)

build: ## the programs, without starting them
	@scripts/setup build
	cargo build $(CARGO_FLAGS) $(SERVICES)

# A missing database server is a spoken skip at home and a failure here.
test: export TEST_SERVERS = required
# where a reason was made is noise beside the reason
test: export RUST_LIB_BACKTRACE = 0
test: ## every test, on real MariaDB and real MySQL
	@scripts/setup test
	cargo build $(CARGO_FLAGS) $(SERVICES)
	@if cargo nextest --version >/dev/null 2>&1; then \
	    set -x; cargo nextest run $(CARGO_FLAGS:--release=--cargo-profile release) --workspace $(TEST_ARGS); \
	else \
	    set -x; cargo test $(CARGO_FLAGS) --workspace --all-targets $(TEST_ARGS); \
	fi
	cargo test $(CARGO_FLAGS) --workspace --doc

lint: ## formatting, clippy, dependencies' licences and advisories, documentation
	@scripts/setup build
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then \
	    cargo deny --locked check bans licenses sources || exit 1; \
	    if cargo deny fetch db 2>/dev/null; then \
	        cargo deny --locked check advisories || exit 1; \
	    else \
	        echo "the database of advisories cannot be fetched from here: they are not checked"; \
	    fi; \
	else \
	    echo "cargo-deny is not installed: licences and advisories are not checked (cargo install --locked cargo-deny)"; \
	fi
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps

bench: ## gatekeeper and proxy beside HAProxy and raw relays, strategies beside one another; BENCH_ARGS as in `infra bench --help`
	@scripts/setup bench
	cargo build --locked --profile bench-lto $(SERVICES) --bins
	@target/bench-lto/infra bench --own-cluster $(BENCH_ARGS)

bench-facts: ## what it costs to know what a statement does: criterion's figures for known and for new shapes
	cargo bench --locked -p statement --bench facts

fuzz: ## every fuzz target for FUZZ_SECONDS; needs cargo-fuzz and a nightly toolchain
	@scripts/fuzz $(FUZZ_SECONDS)

soak: export TEST_SERVERS = required
soak: export SOAK_SECONDS := $(SOAK_SECONDS)
soak: ## random programs against a single server, SOAK_SECONDS on each engine; docs/testing.md
	@scripts/setup test
	cargo build $(CARGO_FLAGS) $(SERVICES)
	cargo test $(CARGO_FLAGS) -p tests --test it -- oracle::random --include-ignored --test-threads 1 --nocapture

setup: ## install everything that any of these needs
	@scripts/setup test
