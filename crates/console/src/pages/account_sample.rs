//! Samples for the pages about one's account and about people.

use jiff::Timestamp;

use super::sample::{EVIL, now};
use crate::{Invited, Offer, OpenSession, People, Person};

/// Their open sessions, this one first.
pub(crate) fn sessions() -> Vec<OpenSession> {
    let session = |id: &str, browser: &str| OpenSession {
        id: id.to_owned(),
        since: Timestamp::UNIX_EPOCH,
        seen: now(),
        browser: browser.to_owned(),
    };
    vec![
        session("00000000-0000-4000-8000-000000000002", "Firefox, Linux"),
        session("00000000-0000-4000-8000-000000000003", EVIL),
    ]
}

/// What an invitation offers.
pub(crate) fn offer() -> Offer {
    Offer {
        email: "budi@toko.example".to_owned(),
        tenant: "toko-sari".to_owned(),
        by: EVIL.to_owned(),
    }
}

/// The people of a tenant.
pub(crate) fn people() -> People {
    let person = |name: &str, email: &str, closed| Person {
        id: "00000000-0000-4000-8000-000000000005".to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
        closed,
    };
    People {
        people: vec![
            person("Budi", "budi@toko.example", false),
            person(EVIL, "sari@toko.example", true),
        ],
        invited: vec![Invited {
            id: "00000000-0000-4000-8000-000000000004".to_owned(),
            email: "rudi@toko.example".to_owned(),
            roles: "editor".to_owned(),
            until: now(),
        }],
        roles: vec![("editor".to_owned(), EVIL.to_owned())],
    }
}
