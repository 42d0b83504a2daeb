# `make` alone lists the targets. scripts/env says where builds go.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench bench-peers fuzz doc ci clean

ENV := . scripts/env;

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## Install what the build needs and this machine lacks
	@scripts/setup

demo: setup ## Build `qm`, execute a chain, prove parts of it, verify the proofs offline
	@scripts/demo

test: setup ## Run every test: Rust, doc examples, Python oracle
	@scripts/test

lint: ## Check formatting, lints, docs and house rules
	@.ci/run fmt rules clippy clippy-features docs

bench: setup ## Compare with the yardsticks and targets (seconds), then run all benchmarks (minutes)
	@$(ENV) cargo run --release --locked -p qmtree-benches --bin ratios
	@$(ENV) cargo bench --locked -p qmtree-benches

bench-peers: setup ## Compare the state log with NOMT and RocksDB: builds both, then runs for a minute
	@$(ENV) cargo run --release --locked --manifest-path benches/peers/Cargo.toml

fuzz: ## Fuzz each target for FUZZ_SECONDS (30); needs nightly and cargo-fuzz
	@scripts/fuzz

doc: ## Build the API docs
	@$(ENV) cargo doc --release --workspace --no-deps --locked

ci: ## Run everything that CI runs
	@.ci/run

clean: ## Remove what was built (not the tools beside it)
	@$(ENV) cargo clean
