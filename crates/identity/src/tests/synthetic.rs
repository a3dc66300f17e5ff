//! The proofs' own people and tenants are nobody else's, on a real PostgreSQL.

use kernel::{Provision, Provisioned, SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, TenantId};

use crate::mail::tests::{EMAIL, account, house};
use crate::{Email, Error};

/// PostgreSQL's code for a check that failed.
const CHECK: &str = "23514";

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

#[test]
fn what_is_written_out_is_among_the_proofs_own_tenants() {
    use crate::controls::visitors::{SHUT, TENANT};
    assert_eq!(TENANT, format!("{SYNTHETIC_TENANTS}-sessions"));
    assert_eq!(SHUT, format!("{SYNTHETIC_TENANTS}-suspended-"));
    for sql in [
        crate::sql::COUNT_LIVING,
        crate::sql::LATE_SESSIONS,
        crate::sql::tokens::COUNT_FAMILIES,
        crate::sql::tokens::LATE_FAMILIES,
    ] {
        assert!(sql.contains(&format!("a.tenant <> '{TENANT}'")), "{sql}");
    }
}

#[tokio::test]
async fn the_proofs_own_addresses_and_tenants_are_given_to_no_person() {
    let house = house().await;
    let reserved = format!("sari{SYNTHETIC_DOMAIN}");
    let theirs = format!("{SYNTHETIC_TENANTS}-sessions");
    let identities = &house.room.identities;
    let mut there = account("dewi@sinar.example", "Dewi");
    there.tenant = tenant(&theirs);
    for new in [account(&reserved, "Sari"), account(&reserved.to_uppercase(), "Sari"), there] {
        let made = identities.create_account(&new).await;
        assert!(matches!(made, Err(Error::Reserved)), "{made:?}");
    }
    // Theirs alone are made as such, and nobody's address is.
    let nobody = identities.create_synthetic(&account("budi@sinar.example", "Budi")).await;
    assert!(matches!(nobody, Err(Error::Reserved)), "{nobody:?}");
    let canary = identities.create_synthetic(&account(&reserved, "Canary")).await.unwrap();

    for (of, email) in [("sinar", reserved.as_str()), (&theirs, "dewi@sinar.example")] {
        let (email, name, language) = (email.to_owned(), "Dewi".to_owned(), "id".to_owned());
        let new = Provision { tenant: tenant(of), email, name, language };
        let made = house.room.provision(&new).await.unwrap();
        assert!(matches!(made, Provisioned::Unfit(_)), "{of} {made:?}");
    }
    assert!(
        identities.account_of(&Email::new(&reserved).unwrap()).await.unwrap().unwrap().0 == canary
    );
}

#[tokio::test]
async fn the_database_makes_nobody_one_of_the_proofs_people() {
    let house = house().await;
    let tx = house.room.db.operator().await.unwrap();
    let new = "INSERT INTO identity.accounts (email, display_name, tenant, password_hash, created_at) \
        VALUES ($1, 'x', $2, '$argon2id$v=19$m=', now())";
    for (email, of) in [("x@amanah.invalid", "sinar"), ("x@sinar.example", "amanah-canary-a")] {
        let made = tx.attempt(new, &[&email, &of]).await.unwrap();
        assert_eq!(made.unwrap_err().sqlstate(), Some(CHECK), "{email}");
    }
    // Not by another address either, by the program or by the owner; nor is it said afterwards.
    let moved = "UPDATE identity.accounts SET email = 'sari@amanah.invalid' WHERE email = $1";
    let answer = tx.attempt(moved, &[&EMAIL]).await.unwrap();
    assert_eq!(answer.unwrap_err().sqlstate(), Some(CHECK));
    let said = "UPDATE identity.accounts SET synthetic = true, email = 'sari@amanah.invalid'";
    assert!(tx.attempt(said, &[]).await.unwrap().unwrap_err().is_denied());
    tx.rollback().await.unwrap();
}
