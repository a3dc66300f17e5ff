//! Samples for the pages about support.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{Identity, Scope, Standing, Support, TenantId, own};

use super::sample::{EVIL, identity, now};
use crate::support::{SupportCard, SupportStanding, SupportUse};

const ID: &str = "00000000-0000-4000-8000-00000000000";

fn with(standing: Standing) -> Arc<Identity> {
    Arc::new(Identity { standing, ..(*identity()).clone() })
}

/// A member of staff.
pub(crate) fn staff() -> Arc<Identity> {
    with(Standing { permits: [own::SUPPORT_ASK].into_iter().collect(), ..Standing::default() })
}

/// Somebody who may let support in.
pub(crate) fn chief() -> Arc<Identity> {
    with(Standing { permits: [own::PEOPLE_SUPPORT].into_iter().collect(), ..Standing::default() })
}

/// A member of staff who is inside.
pub(crate) fn inside() -> Arc<Identity> {
    let support = Support {
        grant: format!("{ID}1"),
        tenant: TenantId::new("toko-sari").unwrap(),
        scope: Scope::ReadOnly,
        until: now() + SignedDuration::from_hours(1),
    };
    with(Standing { support: Some(support), ..Standing::default() })
}

/// One question of each kind, the first by whoever is [`staff`].
pub(crate) fn support() -> Vec<SupportCard> {
    let kinds = [
        SupportStanding::Live,
        SupportStanding::Asked,
        SupportStanding::Lapsed,
        SupportStanding::Denied,
        SupportStanding::Ended,
        SupportStanding::Over,
    ];
    let moment = |hours| now() - SignedDuration::from_hours(hours);
    let card = |(n, standing): (usize, SupportStanding)| {
        let by = if n == 0 { identity().actor.to_string() } else { format!("{n}@vendor.example") };
        let answered = !matches!(standing, SupportStanding::Asked | SupportStanding::Lapsed);
        let approved = answered && standing != SupportStanding::Denied;
        let over = matches!(standing, SupportStanding::Denied | SupportStanding::Ended);
        SupportCard {
            id: format!("{ID}{n}"),
            tenant: "toko-sari".to_owned(),
            asked_by: by,
            ticket: format!("T-{n}"),
            reason: if n == 1 { EVIL.to_owned() } else { "Prices do not load".to_owned() },
            writes: n % 2 == 1,
            hours: 2,
            asked_at: moment(3),
            approved: approved.then(|| ("sari@toko.example".to_owned(), moment(2))),
            ends_at: approved.then(now),
            ended: over.then(|| ("sari@toko.example".to_owned(), moment(1))),
            uses: u64::try_from(n).unwrap(),
            standing,
        }
    };
    kinds.into_iter().enumerate().map(card).collect()
}

/// What was done.
pub(crate) fn uses() -> Vec<SupportUse> {
    let one = |path: &str| SupportUse {
        at: now(),
        request: "0123456789abcdef01234567".to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
    };
    vec![one("/prices"), one(EVIL)]
}
