//! Closing an account: nothing of it is left, and no place that names accounts is forgotten.

use kernel::Sessions as _;

use super::{EMAIL, house, right};
use crate::sql::close::{Fate, NAMING, RULES};
use crate::{Email, Error};

/// A migration that adds a table with accounts in it has to say what becomes of its rows.
#[tokio::test]
async fn every_place_that_names_an_account_has_a_rule() {
    let house = house().await;
    let tx = house.base.owner.operator().await.unwrap();
    let rows = tx.query(NAMING, &[]).await.unwrap();
    let places: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(places.contains(&("sessions".to_owned(), "account".to_owned())), "{places:?}");
    for (table, column) in places {
        let known = RULES.iter().any(|rule| rule.table == table && rule.column == column);
        assert!(known, "sql/close.rs has no rule for identity.{table}.{column}");
    }
    tx.batch("CREATE TABLE identity.forgotten (who uuid REFERENCES identity.accounts (id))")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let email = Email::new(EMAIL).unwrap();
    let account = house.identities.known_as(&email).await.unwrap().unwrap().account;
    let closed = house.identities.close(&account, None).await.unwrap();
    assert_eq!(closed.unknown, ["identity.forgotten.who"]);
}

#[tokio::test]
async fn nothing_of_a_closed_account_counts() {
    let house = house().await;
    let token = house.identities.sign_in(EMAIL, &right()).await.unwrap().session().unwrap();
    let email = Email::new(EMAIL).unwrap();
    let known = house.identities.known_as(&email).await.unwrap().unwrap();
    assert!(!known.closed);
    let closed = house.identities.close(&known.account, None).await.unwrap();
    assert_eq!((closed.email.as_str(), closed.tenant.as_str()), (EMAIL, "sinar"));
    assert!(closed.ended.contains(&("sessions", 1)), "{closed:?}");
    assert!(closed.unknown.is_empty());
    assert_eq!(house.identities.decide(&token).await.unwrap(), None);
    let again = house.identities.sign_in(EMAIL, &right()).await;
    assert!(matches!(again, Err(Error::Refused)), "{again:?}");
    assert!(house.identities.known_as(&email).await.unwrap().unwrap().closed);
    // The password went too: whoever opens the account by hand does not bring it back.
    let tx = house.base.owner.operator().await.unwrap();
    tx.batch("UPDATE identity.accounts SET disabled_at = NULL").await.unwrap();
    tx.commit().await.unwrap();
    assert!(house.identities.sign_in(EMAIL, &right()).await.is_err());
    assert!(
        house
            .identities
            .close(&known.account, None)
            .await
            .unwrap()
            .ended
            .contains(&("sessions", 0))
    );
    // And the running program cannot.
    let tx = house.base.engine.operator().await.unwrap();
    let back = tx.attempt("UPDATE identity.accounts SET disabled_at = NULL", &[]).await.unwrap();
    assert!(back.is_err());
}

/// What is ended is ended for the account that was meant.
#[test]
fn every_statement_names_the_account() {
    for rule in RULES {
        if let Fate::End(statement) = rule.fate {
            let of = format!("{} = $1::text::uuid", rule.column);
            assert!(statement.contains(&of) && statement.contains(rule.table), "{statement}");
        }
    }
}
