//! The claim `isolation.cache`: one tenant's logins cannot reach another's keys on Redis.

use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Proof};

use super::caches::{Caches, Places};
use super::inhabited;
use crate::redis::Claim;

static CARD: Card = Card {
    id: "isolation.cache",
    title: "Keys of its own for each tenant on Redis",
    attack: "A synthetic tenant's login goes for another synthetic tenant's keys of every kind, by \
             reading, changing, removing, renaming, copying, storing, sorting, waiting, \
             transactions, strange names; then for what belongs to the whole server: lists of \
             keys, scripts, connections, settings, logins. Every login of the server is looked at",
    bite: "On a scratch server, one at a time: all keys, a shared prefix, a prefix without its end, \
           another's keys for reading and for writing, a second rule; each command that asks about \
           everybody or changes the server; a login without a password, with two, or that nobody \
           knows; the login `default`; somebody else's login that reaches tenants' keys",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "Whoever runs the server, and Amanah's own login on it",
        "A share of the memory for each tenant: Redis has one limit for all, so a tenant that \
         fills it drives out the keys of others, and learns from what is missing how full it is",
        "A share of the processor: Redis does one command at a time, and a slow one of one tenant \
         holds up all",
        "A share of the connections: the server has one limit for all, so whoever takes them all \
         keeps others out; logins still end at their time",
        "HELLO, which Redis lets everybody send: it tells the server's version and how many \
         connections there have been",
        "Commands that would harm everybody if they were let through are not sent: the server is \
         asked whether the login may run them (ACL DRYRUN)",
        "Keys that an application stores under a login that it shares between tenants",
        "A login that was stolen, until its lease ends",
        "What is said on the network: use rediss:// where it is not this machine's own",
        "How long an answer takes",
    ],
};

/// The control for every tenant with a place on Redis.
pub(super) struct Cache {
    pub(super) caches: Caches,
}

impl Control for Cache {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async { inhabited::prove(&Places(&self.caches, Claim::Cache), cx).await })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async { inhabited::bite(&Places(&self.caches, Claim::Cache), cx).await })
    }
}
