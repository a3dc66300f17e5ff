//! What comes between two statements of somebody else. A second connection keeps one of them from going
//! on until the other waits as well: what is tried is the order, and no luck.

use std::time::{Duration, Instant};

use kernel::{Credentials as _, Sessions as _, Strength, SystemRng, own};
use store::OperatorTx;
use testkit::TestDb;

use super::factors::{guarded, party};
use super::{EMAIL, house, right};
use crate::passkey::SoftKey;
use crate::tests_mail::{Roles, new};
use crate::{Again, Email, Error, Holder, NewAccount, NewKey, Opening};

/// How long a test waits for others to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever does something to one table comes no further until it is opened.
struct Gate<'a> {
    base: &'a TestDb,
    held: OperatorTx,
}

impl<'a> Gate<'a> {
    /// After each `INSERT` or `UPDATE` of a row of `table`, in the transaction that does it.
    async fn after(base: &'a TestDb, what: &str, table: &str) -> Self {
        let tx = base.owner.operator().await.unwrap();
        let gate = format!(
            "CREATE FUNCTION identity.gate() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END'; \
             CREATE TRIGGER gate AFTER {what} ON identity.{table} \
                 FOR EACH ROW EXECUTE FUNCTION identity.gate()"
        );
        tx.batch(&gate).await.unwrap();
        tx.commit().await.unwrap();
        Self::of(base, "SELECT pg_advisory_xact_lock(4711)").await
    }

    /// Holds what `sql` holds.
    async fn of(base: &'a TestDb, sql: &str) -> Self {
        let held = base.owner.operator().await.unwrap();
        held.query(sql, &[]).await.unwrap();
        Self { base, held }
    }

