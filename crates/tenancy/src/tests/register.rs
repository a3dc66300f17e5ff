//! Keys that a database honours and nobody here has made, and everything that only looks like one.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{Clock, Fut, Outcome, SystemClock, SystemRng};

use super::fixture::{self, NUMBERS, as_owner, as_superuser, prove};
use crate::{Answer, BindingKey, Guarded, Register, end_key, forget_keys, install_key, strangers};

const SCHEMA: &str = "CREATE TABLE note (tenant integer NOT NULL, body text NOT NULL);
    GRANT SELECT, INSERT, UPDATE, DELETE ON note TO {app}";
/// A row that somebody else has put there, honoured until `$UNTIL`.
const ROW: &str = "INSERT INTO amanah.binding_key
    SELECT 'theirs', sha512('a'), sha512('b'), now() - interval '1 hour', $UNTIL";

async fn protected() -> Guarded {
    fixture::protected(SCHEMA, "tenant", NUMBERS).await
}

async fn told(guarded: &Guarded) -> Vec<String> {
    let strangers = strangers(&guarded.protected.owner, &guarded.key).await.unwrap();
    strangers.iter().map(|stranger| stranger.finding().to_string()).collect()
}

/// A key that nobody here has made is a finding by its name, for as long as it would be honoured.
#[tokio::test]
async fn a_key_that_nobody_here_has_made_is_found() {
    let guarded = protected().await;
    assert_eq!(prove(&guarded).await.outcome(), Outcome::Holds);
    for until in ["now() + interval '1 year'", "'infinity'"] {
        as_owner(&guarded, &ROW.replace("$UNTIL", until)).await;
        let proof = prove(&guarded).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
        let [finding] = proof.findings() else { panic!("{:?}", proof.findings()) };
        assert_eq!(finding.object, "amanah.binding_key");
        assert!(finding.what.contains("it honours the key theirs"), "{finding}");
        let fix = finding.fix.as_ref().unwrap();
        assert!(fix.ends_with("DELETE FROM amanah.binding_key WHERE kid = E'theirs'"), "{fix}");
        // It is known for what it is in the list too.
        let tx = guarded.protected.owner.operator().await.unwrap();
        assert_eq!(crate::known_keys(&tx).await.unwrap().len(), 2);
        tx.rollback().await.unwrap();
        as_owner(&guarded, "DELETE FROM amanah.binding_key WHERE kid = 'theirs'").await;
    }
    as_owner(&guarded, &ROW.replace("$UNTIL", "now() - interval '1 minute'")).await;
    assert_eq!(told(&guarded).await, [""; 0], "one that has ended makes no tokens");
    // Another key by the name of ours, and a key that the owner does not see.
    let same = "UPDATE amanah.binding_key SET inner_pad = sha512('a') WHERE kid <> 'theirs'";
    as_owner(&guarded, same).await;
    let told = told(&guarded).await;
    assert!(told.len() == 1 && told[0].contains("honours another key by the name"), "{told:?}");
    as_owner(&guarded, "ALTER TABLE amanah.binding_key ENABLE ROW LEVEL SECURITY").await;
    let tx = guarded.protected.owner.operator().await.unwrap();
    let all = crate::attack::installed(&tx, &guarded.protected.app_role).await.unwrap();
    assert!(all.iter().any(|finding| finding.what.contains("can hide a key")), "{all:?}");
}

/// What is written down of keys, with something that happens when it is asked.
struct Book {
    keys: Mutex<Vec<BindingKey>>,
    guarded: Guarded,
    next: Next,
}

/// What somebody else does while a database and a book are read.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    /// A key whose end has come is struck out, before the book is read.
    Ends,
    /// A key is made, after the book was read.
    Begins,
}

impl Book {
    fn of(guarded: &Guarded, next: Next, keys: &[&BindingKey]) -> Guarded {
        let keys = Mutex::new(keys.iter().copied().cloned().collect());
        let book = Self { keys, guarded: guarded.clone(), next };
        let key = guarded.key.clone().written_down(Arc::new(book));
        Guarded { key, ..guarded.clone() }
    }

