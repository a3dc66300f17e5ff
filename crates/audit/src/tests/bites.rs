//! The bites bite.

use kernel::Outcome;

use super::{Keeper, SHOP, cx, house, watched};
use crate::controls;

/// Every seeded violation is found by both controls, with the guard and without it, and no sandbox
/// is left behind.
#[tokio::test]
async fn every_seeded_violation_is_found() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let mut counts = Vec::new();
        for control in controls(vec![watched(&protected)]) {
            let proof = control.bite(&cx()).await;
            let id = control.card().id;
            assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
            counts.push(proof.population().to_string());
        }
        // Without a superuser there is no watch over DDL to take away.
        let first = if keeper == Keeper::Superuser { 5 } else { 4 };
        let wanted = [
            format!("{first} of {first} seeded violations"),
            "6 of 6 seeded violations".to_owned(),
        ];
        assert_eq!(counts, wanted);
    }
}
