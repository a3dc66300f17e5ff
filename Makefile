# Two commands do everything: `make run` and `make test`. Missing Debian packages are installed.
.PHONY: run test lint bench screenshot packages peers

run: packages
	cargo build --quiet -p amanah -p demo && exec target/debug/amanah up --demo

test: packages peers
	cargo build --quiet --workspace --all-targets && cargo test --workspace --no-fail-fast

lint: packages target/tools/bin/cargo-deny
	scripts/lint

bench: packages peers
	scripts/bench $(ONLY)

screenshot: packages
	scripts/install chromium fonts-noto-core && scripts/screenshot

packages:
	@scripts/install postgresql-15 procps redis-server

# What tests and benches compare with and connect to, beyond what a running Amanah needs.
peers:
	@scripts/install curl softhsm2 testssl.sh sslscan python3-venv pgbouncer nginx php-cli php-pgsql php-redis chromium fonts-noto-core
	@scripts/python-tools && scripts/node-tools

# It runs for a second, and is built in a fraction of the time without its own profile for releases.
target/tools/bin/cargo-deny:
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root target/tools cargo-deny@0.20.2
