//! Samples for the page about a tenant's trail.

use super::sample::{EVIL, now};
use crate::trail::{TrailLine, TrailQuestion, TrailSeen};

/// One row of each kind; somebody tries to write markup.
pub(crate) fn seen() -> TrailSeen {
    let line = |action: &str, before: &str, after: &str| TrailLine {
        at: now(),
        actor: "sari@toko.example".to_owned(),
        action: action.to_owned(),
        table: "public.sale".to_owned(),
        key: "{\"id\": 17}".to_owned(),
        request: "0123456789abcdef01234567".to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
        erased: false,
    };
    let support = "rudi@vendor.example support:00000000-0000-4000-8000-000000000001".to_owned();
    let erased = TrailLine { erased: true, key: String::new(), ..line("DELETE", "", "") };
    let all = TrailLine { actor: String::new(), key: String::new(), ..line("TRUNCATE", "", "") };
    let lines = vec![
        TrailLine { actor: support, ..line("UPDATE", EVIL, "{\"price\": 2}") },
        line("INSERT", "", &format!("{{\"note\": \"{}\"}}", "x".repeat(3_000))),
        erased,
        all,
    ];
    TrailSeen { lines, more: true, missing: 1 }
}

/// What was asked for.
pub(crate) fn wanted() -> TrailQuestion {
    let from = now() - jiff::SignedDuration::from_hours(24);
    let actor = Some(EVIL.to_owned());
    TrailQuestion { from, to: now(), actor, table: None, request: None }
}
