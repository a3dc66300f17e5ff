//! A tenant's own roles: who uses one, who changed it, and what becomes of it when it is retired.

use kernel::{Clock as _, Identity, Strength};

use super::rights::{DEWI, House, SARI, house, new_grant, new_role, operator, person, tenant};
use crate::Error;

async fn sari_works_nights() -> House {
    let house = house().await;
    let tx = house.base.owner.operator().await.unwrap();
    let sql =
        "INSERT INTO identity.accounts VALUES ($1::text::uuid, 'sari@sinar.example', 'sinar')";
    tx.execute(sql, &[&SARI]).await.unwrap();
    tx.commit().await.unwrap();
    let night = new_role("Night", &["notes.read", "notes.delete"], &["viewer"]);
    house.access.define_role(&operator(), &night).await.unwrap();
    house.access.define_role(&operator(), &new_role("Late", &[], &["Night"])).await.unwrap();
    house.grant(&operator(), SARI, "Night").await.unwrap();
    house
}

#[tokio::test]
async fn a_role_in_use_is_retired_only_anyway_and_nobody_has_the_next_of_its_name() {
    let house = sari_works_nights().await;
    let (roles, here) = (&house.access, tenant("sinar"));
    let refused = roles.retire_role(&operator(), &here, "Night", false).await;
    let Err(Error::InUse { by, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(by, "sari@sinar.example, the role Late");
    assert!(!house.standing(SARI, "sinar").await.permits.is_empty());
    let lost = roles.retire_role(&operator(), &here, "Night", true).await.unwrap();
    assert_eq!(lost, ["sari@sinar.example"]);
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
    assert!(matches!(roles.role(&here, "Night").await, Err(Error::NoRole(_))));
    roles.define_role(&operator(), &new_role("Night", &["notes.read"], &[])).await.unwrap();
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
    // Nor by a role that had all of the one before.
    house.grant(&operator(), SARI, "Late").await.unwrap();
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
    house.access.revoke(&operator(), SARI, &here, "Late").await.unwrap();
    assert!(roles.retire_role(&operator(), &here, "Night", true).await.unwrap().is_empty());
    roles.retire_role(&operator(), &here, "Late", false).await.unwrap();
}

#[tokio::test]
async fn what_a_role_is_and_who_made_it_so_is_told_and_kept() {
    let house = sari_works_nights().await;
    let here = tenant("sinar");
    let less = new_role("Night", &["notes.read"], &[]);
    house.access.define_role(&operator(), &less).await.unwrap();
    let sheet = house.access.role(&here, "Night").await.unwrap();
    assert_eq!((sheet.role.permits, sheet.shipped), (vec!["notes.read".to_owned()], false));
    assert_eq!(
        (sheet.holders.concat(), sheet.heirs.concat()),
        ("sari@sinar.example".to_owned(), "Late".to_owned())
    );
    let changes: Vec<_> =
        sheet.changes.iter().map(|one| (one.by.as_str(), one.permits, one.parents.len())).collect();
    assert_eq!(changes, [("the operator", 1, 0), ("the operator", 2, 1)]);
    let shipped = house.access.role(&here, "viewer").await.unwrap();
    assert!(shipped.shipped && shipped.changes.is_empty() && !shipped.role.permits.is_empty());
    for sql in ["DELETE FROM access.role_changes", "UPDATE access.role_changes SET done_by = 'x'"] {
        let told = house.attempt(&house.base.owner, sql).await;
        assert!(told.contains("is evidence"), "{told}");
        assert!(house.attempt(&house.base.engine, sql).await.contains("denied"));
    }
}

#[tokio::test]
async fn nobody_changes_a_role_that_has_more_than_they_may() {
    let house = house().await;
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    let wide = new_role("Wide", &["encryption.destroy"], &[]);
    house.access.define_role(&operator(), &wide).await.unwrap();
    let less = new_role("Wide", &["notes.read"], &[]);
    let refused = house.access.define_role(&person(DEWI), &less).await;
    assert!(matches!(refused, Err(Error::Escalation(_))), "{refused:?}");
    let refused = house.access.retire_role(&person(DEWI), &tenant("sinar"), "Wide", true).await;
    assert!(matches!(refused, Err(Error::Escalation(_))), "{refused:?}");
}

#[tokio::test]
async fn who_keeps_roles_is_there_in_person_and_has_just_proven_it() {
    let house = house().await;
    let who = |recent: bool| Identity {
        account: DEWI.to_owned(),
        actor: kernel::Actor::new("dewi@sinar.example").unwrap(),
        name: "Dewi".to_owned(),
        tenant: tenant("sinar"),
        standing: kernel::Standing::default(),
        strength: Strength::Two,
        authenticated_at: if recent { house.clock.now() } else { jiff::Timestamp::UNIX_EPOCH },
        session: "s".to_owned(),
        door: kernel::Door::Browser,
    };
    assert!(matches!(house.access.role_keeper(&who(true)).await, Err(Error::Refused)));
    house.access.grant(&operator(), &new_grant(DEWI, "administrator")).await.unwrap();
    assert!(matches!(house.access.role_keeper(&who(false)).await, Err(Error::StepUp)));
    assert!(house.access.role_keeper(&who(true)).await.is_ok());
    let program = Identity { door: kernel::Door::ApiKey, ..who(true) };
    assert!(matches!(house.access.role_keeper(&program).await, Err(Error::Refused)));
}
