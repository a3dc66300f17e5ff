//! Bodies that are announced and do not come, that come slowly, and that come all at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_rustls::client::TlsStream;

use super::{
    Edge, PATIENCE, SIGNED_IN, WHOLE_MACHINE, assert_policy, read_all, read_until, status, values,
};
use crate::serve::BODIES_KIB;

/// The largest body that is usual, in bytes.
const LARGE: usize = 8 * 1024 * 1024;
/// The largest body of a directory, in bytes.
const GROUP: usize = 512 * 1024;
const SHORT: Duration = Duration::from_millis(200);
/// Longer than any trial: what ends before does so for another reason.
const NEVER: Duration = Duration::from_hours(1);

/// The cookie of an account of a tenant.
fn of(account: &str, tenant: &str) -> String {
    format!("Cookie: __Host-amanah=as.{account}.{tenant}\r\nSec-Fetch-Site: same-origin\r\n")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A gateway at which nothing is ended by time.
async fn patient() -> Edge {
    Edge::with(|settings| {
        settings.body_limit = LARGE;
        (settings.body_deadline, settings.body_window) = (NEVER, NEVER);
    })
    .await
}

impl Edge {
    /// Announces a body and sends nothing of it.
    async fn announce(&self, path: &str, lines: &str, length: usize) -> TlsStream<TcpStream> {
        let mut tls = self.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Expect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        tls.write_all(head.as_bytes()).await.unwrap();
        tls
    }

    /// Uploads so many bytes; the answer, or what came of it.
    async fn upload(&self, path: &str, lines: &str, length: usize) -> String {
        let mut tls = self.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\
             Content-Length: {length}\r\n\r\n"
        );
        tls.write_all(head.as_bytes()).await.unwrap();
        // Whoever is refused need not be able to send all of it.
        let _ = tls.write_all(&vec![b'x'; length]).await;
        read_all(&mut tls).await
    }
}

/// Somebody who announces a great deal and sends none of it hinders neither a colleague nor anybody
/// of another tenant, nor their own forms.
#[tokio::test]
async fn announcements_hinder_nobody_else() {
    let edge = patient().await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(edge.announce("/prices", &of("eve", "sinar"), LARGE).await);
    }
    // So many have a place; the others wait in line behind themselves.
    for tls in held.iter_mut().take(2) {
        read_until(tls, "100 Continue\r\n\r\n").await;
    }
    assert_eq!(edge.bodies.taken(), 0);
    for (account, tenant, length) in [
        ("sari", "sinar", LARGE),
        ("putri", "gulf", LARGE),
        ("eve", "sinar", 64 * 1024),
        ("sari", "sinar", 1),
    ] {
        let answer = edge.upload("/prices", &of(account, tenant), length).await;
        assert_eq!(status(&answer), 200, "{account} of {tenant}");
        assert!(answer.ends_with(&"x".repeat(length)));
    }
    drop(held);
}

/// The same of small bodies, which are taken at once.
#[tokio::test]
async fn small_announcements_hinder_nobody_else() {
    let edge = patient().await;
    let mut held = Vec::new();
    for _ in 0..280 {
        held.push(edge.announce("/prices", &of("eve", "sinar"), 64 * 1024).await);
    }
    // As many as there are KiB in the share of an account and its part for small ones.
    for tls in held.iter_mut().take(272) {
        read_until(tls, "100 Continue\r\n\r\n").await;
    }
    for (account, tenant) in [("sari", "sinar"), ("putri", "gulf")] {
        let answer = edge.upload("/prices", &of(account, tenant), LARGE).await;
        assert_eq!(status(&answer), 200, "{account} of {tenant}");
    }
    drop(held);
}

/// A body that stands still, or nearly, is given up long before its deadline; what it held is given
/// back.
#[tokio::test]
async fn a_stalled_body_ends_early() {
    let edge = Edge::with(|settings| {
        settings.body_limit = LARGE;
        (settings.body_deadline, settings.body_window) = (NEVER, SHORT);
    })
    .await;
    let silent = edge.announce("/prices", SIGNED_IN, LARGE).await;
    let mut half = edge.announce("/prices", SIGNED_IN, 200_000).await;
    half.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let form = edge.announce("/_amanah/echo", "", 100).await;
    let group = edge.announce("/_amanah/scim/v2/Users", &bearer("directory.sinar"), GROUP).await;
    for mut tls in [silent, half, form, group] {
        let answer = read_all(&mut tls).await;
        let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
        assert_eq!(status(answer), 408, "{answer}");
        assert_policy(answer);
    }
    // One byte now and then is no progress.
    let mut drops = edge.announce("/prices", SIGNED_IN, LARGE).await;
    let mut answer = Vec::new();
    let trickle = async {
        while !String::from_utf8_lossy(&answer).contains(" 408 ") {
            // It may be over already.
            let _ = drops.write_all(b"x").await;
            let _ = timeout(SHORT / 20, drops.read_buf(&mut answer)).await;
        }
    };
    timeout(PATIENCE, trickle).await.expect("it was never ended");
    assert_eq!(edge.bodies.taken(), 0);
    assert_eq!(edge.application.seen().len(), 0);
}

