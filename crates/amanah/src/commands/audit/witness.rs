//! `amanah audit witness`: a second mode of the program, beside no database and no configuration.

use std::sync::Arc;

use ::witness::{Error, Witness};
use anyhow::Context as _;
use gateway::{Private, PrivateSettings};
use kernel::{SystemClock, SystemRng};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::out;

/// The witness's own folder in the directory `--data`.
const FOLDER: &str = "witness";
/// What an installation of Amanah has in its directory.
const INSTALLATION: &str = "secrets/installation";

pub(crate) async fn run(place: &Place, wanted: audit::Witness) -> anyhow::Result<Exit> {
    let audit::Witness { log, listen, allow_remote, host, name } = wanted;
    if !allow_remote && !listen.ip().to_canonical().is_loopback() {
        return Err(Usage(format!(
            "{listen} is reached by other machines, and nothing is encrypted there: listen on \
             127.0.0.1 behind a proxy with TLS, or say --allow-remote"
        ))
        .into());
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    if place.data.join(INSTALLATION).exists() {
        out::aside(
            "amanah: this directory holds an installation. A witness beside the log that it watches \
             finds nothing that the log's owner does not find: run it where that one has no login",
        );
    }
    let folder = place.data.join(FOLDER);
    let opening = spawn_blocking(move || {
        Witness::open(&folder, name.as_deref(), log, Arc::new(SystemClock), &SystemRng)
    });
    let witness = opening.await?.map(Arc::new).map_err(usage)?;
    let settings = PrivateSettings { listen, allow_remote, hosts: host };
    let router = console::witness::router(Arc::clone(&witness));
    let listener = Private::bind(settings, router).await;
    let listener = listener.context("the witness cannot be reached; see --listen")?;
    tell(place, &witness, &format!("http://{}", listener.local_addr()));
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    listener.run(stop).await;
    Ok(Exit::Holds)
}

/// What the caller can set right is usage.
fn usage(error: Error) -> anyhow::Error {
    match error {
        Error::Named { .. } | Error::Log(_) | Error::NoLogs => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

fn tell(place: &Place, witness: &Witness, address: &str) {
    let key = witness.key().to_string();
    if place.json {
        let seen = witness.seen().into_iter().map(|(log, size)| json!({"log": log, "size": size}));
        let told = json!({"address": address, "key": key, "logs": seen.collect::<Vec<_>>()});
        out::line(&told.to_string());
        return;
    }
    out::line(&format!("  Witness    {key}"));
    out::line(&format!("  Address    {address}"));
    for (log, size) in witness.seen() {
        let seen = match size {
            Some(1) => "1 entry seen".to_owned(),
            Some(size) => format!("{size} entries seen"),
            None => "nothing seen yet".to_owned(),
        };
        out::line(&format!("  Log        {log}, {seen}"));
    }
    out::line("  Stop       Ctrl-C");
}
