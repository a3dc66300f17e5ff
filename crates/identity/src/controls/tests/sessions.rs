//! The three claims about sessions: each bite bites, and nothing is proven without a gateway.

use std::sync::Arc;

use kernel::{Fut, Outcome, TenantId};

use super::{cx, house};
use crate::{CanaryRoles, session_controls};

/// Gives nobody anything: the sandboxes have roles of their own.
struct Nobody;

impl CanaryRoles for Nobody {
    fn give<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async { Err("there are no roles here".to_owned()) })
    }

    fn take<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn every_fault_of_sessions_is_found() {
    let house = house().await;
    let base = (house.identities.clone(), house.base.owner.clone(), house.base.programs.clone());
    let all = session_controls(base, (None, None), Arc::new(Nobody));
    for id in ["session.cookies", "session.timeout", "session.revocation"] {
        let control = all.iter().find(|control| control.card().id == id).unwrap();
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
        let proof = control.prove(&cx(), &kernel::Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {}", proof.detail());
    }
}
