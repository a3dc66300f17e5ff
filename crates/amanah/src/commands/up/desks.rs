//! What the pages of a house reach of it.

use std::sync::Arc;

use claims::{Engine, Page};
use console::{Desk, Scim};
use gateway::Gateway;
use identity::Limits;

use crate::accounts::Front;
use crate::bridge::{SignIn, Trust, Vitals};
use crate::exit::Usage;
use crate::installation::Installation;
use crate::leaving::Offboarding;
use crate::people_reviews::ReviewsAtDesk;
use crate::probe::NAME;
use crate::reviews::Words;
use crate::role_desk::RolesAtDesk;
use crate::sealing::Sealers;
use crate::support::SupportAtDesk;
use crate::tokens::Programs;
use crate::trail_desk::TrailAtDesk;
use crate::witnesses::Witnesses;

/// What an authenticator app calls this site.
const ISSUER: &str = "Amanah";

pub(super) fn state(
    installation: &Installation,
    engine: &Engine,
    pages: &[Arc<Page>],
    gateway: &Gateway,
    (seals, witnesses): (&Arc<Sealers>, &Arc<Witnesses>),
    trail: TrailAtDesk,
) -> anyhow::Result<console::State> {
    let primary = installation.config.pages.primary.clone();
    if !primary.is_empty() && !pages.iter().any(|page| page.name == primary) {
        let folder = installation.config.pages.directory.display();
        return Err(Usage(format!("pages.primary: there is no {primary}.md in {folder}")).into());
    }
    Ok(console::State {
        trust: Arc::new(Trust {
            engine: engine.clone(),
            pages: pages.to_vec(),
            primary: Some(primary).filter(|name| !name.is_empty()),
            witnesses: Arc::clone(witnesses),
        }),
        tokens: Arc::new(Programs(Arc::clone(&installation.identities))),
        api_keys: Arc::new(Programs(Arc::clone(&installation.identities))),
        sign_in: Arc::new(SignIn(Arc::clone(&installation.identities))),
        desk: Some(Desk {
            identities: Arc::clone(&installation.identities),
            names: names(installation),
            issuer: ISSUER.to_owned(),
        }),
        accounts: Arc::new(front(installation)?),
        scim: Some(Scim {
            directory: Arc::clone(&installation.directory),
            limits: Arc::new(Limits::new(&*installation.cx.rng)?),
        }),
        vitals: Arc::new(Vitals {
            db: installation.ground.engine.clone(),
            engine: engine.clone(),
            pages: pages.to_vec(),
            gateway: gateway.metrics(),
            certificates: gateway.certificates(),
            identities: Arc::clone(&installation.identities),
            keys: installation.ring.keys.clone(),
            seals: Arc::clone(seals),
            witnesses: Arc::clone(witnesses),
            mailroom: Arc::clone(&installation.mailroom),
            pen: Arc::clone(&installation.pen),
            attack: gateway.attack(),
            carried: Arc::clone(&installation.carried),
        }),
        leaving: Arc::new(Offboarding {
            access: Arc::clone(&installation.access),
            identities: Arc::clone(&installation.identities),
            directory: Arc::clone(&installation.directory),
        }),
        support: Arc::new(SupportAtDesk {
            access: Arc::clone(&installation.access),
            identities: Arc::clone(&installation.identities),
        }),
        trail: Arc::new(trail),
        reviews: Arc::new(ReviewsAtDesk {
            access: Arc::clone(&installation.access),
            words: Words::of(installation)?,
            clock: Arc::clone(&installation.cx.clock),
        }),
        roles: Arc::new(RolesAtDesk {
            access: Arc::clone(&installation.access),
            room: Arc::clone(&installation.mailroom),
        }),
        clock: Arc::clone(&installation.cx.clock),
        rng: Arc::clone(&installation.cx.rng),
    })
}

/// Accounts and their letters, for the console.
fn front(installation: &Installation) -> anyhow::Result<Front> {
    Ok(Front {
        room: Arc::clone(&installation.mailroom),
        identities: Arc::clone(&installation.identities),
        access: Arc::clone(&installation.access),
        directory: Arc::clone(&installation.directory),
        limits: Limits::new(&*installation.cx.rng)?
            .with_tries(installation.config.limits.at_the_pages())
            .with_proofs(&installation.proof),
        clock: Arc::clone(&installation.cx.clock),
    })
}

/// The names that this site is reached under: every certificate of ours has the last of them.
fn names(installation: &Installation) -> Arc<[String]> {
    let mut names = installation.config.gateway.names.clone();
    names.push(NAME.to_owned());
    names.into()
}
