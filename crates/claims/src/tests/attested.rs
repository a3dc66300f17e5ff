//! Attestations on a real PostgreSQL: nobody changes one, and none counts that the ring has not signed.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Attestation, Attestations as _, Signatory, SystemRng};
use store::Db;
use testkit::TestDb;
use tlog::Signer;

use super::database;
use crate::Ledger;

/// Signs with keys that these seeds give.
struct Pen(Vec<Signer>);

impl Signatory for Pen {
    fn public_keys(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.0.iter().map(|one| one.verifier().key()).collect())
    }

    fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
        let one = self.0.iter().find(|one| one.verifier().key() == *key).ok_or("no such key")?;
        Ok(one.sign(text).try_into().unwrap())
    }
}

fn ledger(db: &Db, seeds: &[u8]) -> Ledger {
    let signers = seeds.iter().map(|seed| Signer::from_seed("a/words", &[*seed; 32]).unwrap());
    Ledger::new(db.clone(), Arc::new(Pen(signers.collect())), "a/words", Arc::new(SystemRng))
}

fn word(subject: &str) -> Attestation {
    Attestation {
        claim: "people.nda".to_owned(),
        subject: subject.to_owned(),
        statement: "it was signed".to_owned(),
        digest: [7; 32],
        document: "the safe, folder 3".to_owned(),
        by: "Sari, legal".to_owned(),
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        until: Timestamp::from_second(1_810_000_000).unwrap(),
    }
}

async fn wrong(ledger: &Ledger) -> Vec<bool> {
    let all = ledger.about("people.nda").await.unwrap();
    all.iter().map(|one| one.wrong.is_some()).collect()
}

#[tokio::test]
async fn what_was_signed_counts_and_is_what_was_said() {
    let db = database().await;
    let (old, both) = (ledger(&db.engine, &[1]), ledger(&db.engine, &[2, 1]));
    let first = old.attest(&word("one")).await.unwrap();
    let second = both.attest(&word("two")).await.unwrap();
    let all = both.about("people.nda").await.unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.id, one.attestation.clone())).collect();
    assert_eq!(seen, [(first, word("one")), (second, word("two"))]);
    assert_eq!(wrong(&both).await, [false, false], "a key that was rotated still counts");
    assert_eq!(wrong(&old).await, [false, true], "a key that is not known does not");
    assert_eq!(wrong(&ledger(&db.engine, &[])).await, [true, true]);
    assert_eq!(both.about("people.training").await.unwrap(), []);
}

/// Each column, changed by somebody with a superuser's login, makes the row none.
#[tokio::test]
async fn a_changed_row_does_not_count() {
    let db = database().await;
    let ledger = ledger(&db.engine, &[1]);
    ledger.attest(&word("one")).await.unwrap();
    let change = async |db: &TestDb, set: &str| {
        let tx = db.superuser.operator().await.unwrap();
        tx.batch("ALTER TABLE claims.attestation DISABLE TRIGGER ALL").await.unwrap();
        tx.batch(&format!("UPDATE claims.attestation SET {set}")).await.unwrap();
        tx.batch("ALTER TABLE claims.attestation ENABLE ALWAYS TRIGGER attestation_append_only")
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    for (set, back) in [
        ("subject = 'two'", "subject = 'one'"),
        ("statement = 'it was not signed'", "statement = 'it was signed'"),
        ("digest = decode(repeat('08', 32), 'hex')", "digest = decode(repeat('07', 32), 'hex')"),
        ("document = 'the bin'", "document = 'the safe, folder 3'"),
        ("attested_by = 'Eve'", "attested_by = 'Sari, legal'"),
        ("attested_at = attested_at + '1 s'", "attested_at = attested_at - interval '1 s'"),
        ("expires_at = expires_at + '1 y'", "expires_at = expires_at - interval '1 y'"),
        // One field that holds the line of the next one.
        (
            "statement = E'it was signed\\nsha256 00', subject = 'one'",
            "statement = 'it was signed'",
        ),
    ] {
        change(&db, set).await;
        assert_eq!(wrong(&ledger).await, [true], "{set}");
        change(&db, back).await;
        assert_eq!(wrong(&ledger).await, [false], "{back}");
    }
}

#[tokio::test]
async fn nobody_changes_a_row_and_the_engine_adds_alone() {
    let db = database().await;
    ledger(&db.engine, &[1]).attest(&word("one")).await.unwrap();
    for login in [&db.owner, &db.engine, &db.superuser] {
        let tx = login.operator().await.unwrap();
        for sql in [
            "UPDATE claims.attestation SET expires_at = expires_at",
            "DELETE FROM claims.attestation",
            "TRUNCATE claims.attestation",
        ] {
            let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
            assert!(refused.is_denied(), "{sql}: {refused}");
        }
        tx.rollback().await.unwrap();
    }
    let tx = db.engine.operator().await.unwrap();
    for sql in [
        "ALTER TABLE claims.attestation DISABLE TRIGGER ALL",
        "INSERT INTO claims.attestation (claim, subject, statement, digest, document, attested_by,
             attested_at, expires_at, signature, received_at)
         SELECT claim, subject, statement, digest, document, attested_by, attested_at, expires_at,
                signature, now() FROM claims.attestation",
    ] {
        let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
        assert!(refused.is_denied(), "{sql}: {refused}");
    }
}

/// A rehearsal sees what it signed and what it forged, and leaves nothing.
#[tokio::test]
async fn a_rehearsal_leaves_nothing() {
    let db = database().await;
    let ledger = ledger(&db.engine, &[1]);
    let seen = ledger.rehearse("people.nda", &[word("one")], &[word("two")]).await.unwrap();
    let seen: Vec<_> =
        seen.iter().map(|one| (one.attestation.subject.as_str(), one.wrong.is_some())).collect();
    assert_eq!(seen, [("one", false), ("two", true)]);
    assert_eq!(ledger.about("people.nda").await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_read_in_one_way_is_not_signed() {
    let db = database().await;
    let ledger = ledger(&db.engine, &[1]);
    let lines = Attestation { by: "Sari\nuntil 9".to_owned(), ..word("one") };
    let long = Attestation { statement: "x".repeat(4_001), ..word("one") };
    let backward = Attestation { until: word("one").at, ..word("one") };
    for (one, why) in [
        (lines, "its name has control characters"),
        (word(""), "its subject is empty"),
        (long, "its statement is empty, or longer than 4000 bytes"),
        (backward, "it ends before it begins"),
    ] {
        let error = ledger.attest(&one).await.unwrap_err();
        assert!(error.starts_with(why), "{error}");
    }
    assert_eq!(ledger.about("people.nda").await.unwrap(), []);
}
