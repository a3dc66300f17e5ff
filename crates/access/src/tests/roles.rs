//! A tenant's own roles: who uses one, who changed it, and what becomes of it when it is retired.

use jiff::SignedDuration;
use kernel::{Clock as _, Identity, Strength};

use super::rights::{DEWI, House, SARI, house, new_grant, new_role, operator, person, tenant};
use crate::{Catalogue, Error, NewRole};

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

fn asking(name: &str, factor: Strength, parents: &[&str]) -> NewRole {
    NewRole { factor, ..new_role(name, &["notes.read"], parents) }
}

#[tokio::test]
async fn a_copy_of_a_shipped_role_asks_for_as_much() {
    let house = house().await;
    let sheet = house.access.role(&tenant("sinar"), "administrator").await.unwrap();
    let all = Catalogue::shipped().unwrap().names(&sheet.permits);
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    let copy = new_role("Chief", &all, &[]);
    let refused = house.access.define_role(&operator(), &copy).await;
    let Err(error @ Error::Weak { .. }) = refused else { panic!("{refused:?}") };
    let words = error.to_string();
    assert!(words.contains("asks for an authenticator app or a passkey"), "{words}");
    let strong = NewRole { factor: Strength::Two, ..copy };
    house.access.define_role(&operator(), &strong).await.unwrap();
    // Whoever inherits it has its factor, too; and less of it may ask for less.
    house
        .access
        .define_role(&operator(), &new_role("Heir", &[], &["administrator"]))
        .await
        .unwrap();
    assert_eq!(house.access.roles(Some(&tenant("sinar"))).await.unwrap().len(), 20);
    house.access.define_role(&operator(), &new_role("Reader", &["notes.read"], &[])).await.unwrap();
    let wider = new_role("Reader", &all, &["viewer"]);
    assert!(matches!(
        house.access.define_role(&operator(), &wider).await,
        Err(Error::Weak { role, factor: Strength::Two }) if role != "viewer"
    ));
    assert_eq!(house.access.role(&tenant("sinar"), "Reader").await.unwrap().role.permits.len(), 1);
}

#[tokio::test]
async fn a_role_asks_for_less_only_by_who_shows_what_it_asked_for() {
    let house = house().await;
    let (roles, here) = (&house.access, tenant("sinar"));
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    let shown = |strength| {
        let mut by = person(DEWI);
        by.giver.as_mut().unwrap().strength = strength;
        by
    };
    let (one, key) = (shown(Strength::One), shown(Strength::Hardware));
    let limit = |minutes| Some(SignedDuration::from_mins(minutes));
    let vault = NewRole { idle: limit(10), ..asking("Vault", Strength::Hardware, &[]) };
    let night = asking("Night", Strength::One, &["Vault"]);
    // To ask for more is everybody's who may change it.
    for role in [&asking("Vault", Strength::Two, &[]), &vault, &night] {
        roles.define_role(&one, role).await.unwrap();
    }
    let weaker = [
        NewRole { factor: Strength::Two, ..vault.clone() },
        NewRole { idle: limit(11), ..vault.clone() },
        NewRole { idle: None, ..vault.clone() },
        asking("Night", Strength::One, &[]),
    ];
    for role in &weaker {
        for by in [&one, &shown(Strength::Two)] {
            let refused = roles.define_role(by, role).await;
            assert!(
                matches!(&refused, Err(Error::Strength { factor: Strength::Hardware, .. })),
                "{role:?} {refused:?}"
            );
        }
    }
    let refused = roles.retire_role(&one, &here, "Vault", true).await;
    assert!(matches!(refused, Err(Error::Strength { role, .. }) if role == "Night"));
    assert_eq!(roles.role(&here, "Vault").await.unwrap().role.factor, Strength::Hardware);
    // What is as strict as before is nothing less.
    roles.define_role(&one, &NewRole { absolute: limit(60), ..vault.clone() }).await.unwrap();
    roles.define_role(&key, &vault).await.unwrap();
    roles.define_role(&operator(), &asking("Vault", Strength::One, &[])).await.unwrap();
    let changes = roles.role(&here, "Vault").await.unwrap().changes;
    let noted: Vec<_> = changes.iter().map(|one| (one.factor, one.idle, one.absolute)).collect();
    assert_eq!(
        noted,
        [
            (Strength::One, None, None),
            (Strength::Hardware, limit(10), None),
            (Strength::Hardware, limit(10), limit(60)),
            (Strength::Hardware, limit(10), None),
            (Strength::Two, None, None),
        ]
    );
    roles.retire_role(&one, &here, "Vault", true).await.unwrap();
}
