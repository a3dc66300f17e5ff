//! The server is lost at the very end of an import: nobody knows from here what it has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{Db, OperatorTx, literal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::archive::{Site, run, site};
use super::super::fixture::as_superuser;
use super::super::fleet::tenant;
use super::{TOKO, export, full, import, seen, shop};
use crate::{Error, Guarded};

/// What the server says when a transaction was committed, with the zero at its end.
const COMMITTED: &[u8] = b"COMMIT\0";

/// A line to the server that breaks in the moment in which the server says that it has committed.
struct Line {
    guarded: Guarded,
    down: Arc<AtomicBool>,
}

impl Line {
    /// Whether it `stays` broken then, or is whole for whoever connects anew.
    async fn of(guarded: &Guarded, stays: bool) -> Self {
        let mut url = guarded.protected.intruder.url().clone();
        let there = (url.host(), url.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.port = listener.local_addr().unwrap().port();
        let down = Arc::new(AtomicBool::new(false));
        let (broken, armed) = (Arc::clone(&down), Arc::new(AtomicBool::new(true)));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !broken.load(Ordering::SeqCst) {
                    let (armed, broken) = (Arc::clone(&armed), Arc::clone(&broken));
                    tokio::spawn(relay(client, there.clone(), armed, (broken, stays)));
                }
            }
        });
        let mut guarded = guarded.clone();
        guarded.protected.intruder = Db::lazy(&url, 6).unwrap();
        Self { guarded, down }
    }
}

async fn relay(
    client: TcpStream,
    there: (String, u16),
    armed: Arc<AtomicBool>,
    (down, stays): (Arc<AtomicBool>, bool),
) {
    let server = TcpStream::connect(there).await.unwrap();
    let ((mut asked, mut told), (mut tells, mut asks)) = (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut asks).await });
    let (mut said, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(length @ 1..) = tells.read(&mut bytes).await {
        said.extend_from_slice(&bytes[..length]);
        let committed = said.windows(COMMITTED.len()).any(|window| window == COMMITTED);
        if committed && armed.swap(false, Ordering::SeqCst) {
            down.store(stays, Ordering::SeqCst);
            break;
        }
        said.drain(..said.len().saturating_sub(COMMITTED.len()));
        if told.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
    asking.abort();
}

/// A tenant with a file, as an archive, and a shop without it.
async fn packed() -> (Site, Guarded, Guarded, Vec<u8>) {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    site.put(TOKO, "contract", b"net 30").await;
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    site.files.erase(&tenant(TOKO)).await.unwrap();
    (site, there, here, bytes)
}

async fn noted(site: &Site) -> i64 {
    let db = site.server.superuser("amanah").await;
    let tx = db.operator().await.unwrap();
    tx.query_one("SELECT count(*) FROM tenancy.passages", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn an_import_whose_end_was_not_answered_is_one_when_the_server_says_so() {
    let (site, there, here, bytes) = packed().await;
    let line = Line::of(&here, false).await;
    import(&site, &line.guarded, &bytes).await.unwrap();
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
    assert_eq!(site.get(TOKO, "contract").await.unwrap(), b"net 30");
    assert_eq!(noted(&site).await, 0);
}

#[tokio::test]
async fn while_the_server_cannot_say_it_the_files_are_kept() {
    let (site, there, here, bytes) = packed().await;
    let line = Line::of(&here, true).await;
    let why = import(&site, &line.guarded, &bytes).await.unwrap_err();
    assert!(matches!(why, Error::Undecided { .. }), "{why}");
    assert_eq!(site.get(TOKO, "contract").await.unwrap(), b"net 30");
    line.down.store(false, Ordering::SeqCst);
    let told = import(&site, &line.guarded, &bytes).await.unwrap_err();
    assert!(matches!(told, Error::HasRows { .. }), "{told}");
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
    assert_eq!(site.get(TOKO, "contract").await.unwrap(), b"net 30");
    assert_eq!(noted(&site).await, 0);
}

/// A transaction that is open, noted as the end of an import.
async fn undecided(site: &Site, here: &Guarded) -> OperatorTx {
    let tx = here.protected.owner.operator().await.unwrap();
    let xid: String = tx.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap().get(0);
    let note = format!(
        "INSERT INTO tenancy.passages VALUES ({}, {}, 'in', now(), '{{\"gone\": {{\"keys\": [], \
         \"parts\": []}}, \"rows\": {{\"tables\": [], \"bytes\": 0}}, \
         \"pending\": [\"{xid}\", {{\"tables\": [], \"bytes\": 0}}]}}')",
        literal(TOKO),
        literal(&here.protected.name),
    );
    run(&site.server.superuser("amanah").await, &note).await;
    tx
}

/// Begun again, it asks what has become of the one before, and so does an erasure.
#[tokio::test]
async fn an_import_that_is_not_decided_is_asked_for() {
    let (site, there, here, bytes) = packed().await;
    site.half(TOKO, "half", &here.protected.name).await;
    let tx = undecided(&site, &here).await;
    let waits = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(waits, Error::Taken(_)), "{waits}");
    let waits = site.fleet.erase_rows(&here, &tenant(TOKO), true).await.err().unwrap();
    assert!(matches!(waits, Error::Taken(_)), "{waits}");
    // Elsewhere its keys would go with the last rows, and then these come.
    let waits = site.fleet.has_rows(&here, &tenant(TOKO)).await.unwrap_err();
    assert!(matches!(waits, Error::Taken(_)), "{waits}");
    assert_eq!(site.get(TOKO, "half").await.unwrap(), b"half a file");
    // It was none: its files were made for nobody.
    tx.rollback().await.unwrap();
    assert!(!site.fleet.has_rows(&here, &tenant(TOKO)).await.unwrap());
    import(&site, &here, &bytes).await.unwrap();
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
    assert!(site.get(TOKO, "half").await.is_err(), "it belongs to nobody");
    // It was one, and its rows have gone since: the files are the tenant's own.
    undecided(&site, &here).await.commit().await.unwrap();
    as_superuser(&here, "TRUNCATE shop, visit CASCADE").await;
    let told = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(told, Error::HasFiles(_)), "{told}");
    assert_eq!(site.get(TOKO, "contract").await.unwrap(), b"net 30");
}
