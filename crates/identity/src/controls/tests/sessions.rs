//! The three claims about sessions: each bite bites, and nothing is proven without a gateway.

use kernel::Outcome;

use super::{cx, house};
use crate::session_controls;

#[tokio::test]
async fn every_fault_of_sessions_is_found() {
    let house = house().await;
    let base = (house.identities.clone(), house.base.owner.clone(), house.base.programs.clone());
    let all = session_controls(base, None);
    for id in ["session.cookies", "session.timeout", "session.revocation"] {
        let control = all.iter().find(|control| control.card().id == id).unwrap();
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
        let proof = control.prove(&cx(), &kernel::Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {}", proof.detail());
    }
}
