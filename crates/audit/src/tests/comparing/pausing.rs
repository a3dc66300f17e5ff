//! The time in which Amanah itself works on a trail.

use super::{Look, SALE, run, world};
use crate::wal::Kind;

const HIDDEN: &str = "ALTER TABLE product DISABLE TRIGGER ALL";

/// What was written meanwhile is passed over, and that it was is kept, with who explains it. What was
/// written before is compared.
#[tokio::test]
async fn a_pause_is_kept_with_its_explanation() {
    let world = world().await;
    run(world.superuser(), HIDDEN).await;
    run(world.superuser(), SALE).await;
    let paused = world.comparison.pause(world.superuser()).await.unwrap();
    let look = world.comparison.look(world.superuser()).await.unwrap();
    assert!(matches!(look, Look::Paused), "{look:?}");
    run(world.superuser(), SALE).await;
    paused.end(world.superuser(), Some("budi")).await.unwrap();
    assert_eq!(world.told().await, ["unrecorded: INSERT public.product, 1 and 0"]);
    let standing = world.standing().await;
    assert_eq!(standing.maintained, 1);
    assert!(standing.maintained_at.is_some());
    // The same slot goes on: what comes next is compared.
    run(world.superuser(), SALE).await;
    assert_eq!(world.told().await.len(), 2);
    world.end().await;
}

/// Work that failed is for somebody to look into, and the comparison goes on; so it does after a kill.
#[tokio::test]
async fn a_pause_that_does_not_end_well_is_told() {
    let world = world().await;
    run(world.superuser(), HIDDEN).await;
    for (n, killed) in [(1, false), (2, true)] {
        let paused = world.comparison.pause(world.superuser()).await.unwrap();
        run(world.superuser(), SALE).await;
        if killed {
            drop(paused);
        } else {
            paused.end(world.superuser(), None).await.unwrap();
        }
        let open = world.look().await;
        assert_eq!(open.len(), n, "{open:?}");
        assert!(open.iter().all(|open| open.kind == Kind::Maintenance), "{open:?}");
        assert!(open[0].to_string().contains("was not compared from "), "{}", open[0]);
    }
    run(world.superuser(), SALE).await;
    assert_eq!(world.told().await[2..], ["unrecorded: INSERT public.product, 1 and 0"]);
    assert_eq!(world.standing().await.maintained, 0);
    world.end().await;
}
