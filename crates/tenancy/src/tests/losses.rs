//! A cell whose server is gone for good.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use kernel::Outcome;
use store::Host;

use super::cells::{Ground, ground};
use super::fleet::{ORDERS, World, script, tenant, world};
use crate::{Closing, Error, Signature, Signed, State};

/// A fleet with two tenants on its cell `east`, one of them suspended, and one that has come there
/// from home, where its old database is kept for a while.
async fn houses() -> (World, Ground) {
    let (world, other) = (world().await, ground().await);
    let fleet = &world.fleet;
    world.migrate(&[script("0001", ORDERS)]).await;
    other.join(&world, "east").await;
    for (name, cell) in [("shop", "home"), ("kiosk", "east"), ("stall", "east"), ("cart", "home")] {
        fleet.add_on(&tenant(name), cell).await.unwrap();
    }
    fleet.suspend(&tenant("stall")).await.unwrap();
    fleet.move_to(&tenant("cart"), "east", Duration::from_hours(1), &|_| {}).await.unwrap();
    (world, other)
}

fn refused<T: std::fmt::Debug>(came_to: Result<T, Error>) -> String {
    came_to.unwrap_err().to_string()
}

async fn names(world: &World) -> Vec<String> {
    let all = world.fleet.list().await.unwrap();
    all.iter().filter(|one| !one.canary).map(|one| one.id.to_string()).collect()
}

/// It goes with its tenants and nothing else, is noted as lost, and their names are free.
#[tokio::test]
async fn a_lost_cell_goes_with_its_tenants() {
    let (world, other) = houses().await;
    let fleet = &world.fleet;
    let there = refused(fleet.remove_lost_cell("east", "Sari").await);
    assert!(there.contains("is not lost: its server answers"), "{there}");
    let place = fleet.find(&tenant("kiosk")).await.unwrap().place;
    other.server.cluster().stop().await.unwrap();
    let told = refused(fleet.remove_cell("east").await);
    assert!(told.contains("3 tenants") && told.contains("--lost"), "{told}");

    let seen = fleet.look_at_lost_cell("east").await.unwrap();
    let whose: Vec<_> = seen.lost.iter().map(|loss| (loss.tenant.as_deref(), &*loss.was)).collect();
    let wanted =
        [(Some("cart"), "active"), (Some("kiosk"), "active"), (Some("stall"), "suspended")];
    assert_eq!(whose, wanted);
    assert_eq!((seen.remnants.len(), seen.remnants[0].cell.as_str()), (1, "home"), "{seen:?}");
    assert_eq!(names(&world).await.len(), 4, "nothing was changed");

    let gone = fleet.remove_lost_cell("east", "Sari").await.unwrap();
    assert_eq!(gone.lost, seen.lost);
    assert_eq!(names(&world).await, ["shop"]);
    assert_eq!(fleet.cells().await.unwrap().len(), 1);
    assert!(matches!(fleet.remove_lost_cell("east", "Sari").await, Err(Error::NoCell(_))));
    let losses = fleet.losses().await.unwrap();
    let whose: Vec<_> = losses.iter().map(|known| known.loss.tenant.as_deref().unwrap()).collect();
    assert_eq!(whose, ["cart", "kiosk", "stall"]);
    assert!(losses.iter().all(|one| one.lost_by == "Sari" && one.cell == "east"), "{losses:?}");
    assert_eq!(fleet.erasures().await.unwrap().len(), 0, "lost is not erased");
    // The copy that is left is kept, also from whoever sweeps when its hour is over.
    let due = "SELECT min(due) > now() + '29 days' FROM tenancy.leftovers";
    let tx = world.server.superuser("amanah").await.operator().await.unwrap();
    assert!(tx.query_one(due, &[]).await.unwrap().get::<_, bool>(0));
    tx.rollback().await.unwrap();
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());

    let again = fleet.add(&tenant("kiosk")).await.unwrap();
    assert_eq!((again.cell.as_str(), again.state), ("home", State::Active));
    assert_ne!(again.place.name(), place.name());
    // What is found again is no cell by itself: the databases there are of nobody.
    other.server.cluster().revive().await.unwrap();
    let back = refused(fleet.add_cell("east", &other.maker, None, None).await);
    assert!(back.contains("removed as lost"), "{back}");
    assert!(other.root.has_database(place.name()).await.unwrap(), "nothing was changed there");
}

