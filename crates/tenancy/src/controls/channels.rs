//! The claim `isolation.channels`: one tenant's logins neither hear nor speak on another's channels.

use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Proof};

use super::caches::{Caches, Places};
use super::inhabited;
use crate::redis::Claim;

static CARD: Card = Card {
    id: "isolation.channels",
    title: "Channels of its own for each tenant on Redis",
    attack: "A synthetic tenant's login subscribes to another synthetic tenant's channels by name, \
             by patterns, in transactions and over the newer protocol, publishes on them, lists \
             them, and asks to be told which keys others change. It listens on everything of its \
             own while the other speaks; a listener whose login ends is cut off. Every login of \
             the server is looked at",
    bite: "On a scratch server, one at a time: all channels, a shared prefix, a prefix without its \
           end, a second rule, the server's news about keys, the list of channels, scripts; a \
           login without a password or that nobody knows; the login `default`; somebody else's \
           login that reaches tenants' channels",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "Whoever runs the server, and Amanah's own login on it",
        "PostgreSQL's LISTEN and NOTIFY in a shared database, which know no tenants",
        "What an application sends to browsers (websockets, server-sent events)",
        "Messages that an application publishes under a login that it shares between tenants",
        "Whether a message arrives: Redis drops a listener that is too slow",
        "Commands that would harm everybody if they were let through are not sent: the server is \
         asked whether the login may run them (ACL DRYRUN)",
        "A login that was stolen, until its lease ends",
    ],
};

/// The control for every tenant with a place on Redis.
pub(super) struct Channels {
    pub(super) caches: Caches,
}

impl Control for Channels {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async { inhabited::prove(&Places(&self.caches, Claim::Channels), cx).await })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async { inhabited::bite(&Places(&self.caches, Claim::Channels), cx).await })
    }
}
