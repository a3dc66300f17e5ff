//! The pages of a house beside the running one: everybody's own, and no security page behind them.

use std::sync::Arc;

use access::Access;
use claims::{Page, Report};
use console::{Desk, LogHead, Scim};
use directory::Directory;
use identity::{Identities, Limits, Mailroom};
use jiff::Timestamp;
use kernel::{Cx, Fut};

use crate::accounts::Front;
use crate::bridge::{OwnPages, SignIn};
use crate::leaving::Offboarding;
use crate::people_reviews::ReviewsAtDesk;
use crate::probe::NAME;
use crate::reviews::Words;
use crate::role_desk::RolesAtDesk;
use crate::support::SupportAtDesk;
use crate::tokens::Programs;

/// What an authenticator app would call it.
const ISSUER: &str = "Amanah";

/// The same pages as those of the running house, over these.
pub(super) fn pages(
    (identities, access, room): (&Arc<Identities>, &Arc<Access>, &Arc<Mailroom>),
    directory: &Arc<Directory>,
    (words, cx): (Words, &Cx),
) -> anyhow::Result<OwnPages> {
    let own = OwnPages::default();
    own.open(console::State {
        trust: Arc::new(Nothing),
        tokens: Arc::new(Programs(Arc::clone(identities))),
        api_keys: Arc::new(Programs(Arc::clone(identities))),
        sign_in: Arc::new(SignIn(Arc::clone(identities))),
        desk: Some(Desk {
            identities: Arc::clone(identities),
            names: vec![NAME.to_owned()].into(),
            issuer: ISSUER.to_owned(),
        }),
        accounts: Arc::new(Front {
            room: Arc::clone(room),
            identities: Arc::clone(identities),
            access: Arc::clone(access),
            directory: Arc::clone(directory),
            limits: Limits::new(&*cx.rng)?,
            clock: Arc::clone(&cx.clock),
        }),
        vitals: Arc::new(Nothing),
        trail: Arc::new(Nothing),
        leaving: Arc::new(Offboarding {
            access: Arc::clone(access),
            identities: Arc::clone(identities),
            directory: Arc::clone(directory),
        }),
        reviews: Arc::new(ReviewsAtDesk {
            access: Arc::clone(access),
            words,
            clock: Arc::clone(&cx.clock),
        }),
        roles: Arc::new(RolesAtDesk { access: Arc::clone(access), room: Arc::clone(room) }),
        scim: Some(Scim {
            directory: Arc::clone(directory),
            limits: Arc::new(Limits::new(&*cx.rng)?),
        }),
        support: Arc::new(SupportAtDesk {
            access: Arc::clone(access),
            identities: Arc::clone(identities),
        }),
        clock: Arc::clone(&cx.clock),
        rng: Arc::clone(&cx.rng),
    });
    Ok(own)
}

/// What a house beside the running one does not have.
struct Nothing;

impl console::TrailDesk for Nothing {
    fn rows<'a>(
        &'a self,
        _: &'a kernel::Identity,
        _: &'a console::TrailQuestion,
    ) -> Fut<'a, Result<console::TrailSeen, console::TrailTrouble>> {
        Box::pin(async { Err(console::TrailTrouble::Unguarded) })
    }
}

impl console::Trust for Nothing {
    fn pages(&self) -> Vec<Arc<Page>> {
        Vec::new()
    }

    fn primary(&self) -> Option<String> {
        None
    }

    fn report<'a>(
        &'a self,
        _: &'a str,
        _: Option<Timestamp>,
    ) -> Fut<'a, Result<Report, console::Error>> {
        Box::pin(async { Err(console::Error::NotFound) })
    }

    fn logs(&self) -> Vec<LogHead> {
        Vec::new()
    }

    fn checkpoint(&self, _: &str) -> Option<String> {
        None
    }
}

impl console::Vitals for Nothing {
    fn healthy(&self) -> Fut<'_, bool> {
        Box::pin(async { true })
    }

    fn metrics(&self) -> Fut<'_, String> {
        Box::pin(async { "# EOF\n".to_owned() })
    }
}
