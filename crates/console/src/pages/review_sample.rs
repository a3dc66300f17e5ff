//! Samples for the pages about reviews and roles.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{Identity, Standing, own};

use super::sample::{EVIL, identity, now};
use crate::{
    HeldRole, OfferedPermission, PastRole, Person, ReviewCard, ReviewDecision, ReviewLine,
    ReviewSheet, ReviewsSeen, RoleCard, RoleDraft, RoleHolder, RoleOffers,
};

const ID: &str = "00000000-0000-4000-8000-00000000000";

/// Somebody who may do everything about people.
pub(crate) fn chief() -> Arc<Identity> {
    let permits = [
        own::PEOPLE_READ,
        own::PEOPLE_INVITE,
        own::PEOPLE_ROLES,
        own::PEOPLE_REVIEW,
        own::PEOPLE_SUPPORT,
        own::PEOPLE_OFFBOARD,
    ];
    let standing = Standing { permits: permits.into_iter().collect(), ..Standing::default() };
    Arc::new(Identity { standing, ..(*identity()).clone() })
}

fn card(n: u8) -> ReviewCard {
    let moment = |hours| now() - SignedDuration::from_hours(hours);
    let by = || "dewi@toko.example".to_owned();
    ReviewCard {
        id: format!("{ID}{n}"),
        started_by: by(),
        started_at: moment(2_000 + i64::from(n)),
        rows: 5,
        decided: if n == 0 { 2 } else { 5 },
        sha256: "00ff".repeat(16),
        closed: (n == 1 || n == 2).then(|| (by(), moment(1_990))),
        abandoned: (n == 3).then(|| ("the operator".to_owned(), moment(1_980), EVIL.to_owned())),
        signed: (n == 1).then(|| (by(), moment(1_990))),
    }
}

/// A review that is half decided.
pub(crate) fn sheet() -> ReviewSheet {
    let kinds = ["key", "mapping", "role", "role", "support"];
    let line = |(n, kind): (i32, &str)| ReviewLine {
        n,
        kind: kind.to_owned(),
        holder: if n == 1 { EVIL.to_owned() } else { format!("{n}@toko.example") },
        what: if n == 3 { EVIL.to_owned() } else { "editor".to_owned() },
        granted_by: "sari@toko.example".to_owned(),
        granted_at: now() - SignedDuration::from_hours(3_000),
        last_used_at: (n != 2).then(now),
        orphan: n == 2,
        own: n == 4,
        decision: (n == 3 || n == 5).then(|| ReviewDecision {
            keep: false,
            by: "dewi@toko.example".to_owned(),
            at: now(),
            reason: EVIL.to_owned(),
            verified: n == 5,
        }),
    };
    ReviewSheet { card: card(0), lines: (1..).zip(kinds).map(line).collect() }
}

/// One that is open, one of each end, and the next is overdue.
pub(crate) fn reviews() -> ReviewsSeen {
    ReviewsSeen { open: Some(sheet()), past: vec![card(1), card(2), card(3)], due: Some(now()) }
}

/// A role of each sort.
pub(crate) fn roles() -> Vec<RoleCard> {
    let role = |name: &str, title: &str, shipped| RoleCard {
        name: name.to_owned(),
        title: title.to_owned(),
        shipped,
        permissions: 12,
        holders: 3,
        parents: vec!["viewer".to_owned()],
    };
    vec![role("editor", "Keeps prices", true), role("Night shift", EVIL, false)]
}

/// A role as it is written, with something that is not offered.
pub(crate) fn draft() -> RoleDraft {
    RoleDraft {
        name: "Night shift".to_owned(),
        title: EVIL.to_owned(),
        factor: 2,
        permits: vec![40, 300],
        parents: vec!["viewer".to_owned(), "owner".to_owned()],
        known: true,
    }
}

/// What can be put into it.
pub(crate) fn offers() -> RoleOffers {
    let one = |number, name: &str, title: &str| OfferedPermission {
        number,
        name: name.to_owned(),
        title: title.to_owned(),
    };
    RoleOffers {
        areas: vec![
            ("People".to_owned(), vec![one(0, "people.read", "See who is here")]),
            (
                "Prices".to_owned(),
                vec![one(40, "prices.read", "See prices"), one(41, "prices.update", EVIL)],
            ),
        ],
        parents: vec![("viewer".to_owned(), "Looks".to_owned()), ("x".to_owned(), EVIL.to_owned())],
    }
}

/// Somebody with a role that can be taken, one that cannot, and two that are over.
pub(crate) fn holder() -> RoleHolder {
    let held = |role: &str, takable: bool| HeldRole {
        role: role.to_owned(),
        by: "dewi@toko.example".to_owned(),
        at: now() - SignedDuration::from_hours(300),
        reason: if takable { EVIL.to_owned() } else { "founded it".to_owned() },
        until: takable.then(now),
        takable,
    };
    let past = |role: &str, taken: bool| PastRole {
        role: role.to_owned(),
        by: EVIL.to_owned(),
        at: now() - SignedDuration::from_hours(900),
        ended: now() - SignedDuration::from_hours(400),
        ended_by: taken.then(|| "sari@toko.example".to_owned()),
        reason: taken.then(|| EVIL.to_owned()),
    };
    let offer = |name: &str, title: &str| (name.to_owned(), title.to_owned());
    RoleHolder {
        person: Person {
            id: format!("{ID}5"),
            name: EVIL.to_owned(),
            email: "budi@toko.example".to_owned(),
            closed: false,
        },
        own: false,
        held: vec![held("editor", true), held("owner", false)],
        over: vec![past("approver", true), past("viewer", false)],
        givable: vec![offer("editor", "Keeps prices"), offer("Night shift", EVIL)],
    }
}
