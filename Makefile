# Two commands do everything: `make run` and `make test`. Missing Debian packages are installed.
.PHONY: run test lint bench screenshot packages

run: packages
	cargo build --quiet -p amanah -p demo && exec target/debug/amanah up --demo

test: packages
	cargo test --workspace

lint: packages target/tools/bin/cargo-deny
	scripts/lint

bench: packages
	scripts/bench

screenshot: packages
	scripts/install chromium fonts-noto-core && scripts/screenshot

packages:
	@scripts/install postgresql-15 procps

target/tools/bin/cargo-deny:
	cargo install --quiet --locked --root target/tools cargo-deny@0.20.2