/// Strangers at the place of directories have nothing read, and hinder no directory.
#[tokio::test]
async fn strangers_hinder_no_directory() {
    let edge = patient().await;
    let path = "/_amanah/scim/v2/Users";
    for lines in ["", "Authorization: Bearer x\r\n", "Authorization: Basic YTpi\r\n", SIGNED_IN] {
        for _ in 0..40 {
            let mut tls = edge.announce(path, lines, GROUP).await;
            let answer = read_all(&mut tls).await;
            assert_eq!(status(&answer), 401, "{lines}");
            assert_policy(&answer);
            assert_eq!(values(&answer, "connection"), ["close"]);
        }
    }
    // Nor does one directory another, of the same tenant or not, whatever it announces.
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(edge.announce(path, &bearer("eve.sinar"), GROUP).await);
    }
    for tls in held.iter_mut().take(4) {
        read_until(tls, "100 Continue\r\n\r\n").await;
    }
    for token in ["directory.sinar", "directory.gulf"] {
        let answer = edge.upload(path, &bearer(token), GROUP).await;
        assert_eq!(status(&answer), 200, "{token}");
        assert!(answer.ends_with(&format!("nobody {GROUP}")), "{answer}");
    }
    // Chunks are put together, too.
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
    let wire = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{}Transfer-Encoding: chunked\r\n\r\n\
         {chunk}{chunk}0\r\n\r\n",
        bearer("directory.gulf")
    );
    let answer = edge.talk(wire).await;
    assert!(answer.ends_with("nobody 200000"), "{answer}");
    drop(held);
}

/// Where the token cannot be looked up, nothing is read.
#[tokio::test]
async fn a_directory_that_cannot_be_told_is_refused() {
    let edge = patient().await;
    for (token, expected) in [("panic.sinar", 500), ("hung.sinar", 503)] {
        let mut tls = edge.announce("/_amanah/scim/v2/Users", &bearer(token), GROUP).await;
        assert_eq!(status(&read_all(&mut tls).await), expected, "{token}");
    }
}

/// Many large uploads at once of many tenants, which the application keeps waiting: there is never
/// more taken than there is, nobody waits for ever, small forms pass, and all is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_stay_within_the_memory() {
    let _alone = WHOLE_MACHINE.lock().await;
    let edge = Arc::new(
        Edge::with(|settings| {
            settings.body_limit = LARGE;
            settings.body_deadline = Duration::from_secs(2);
            // It is about memory: 192 MiB take their time on a machine that does other things too.
            settings.body_window = 3 * PATIENCE;
        })
        .await,
    );
    let mut uploads = JoinSet::new();
    for n in 0..24 {
        let edge = Arc::clone(&edge);
        uploads.spawn(async move {
            let lines = of(&format!("a{n}"), &format!("t{n}"));
            status(&edge.upload("/wait", &lines, LARGE).await)
        });
    }
    let mut answers = Vec::new();
    let mut most = 0;
    // Looking all the time would take the cores from the gateway's threads, and make slow bodies.
    let mut look = interval(Duration::from_millis(1));
    let ended = async {
        // The application answers none, so that those which do not fit are told to come again.
        while answers.len() + edge.application.requests.lock().unwrap().len() < 24 {
            tokio::select! {
                Some(answer) = uploads.join_next() => answers.push(answer.unwrap()),
                _ = look.tick() => most = most.max(edge.bodies.taken()),
            }
        }
    };
    timeout(3 * PATIENCE, ended).await.expect("uploads wait for ever");
    assert!(most > BODIES_KIB / 2 && most <= BODIES_KIB, "{most} KiB");
    assert!(answers.len() >= 9 && answers.iter().all(|status| *status == 503), "{answers:?}");
    let form = edge.upload("/prices", &of("sari", "sinar"), 1000).await;
    assert_eq!(status(&form), 200, "forms pass while uploads fill the rest");
    let over = async {
        while let Some(answer) = uploads.join_next().await {
            assert_eq!(answer.unwrap(), 200);
        }
    };
    let go = async {
        loop {
            edge.application.go.notify_waiters();
            look.tick().await;
        }
    };
    timeout(3 * PATIENCE, async {
        tokio::select! { () = over => {}, () = go => {} }
    })
    .await
    .unwrap();
    assert_eq!(edge.bodies.taken(), 0);
}
