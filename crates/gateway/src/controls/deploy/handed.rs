//! Another process of the gateway takes over from the one that serves: here a second scratch gateway, which
//! goes on with the listener of the first.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Cx, Finding};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::super::scratch::{Behind, Scratch};
use super::load::{Load, Way, read_until};
use super::release::{LONG, LONG_BEGIN, LONG_END, Release, SOCKET, Temper};
use super::{DRAINED_WITHIN, MANY, OPENING, Trial};
use crate::{HeaderPolicy, LocalAuthority};

/// How long nobody listens where the listener is closed before there is another one.
const GAP: Duration = Duration::from_millis(300);

/// How one takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should be.
    Whole,
    /// The first one closes its listener, and the second one opens another.
    Closes,
    /// The connections of the first one are cut.
    Cuts,
    /// The second one never accepts.
    Waits,
}

impl Manner {
    /// Each with how it is called, and with what it must be found by.
    pub(super) const CARELESS: [(Self, &'static str, &'static str); 3] = [
        (Self::Closes, "a take-over with a moment in which nobody listens", "requests of visitors"),
        (Self::Cuts, "a take-over that cuts connections", "a long answer of the old process"),
        (Self::Waits, "a take-over by a process that accepts nobody", "the process that took over"),
    ];
}

/// Visitors ask all the time, while a long answer and a socket are under way at the first.
pub(super) async fn handed(cx: &Cx, manner: Manner) -> Result<Trial, String> {
    let broken = |error: std::io::Error| error.to_string();
    let authority = LocalAuthority::in_memory(Arc::clone(&cx.clock)).map_err(|e| e.to_string())?;
    let (authority, policy) = (Arc::new(authority), HeaderPolicy::default());
    let old = Release::start("old", Temper::Well).await?;
    let new = Release::start("new", Temper::Well).await?;
    let mut first = Scratch::start(cx, &authority, policy.clone(), Behind::At(old.address)).await?;
    let load = Load::start(&first.reach, &first.token);
    load.answered_by("old", MANY).await?;
    let way = Way::new(&first.reach, &first.token);
    let mut long = way.ask(LONG, "").await.map_err(broken)?;
    read_until(&mut long, LONG_BEGIN).await.map_err(broken)?;
    let mut socket = way.ask(SOCKET, OPENING).await.map_err(broken)?;
    read_until(&mut socket, "\r\n\r\n").await.map_err(broken)?;

    let behind = Behind::At(new.address);
    let second = if manner == Manner::Closes {
        first.leave(DRAINED_WITHIN);
        sleep(GAP).await;
        first.again(cx, &authority, policy, behind).await?
    } else {
        let second = first.heir(cx, &authority, policy, behind).await?;
        if manner == Manner::Cuts {
            first.cut();
        } else {
            first.leave(DRAINED_WITHIN);
        }
        second
    };
    // Held in either case: its listener would close.
    let _second = match manner {
        Manner::Waits => (Some(second), None),
        _ => (None, Some(second.serve())),
    };

    let mut findings = Vec::new();
    if let Err(why) = load.answered_by("new", MANY).await {
        findings.push(Finding::new("the process that took over", why));
    }
    let echoed = async {
        socket.write_all(b"still here").await?;
        socket.flush().await?;
        read_until(&mut socket, "still here").await
    };
    if let Err(error) = echoed.await {
        findings.push(Finding::new("a socket at the old process", format!("it was cut: {error}")));
    }
    old.finish();
    if let Err(error) = read_until(&mut long, LONG_END).await {
        let what = format!("it was cut: {error}");
        findings.push(Finding::new("a long answer of the old process", what));
    }
    drop((socket, long));
    if timeout(DRAINED_WITHIN, first.ended()).await.is_err() {
        findings.push(Finding::new("the old process", "it did not end with its connections"));
    }
    let seen = load.seen();
    if seen.failed > 0 {
        let what = format!("{} failed; {}", seen.failed, seen.told.join("; "));
        findings.push(Finding::new(format!("{} requests of visitors", seen.asked()), what));
    }
    Ok(Trial { requests: seen.asked(), lost: seen.lost, findings })
}