    /// Until so many others wait for a lock.
    async fn waits(&self, many: i64) {
        let waiting = "SELECT count(DISTINCT l.pid) FROM pg_locks l \
            JOIN pg_stat_activity a ON a.pid = l.pid \
            WHERE NOT l.granted AND a.datname = current_database()";
        let begun = Instant::now();
        loop {
            let tx = self.base.superuser.operator().await.unwrap();
            let now: i64 = tx.query_one(waiting, &[]).await.unwrap().get(0);
            tx.rollback().await.unwrap();
            if now >= many {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{now} of {many} wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn open(self) {
        self.held.commit().await.unwrap();
    }
}

/// Two sessions of the same person: the one that is kept, and one that somebody else has.
struct Two {
    house: super::House,
    account: String,
    kept: kernel::SessionToken,
    stolen: kernel::SessionToken,
}

async fn two() -> Two {
    let house = house().await;
    let email = Email::new(EMAIL).unwrap();
    let account = house.identities.find(&email).await.unwrap().unwrap().0;
    let open = || house.identities.open_session(&account, Strength::One, Opening::default());
    let (kept, stolen) = (open().await.unwrap(), open().await.unwrap());
    Two { house, account, kept, stolen }
}

/// The stolen session proves itself again and has its new name, and has not committed.
#[tokio::test]
async fn the_end_of_all_others_meets_a_session_that_is_being_renewed() {
    let Two { house, account, kept, stolen } = two().await;
    let identities = &house.identities;
    let keep = identities.decide(&kept).await.unwrap().unwrap().session.clone();
    let thief = identities.decide(&stolen).await.unwrap().unwrap();
    let gate = Gate::after(&house.base, "INSERT", "sessions").await;
    let password = right();
    let renewed = identities.step_up(&thief, &stolen, Again::Password(&password));
    let ended = async {
        gate.waits(1).await;
        let open = async {
            gate.waits(2).await;
            gate.open().await;
        };
        tokio::join!(identities.end_others(&account, &keep), open).0
    };
    let (renewed, ended) = tokio::join!(renewed, ended);
    assert_eq!(ended.unwrap(), 1);
    assert!(!house.holds(&renewed.unwrap()).await && !house.holds(&stolen).await);
    assert!(house.holds(&kept).await);
}

/// The other way round: all others are being ended, and then one of them is to be renewed.
#[tokio::test]
async fn a_session_that_is_being_ended_is_not_renewed() {
    let Two { house, account, kept, stolen } = two().await;
    let identities = &house.identities;
    let keep = identities.decide(&kept).await.unwrap().unwrap().session.clone();
    let thief = identities.decide(&stolen).await.unwrap().unwrap();
    let gate = Gate::after(&house.base, "UPDATE", "sessions").await;
    let password = right();
    let ended = identities.end_others(&account, &keep);
    let renewed = async {
        gate.waits(1).await;
        let open = async {
            gate.waits(2).await;
            gate.open().await;
        };
        tokio::join!(identities.step_up(&thief, &stolen, Again::Password(&password)), open).0
    };
    let (ended, renewed) = tokio::join!(ended, renewed);
    assert_eq!(ended.unwrap(), 1);
    assert!(matches!(renewed, Err(Error::Over)), "{renewed:?}");
    assert!(!house.holds(&stolen).await && house.holds(&kept).await);
    assert_eq!(identities.sessions(&account).await.unwrap().len(), 1);
}

/// Whoever asks has been recognised, and waits; their session is ended meanwhile.
#[tokio::test]
async fn a_session_that_was_ended_does_not_end_the_others() {
    let Two { house, account, kept, stolen } = two().await;
    let identities = &house.identities;
    let thief = identities.decide(&stolen).await.unwrap().unwrap().session.clone();
    let held = "SELECT FROM identity.accounts FOR NO KEY UPDATE";
    let gate = Gate::of(&house.base, held).await;
    let ended = async {
        gate.waits(1).await;
        identities.sign_out(&stolen).await.unwrap();
        gate.open().await;
    };
    let (asked, ()) = tokio::join!(identities.end_others(&account, &thief), ended);
    assert!(matches!(asked, Err(Error::Over)), "{asked:?}");
    assert!(house.holds(&kept).await && !house.holds(&stolen).await);
    // Nor where everything was ended, and another session was opened since.
    let before = identities.decide(&kept).await.unwrap().unwrap().session.clone();
    identities.end_all(&account).await.unwrap();
    let open = identities.open_session(&account, Strength::One, Opening::default());
    let anew = open.await.unwrap();
    let asked = identities.end_others(&account, &before).await;
    assert!(matches!(asked, Err(Error::Over)), "{asked:?}");
    assert!(house.holds(&anew).await);
}

/// A session is being ended, and asks for a key.
#[tokio::test]
async fn a_session_that_is_being_ended_makes_no_key() {
    let Two { house, kept, .. } = two().await;
    let maker = house.identities.decide(&kept).await.unwrap().unwrap();
    let gate = Gate::of(&house.base, "UPDATE identity.sessions SET revoked_at = now()").await;
    let new = NewKey { name: "till".into(), service: None, scopes: None, days: 9 };
    let open = async {
        gate.waits(1).await;
        gate.open().await;
    };
    let (made, ()) = tokio::join!(house.identities.make_key(&maker, &new), open);
    assert!(matches!(made, Err(Error::Grant)), "{made:?}");
    assert_eq!(count(&house.base, "SELECT count(*) FROM identity.api_keys").await, 0);
}

/// Who is off-boarded while they make something: it ends with everything else of theirs.
async fn closed_while<T>(house: &super::House, table: &str, making: impl Future<Output = T>) -> T {
    let email = Email::new(EMAIL).unwrap();
    let account = house.identities.find(&email).await.unwrap().unwrap().0;
    let gate = Gate::after(&house.base, "INSERT", table).await;
    let closed = async {
        gate.waits(1).await;
        let open = async {
            gate.waits(2).await;
            gate.open().await;
        };
        tokio::join!(house.identities.close(&account, None), open).0
    };
    let (made, closed) = tokio::join!(making, closed);
    closed.unwrap();
    made
}

async fn count(base: &TestDb, sql: &str) -> i64 {
    let tx = base.owner.operator().await.unwrap();
    tx.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_key_of_a_service_ends_with_its_maker_who_is_closed_meanwhile() {
    let Two { house, kept, .. } = two().await;
    let mut maker = (*house.identities.decide(&kept).await.unwrap().unwrap()).clone();
    maker.standing.permits = [own::PEOPLE_KEYS].into_iter().collect();
    // Somebody else answers for it, so that nothing but its maker's end ends the key.
    let other = NewAccount {
        email: Email::new("budi@sinar.example").unwrap(),
        name: "Budi".into(),
        tenant: maker.tenant.clone(),
        password: right(),
    };
    house.identities.create_account(&other).await.unwrap();
    let service = house.identities.make_service(&maker, "till").await.unwrap().account;
    let hand = "UPDATE identity.accounts SET owner = (SELECT id FROM identity.accounts \
        WHERE email = 'budi@sinar.example') WHERE owner IS NOT NULL";
    house.alter(hand).await;
    let new = NewKey { name: "till".into(), service: Some(service), scopes: None, days: 9 };
    let made = closed_while(&house, "api_keys", house.identities.make_key(&maker, &new)).await;
    let (_, key) = made.unwrap();
    let bearer = house.identities.bearer(&key).await.unwrap();
    assert!(bearer.is_none());
    let living = "SELECT count(*) FROM identity.api_keys WHERE revoked_at IS NULL";
    assert_eq!(count(&house.base, living).await, 0);
    // And nothing is made behind the end.
    let late = house.identities.make_key(&maker, &new).await;
    assert!(matches!(late, Err(Error::Grant)), "{late:?}");
}

#[tokio::test]
async fn a_service_ends_with_whoever_answers_for_it_and_is_closed_meanwhile() {
    let Two { house, kept, .. } = two().await;
    let mut maker = (*house.identities.decide(&kept).await.unwrap().unwrap()).clone();
    maker.standing.permits = [own::PEOPLE_KEYS].into_iter().collect();
    closed_while(&house, "accounts", house.identities.make_service(&maker, "till")).await.unwrap();
    let open = "SELECT count(*) FROM identity.accounts \
        WHERE owner IS NOT NULL AND disabled_at IS NULL";
    assert_eq!(count(&house.base, open).await, 0);
}

#[tokio::test]
async fn an_invitation_ends_with_whoever_sent_it_and_is_closed_meanwhile() {
    let house = crate::mail::tests::house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let (roles, new) = (Roles::default(), new("budi@sinar.example", &["editor"]));
    let gate = Gate::after(&house.base, "INSERT", "invitations").await;
    let identities = &house.room.identities;
    let closed = async {
        gate.waits(1).await;
        let open = async {
            gate.waits(2).await;
            gate.open().await;
        };
        tokio::join!(identities.close(&by.account, None), open).0
    };
    let (invited, closed) = tokio::join!(house.room.invite(&by, &roles, &new), closed);
    assert!(invited.is_ok());
    assert!(closed.unwrap().ended.contains(&("invitations that they sent", 1)));
    let open = "SELECT count(*) FROM identity.invitations WHERE withdrawn_at IS NULL";
    assert_eq!(house.count(open).await, 0);
    let late = house.room.invite(&by, &roles, &new).await;
    assert!(matches!(late, Err(Error::Over)), "{late:?}");
    assert_eq!(house.count(open).await, 0);
}

/// Whoever changes factors was recognised, and waits; their session is ended meanwhile.
#[tokio::test]
async fn a_session_that_was_ended_changes_no_factor() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (_, with_app) = g.enrol_app(Holder::Session(&identity)).await;
    let identity = g.who(&with_app.session).await.unwrap();
    let holder = Holder::Session(&identity);
    let asked = g.identities.start_passkey(holder, &party()).await.unwrap();
    let key = SoftKey::fresh(&SystemRng).unwrap();
    let answer = key.register(&party(), &asked.challenge, None).unwrap();
    let held = "SELECT FROM identity.accounts FOR NO KEY UPDATE";
    let gate = Gate::of(&g.house.base, held).await;
    let party = party();
    let ended = async {
        gate.waits(3).await;
        g.identities.sign_out(&with_app.session).await.unwrap();
        gate.open().await;
    };
    let (added, removed, codes, ()) = tokio::join!(
        g.identities.add_passkey(holder, &party, "Key", &answer),
        g.identities.remove_app(&identity),
        g.identities.renew_codes(&identity),
        ended,
    );
    assert!(matches!(added, Err(Error::Over)), "{added:?}");
    assert!(matches!(removed, Err(Error::Over)), "{removed:?}");
    assert!(matches!(codes, Err(Error::Over)), "{codes:?}");
    let has = g.identities.factors_of(&identity.account).await.unwrap().has;
    assert_eq!((has.app, has.passkeys), (true, 0));
    assert!(g.identities.sessions(&identity.account).await.unwrap().is_empty());
}
