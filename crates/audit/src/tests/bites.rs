//! The bites bite.

use std::sync::Arc;

use kernel::Outcome;

use super::{Keeper, SHOP, cx, house, watched};
use crate::{Watched, controls};

/// Every seeded violation is found by its control, with the guard and without it, and no sandbox
/// is left behind.
#[tokio::test]
async fn every_seeded_violation_is_found() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let mut counts = Vec::new();
        for control in controls(vec![watched(&protected)]) {
            let proof = control.bite(&cx()).await;
            let id = control.card().id;
            let needs = match id {
                "access.production-audited" => Some("it takes a superuser"),
                "audit.reads" => Some("a superuser keeps the trail, and no login at hand"),
                _ => None,
            };
            if let Some(why) = needs.filter(|_| keeper == Keeper::Owner) {
                assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
                assert!(proof.detail().contains(why), "{}", proof.detail());
                continue;
            }
            assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
            counts.push(proof.population().to_string());
        }
        // Without a superuser there is no guard over DDL to take away, and nobody gives a partition to
        // somebody else.
        let first = if keeper == Keeper::Superuser { 14 } else { 9 };
        let mut wanted = vec![
            format!("{first} of {first} seeded violations"),
            "10 of 10 seeded violations".to_owned(),
        ];
        if keeper == Keeper::Superuser {
            wanted.push("5 of 5 seeded violations".to_owned());
        }
        wanted.push("6 of 6 seeded violations".to_owned());
        wanted.push("5 of 5 seeded violations".to_owned());
        wanted.push("7 of 7 seeded violations".to_owned());
        if keeper == Keeper::Superuser {
            wanted.push("10 of 10 seeded violations".to_owned());
        }
        wanted.push("5 of 5 seeded violations".to_owned());
        let last = if keeper == Keeper::Superuser { 8 } else { 5 };
        wanted.push(format!("{last} of {last} seeded violations"));
        wanted.push("5 of 5 seeded violations".to_owned());
        assert_eq!(counts, wanted);
    }
}

/// Whoever hands over a list of tables that looks at the tenant column alone is found out.
#[tokio::test]
async fn a_list_without_links_does_not_pass() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let blind = Watched { critical: Arc::new(|_| Vec::new()), ..watched(&protected) };
    let all = controls(vec![blind]);
    let proof = all[1].bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(proof.detail().contains("that points to one"), "{}", proof.detail());
}
