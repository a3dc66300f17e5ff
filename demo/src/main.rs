//! The sample application behind Amanah: a small pricing and margin tool.
//!
//! It shows how a multi-tenant application integrates, and the whole of it is:
//!
//! 1. read the header `Amanah-Binding` that the gateway adds for a signed-in user,
//! 2. begin a transaction and run `SELECT amanah.bind($1)` with it (`session.rs`),
//! 3. run ordinary SQL; the database shows and takes rows of that tenant only,
//! 4. what is secret and must be read again, encrypt with Amanah's keys (`keys.rs`).
//!
//! No statement here compares a tenant id with a value of its own, no page asks who may
//! see a row, and a forgotten check leaks nothing. The program imports no crate of Amanah
//! and would look the same in any other language.

mod approvals;
mod dashboard;
mod keys;
mod money;
mod problem;
mod products;
mod session;
mod sql;
mod suppliers;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::header;
use axum::routing::{get, post};
use deadpool_postgres::Pool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::keys::Keys;
use crate::problem::Problem;

/// Any free port on loopback; the chosen one is printed.
const DEFAULT_LISTEN: &str = "127.0.0.1:0";
/// The longest form that is read, in bytes.
const FORM_LIMIT: usize = 16 * 1024;
/// How long running requests may take to finish once the program was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What every request may use.
#[derive(Clone)]
struct Parts {
    pool: Pool,
    keys: Keys,
}

impl FromRef<Parts> for Pool {
    fn from_ref(parts: &Parts) -> Self {
        parts.pool.clone()
    }
}

impl FromRef<Parts> for Keys {
    fn from_ref(parts: &Parts) -> Self {
        parts.keys.clone()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            tracing::error!("{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let url = setting("DATABASE_URL")
        .ok_or("DATABASE_URL is not set. Name the application's role in it, never the owner.")?;
    let listen = setting("DEMO_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let address: SocketAddr = listen.parse().map_err(|_| {
        format!("DEMO_LISTEN is {listen:?}; write an address and a port, as in 127.0.0.1:8080.")
    })?;
    let keys = Keys::new(setting("AMANAH_KEYS_URL"), setting("AMANAH_KEYS_TOKEN"))?;
    let app = app(Parts { pool: session::pool(&url)?, keys });
    let cannot_listen = |reason| format!("Cannot listen on {address}: {reason}.");
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let bound = listener.local_addr().map_err(cannot_listen)?;
    let end = end_of_service().map_err(|reason| format!("Cannot watch for signals: {reason}."))?;
    // The one line on standard output: whoever started the program reads the port here.
    writeln!(std::io::stdout(), "listening on {bound}")
        .map_err(|reason| format!("Cannot write to standard output: {reason}."))?;

    let (told, stopping) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        end.await;
        let _ = told.send(());
    });
    tokio::select! {
        ended = server => ended.map_err(|reason| format!("The server ended: {reason}.")),
        () = async {
            let _ = stopping.await;
            tokio::time::sleep(DRAIN).await;
        } => Ok(()),
    }
}

/// Every route of the application. `routes.txt` lists those that answer GET.
fn app(parts: Parts) -> Router {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/products", get(products::list))
        .route("/products/{id}", get(products::show))
        .route("/products/{id}/price", post(products::propose))
        .route("/products/{id}/notes", post(products::add_note))
        .route("/suppliers", get(suppliers::list))
        .route("/suppliers/{id}", get(suppliers::show))
        .route("/suppliers/{id}/reveal", post(suppliers::reveal))
        .route("/suppliers/{id}/token", post(suppliers::replace))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/reject", post(approvals::reject))
        .route("/style.css", get(style))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(parts)
}

async fn style() -> ([(header::HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../static/style.css"))
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, configured by environment")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Ends when the program is asked to stop, or when its standard input closes: the input is
/// a pipe from the program that started it, so this one never outlives that one.
fn end_of_service() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (closed, input) = oneshot::channel();
    // A plain thread, because tokio would wait for its own reader before it ends.
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    })?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = input => {}
        }
    })
}