    async fn read(&self) -> Vec<BindingKey> {
        let owner = &self.guarded.protected.owner;
        let keys = || self.keys.lock().unwrap().clone();
        let now = SystemClock.now();
        let tx = owner.operator().await.unwrap();
        match self.next {
            Next::Nothing => {}
            Next::Ends => {
                // In the order of a rotation: the database first.
                let gone = keys().pop().unwrap();
                end_key(&tx, gone.kid(), now).await.unwrap();
                let later = now + SignedDuration::from_secs(1);
                let wait = "SELECT pg_catalog.pg_sleep_until($1)";
                tx.query(wait, &[&later]).await.unwrap();
                tx.commit().await.unwrap();
                let tx = owner.operator().await.unwrap();
                assert_eq!(forget_keys(&tx, later).await.unwrap(), 1);
                tx.commit().await.unwrap();
                self.keys.lock().unwrap().pop();
                return keys();
            }
            Next::Begins => {
                let before = keys();
                let made = before.last().unwrap().successor(&SystemRng).unwrap();
                self.keys.lock().unwrap().push(made.clone());
                install_key(&tx, &made, now).await.unwrap();
                tx.commit().await.unwrap();
                return before;
            }
        }
        tx.rollback().await.unwrap();
        keys()
    }
}

impl Register for Book {
    fn keys(&self) -> Fut<'_, Answer<Vec<BindingKey>>> {
        Box::pin(async { Ok(self.read().await) })
    }
}

/// What cannot be read.
struct Torn;

impl Register for Torn {
    fn keys(&self) -> Fut<'_, Answer<Vec<BindingKey>>> {
        Box::pin(async { Err("it is torn".to_owned()) })
    }
}

/// A key that is to follow, one in its overlap, one that ends and one that is made in the very moment
/// are ours; a book that cannot be read tells nothing.
#[tokio::test]
async fn no_rotation_is_mistaken_for_a_stranger() {
    let guarded = protected().await;
    let current = BindingKey::clone(&guarded.key.get());
    let next = current.successor(&SystemRng).unwrap();
    let tx = guarded.protected.owner.operator().await.unwrap();
    install_key(&tx, &next, SystemClock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(told(&guarded).await.len(), 1, "without a book, the current one alone is known");
    for step in [Next::Nothing, Next::Begins] {
        let booked = Book::of(&guarded, step, &[&current, &next]);
        assert_eq!(told(&booked).await, [""; 0]);
    }
    // The one that was made in between is in nobody's book now.
    as_owner(
        &guarded,
        &format!(
            "DELETE FROM amanah.binding_key WHERE kid NOT IN ('{}', '{}')",
            current.kid(),
            next.kid()
        ),
    )
    .await;
    let booked = Book::of(&guarded, Next::Ends, &[&current, &next]);
    assert_eq!(told(&booked).await, [""; 0]);
    let torn = Guarded { key: guarded.key.clone().written_down(Arc::new(Torn)), ..guarded.clone() };
    let proof = prove(&torn).await;
    assert_eq!(proof.outcome(), Outcome::Unknown);
    assert!(proof.detail().contains("it is torn"), "{}", proof.detail());
}

/// Two installations on one database: neither can tell whose the other's key is, and neither is told that
/// it is somebody's who broke in.
#[tokio::test]
async fn where_another_installation_is_it_cannot_be_told() {
    let guarded = protected().await;
    as_owner(&guarded, &ROW.replace("$UNTIL", "now() + interval '1 year'")).await;
    let role = format!("amanah_intruder_0f0f0f0f_{}", guarded.protected.name);
    as_superuser(&guarded, &format!("CREATE ROLE {role}; GRANT {{app}} TO {role}")).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert!(
        proof.detail().contains(&role) && proof.detail().contains("theirs"),
        "{}",
        proof.detail()
    );
    as_superuser(&guarded, &format!("DROP ROLE {role}")).await;
    assert_eq!(prove(&guarded).await.outcome(), Outcome::Broken);
}