/// No certificate says that a lost database was dropped, and the name is forgotten all the same.
#[tokio::test]
async fn an_erasure_says_what_was_lost() {
    let (world, other) = houses().await;
    let (fleet, id) = (&world.fleet, tenant("kiosk"));
    other.server.cluster().stop().await.unwrap();
    let lost = fleet.remove_lost_cell("east", "Sari").await.unwrap();
    let place = lost.lost.iter().find(|one| one.tenant.as_deref() == Some("kiosk"));
    let place = &place.unwrap().database;
    fleet.add(&id).await.unwrap();
    let sign = |_: &[u8]| Ok(Signature { public_key: [7; 32], bytes: vec![1] });
    let (by, remains) = ("Sari".to_owned(), Vec::new());
    let closing = Closing { version: "0.0.0", by, remains, last: true };
    let (_, text) = fleet.erase(&id).await.unwrap().certify(closing, &sign).await.unwrap();
    let Signed { certificate, .. } = Signed::parse(&text).unwrap();
    let told = certificate.remains.iter().find(|line| line.contains(place.as_str())).unwrap();
    assert!(told.contains("It was not dropped"), "{told}");
    assert_ne!(&certificate.database, place);
    let losses = fleet.losses().await.unwrap();
    let known = losses.iter().find(|known| known.loss.database == *place).unwrap();
    assert_eq!(known.loss.tenant, None);
    assert_eq!(known.tenant_sha256.as_ref(), Some(&certificate.tenant_sha256));
    for harm in [
        "UPDATE tenancy.losses SET lost_by = 'nobody'",
        "UPDATE tenancy.losses SET tenant = 'another'",
        "DELETE FROM tenancy.losses",
        "TRUNCATE tenancy.losses",
        "SET session_replication_role = replica; DELETE FROM tenancy.losses",
    ] {
        let tx = world.server.superuser("amanah").await.operator().await.unwrap();
        let error = tx.batch(harm).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42501"), "{harm}");
    }
}

/// Whatever takes a connection at its address may be its server; a tenant on its way there is
/// whole elsewhere; and the first cell stays.
#[tokio::test]
async fn what_may_be_there_is_not_lost() {
    let (world, other) = houses().await;
    let fleet = &world.fleet;
    let home = refused(fleet.remove_lost_cell("home", "Sari").await);
    assert!(home.contains("stays"), "{home}");
    other.server.cluster().stop().await.unwrap();
    let url = other.superuser();
    let Host::Socket(dir) = &url.host else { panic!("a superuser connects by a socket") };
    let socket = dir.join(format!(".s.PGSQL.{}", url.port));
    let something = UnixListener::bind(&socket).unwrap();
    let there = refused(fleet.remove_lost_cell("east", "Sari").await);
    assert!(there.contains("something takes connections at its address"), "{there}");
    drop(something);
    std::fs::remove_file(&socket).unwrap();

    let moving = "UPDATE tenancy.tenants SET state = 'moving', target = 'east', before = 'active' \
                  WHERE id = 'shop'";
    world.sql("amanah", moving).await;
    let coming = refused(fleet.look_at_lost_cell("east").await);
    assert!(coming.contains("on their way there") && coming.contains("`shop`"), "{coming}");
    fleet.resume(&tenant("shop")).await.unwrap();
    // Its copy there never was one that counts.
    fleet.look_at_lost_cell("east").await.unwrap();
    assert_eq!(names(&world).await.len(), 4);

    // Another cluster has its address now.
    other.server.cluster().revive().await.unwrap();
    let foreign = "UPDATE tenancy.cells SET server = '1', added_at = now() WHERE name = 'east'";
    world.sql("amanah", foreign).await;
    let lost = fleet.remove_lost_cell("east", "Sari").await.unwrap();
    assert!(lost.silence.contains("another server"), "{lost:?}");
    assert_eq!(names(&world).await, ["shop"]);
}
