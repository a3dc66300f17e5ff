//! The binary: reads the command line, runs one command, and says how it went.

mod accounts;
mod application;
mod archived;
mod attack;
mod auditor;
mod bait;
mod bridge;
mod callers;
mod cli;
mod columns;
mod commands;
mod comparing;
mod config;
mod consent;
mod control;
mod data;
mod decisions;
mod door;
mod edge;
mod environment;
mod erasing;
mod exit;
mod factor_probe;
mod files;
mod fleet;
mod following;
mod ground;
mod installation;
mod kept;
mod keyring;
mod keyserver;
mod keyset;
mod known;
mod leaving;
mod limit_probe;
mod logins;
mod lost;
mod mail;
mod metrics;
mod months;
mod offsite;
mod out;
mod pages;
mod people_reviews;
mod probe;
mod protection;
mod provisioning;
mod redis;
mod releases;
mod reviews;
mod rights;
mod role_desk;
mod roots;
mod rotation;
mod sealing;
mod seeds;
mod shared_limits;
mod support;
mod table;
mod tokens;
mod trail;
mod trail_desk;
mod unseen;
mod upgrade;
mod vault;
mod visits;
mod watched;
mod witnesses;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Place};
use exit::Exit;

/// Threads hand memory to one another all the time: what a request needs is given back where its answer ends,
/// and the system's allocator takes a lock for it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.place.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::aside(&format!("amanah: no threads to run on: {error}"));
            return Exit::CannotTell.into();
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            out::failure(&error);
            Exit::of_error(&error).into()
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let place = &Place { begins: cli.command.begins(), ..cli.place };
    match cli.command {
        Command::Up(up) => Box::pin(commands::up::run(place, up)).await,
        Command::Verify(verify) => commands::verify::run(place, verify).await,
        Command::Page(page) => commands::page::run(place, page).await,
        Command::Protect(protect) => commands::protect::run(place, protect).await,
        Command::Account(account) => commands::account::run(place, account).await,
        Command::Access(access) => commands::access::run(place, access).await,
        Command::Directory(asked) => commands::directory::run(place, asked).await,
        Command::Tenant(tenant) => commands::tenant::run(place, tenant).await,
        Command::Cell(cell) => commands::cell::run(place, cell).await,
        Command::File(file) => commands::files::run(place, file).await,
        Command::Migrate(migrate) => commands::migrate::run(place, migrate).await,
        Command::Binding(binding) => commands::binding::run(place, binding).await,
        Command::Audit(audit) => commands::audit::run(place, audit).await,
        Command::Edge(edge) => commands::edge::run(place, edge).await,
        Command::Keys(keys) => commands::keys::run(place, keys).await,
        Command::Deploy(deploy) => commands::deploy::run(place, deploy).await,
        Command::Doctor => commands::doctor::run(place).await,
    }
}

/// Logs go to standard error: standard output is the command's result. `RUST_LOG` chooses.
fn log(json: bool) {
    // Sandboxes are dropped with their connections, and the pool would say so of each.
    let usual = || EnvFilter::new("warn,deadpool.postgres=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    // Colours are escapes too, and whose they are could not be told.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let log = log.with_writer(|| out::Log);
    if json { log.json().init() } else { log.init() }
}
