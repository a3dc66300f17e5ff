//! Accounts that a directory has in hand, on a real PostgreSQL.

use jiff::SignedDuration;
use kernel::{Provision, Provisioned, Reopened, Secret, SessionToken, TenantId};

use crate::mail::tests::{EMAIL, House, house};

const NEW: &str = "ninety quiet lamps fold";
const BUDI: &str = "budi@sinar.example";

fn person(tenant: &str, email: &str) -> Provision {
    Provision {
        tenant: TenantId::new(tenant).unwrap(),
        email: email.to_owned(),
        name: "Budi".to_owned(),
        language: "id".to_owned(),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl House {
    async fn provisioned(&self, email: &str) -> String {
        match self.room.provision(&person("sinar", email)).await.unwrap() {
            Provisioned::Account(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The link of the one letter that came.
    async fn welcome(&self) -> SessionToken {
        let letters = self.letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        let (_, after) = letters[0].body.split_once("/reset/new?t=").expect("a link");
        SessionToken(secret(after.split_whitespace().next().unwrap()))
    }

    async fn enters(&self, email: &str, password: &str) -> bool {
        self.room.identities.sign_in(email, &secret(password)).await.is_ok()
    }
}

#[tokio::test]
async fn somebody_new_chooses_a_password_by_the_letter() {
    let house = house().await;
    let account = house.provisioned(BUDI).await;
    let letters = house.letters().await;
    assert_eq!((letters[0].to.as_str(), letters[0].subject.as_str()), (BUDI, "Akun Anda"));
    assert!(letters[0].body.contains("sinar") && !house.enters(BUDI, "").await);
    // Asked again, it is the same account, and no other letter. To ask whose it is does nothing.
    assert_eq!(house.provisioned(BUDI).await, account);
    assert!(house.letters().await.is_empty());
    for (tenant, found) in [("sinar", Some(account)), ("gulf", None)] {
        assert_eq!(house.room.in_hand(&person(tenant, BUDI)).await.unwrap(), found);
    }
    let (_, after) = letters[0].body.split_once("/reset/new?t=").unwrap();
    let link = SessionToken(secret(after.split_whitespace().next().unwrap()));
    house.later(SignedDuration::from_hours(71));
    assert!(house.room.reset(&link, &secret("short")).await.is_err(), "the rules are the same");
    house.room.reset(&link, &secret(NEW)).await.unwrap();
    assert!(house.enters(BUDI, NEW).await);
    assert!(house.room.reset(&link, &secret("seven brittle oars hum")).await.is_err());
    // Whoever misses it asks for another link.
    house.letters().await;
    house.provisioned("rudi@sinar.example").await;
    let late = house.welcome().await;
    house.later(SignedDuration::from_hours(72));
    assert!(house.room.reset(&late, &secret(NEW)).await.is_err());
    house.ask("rudi@sinar.example").await;
    let link = house.welcome().await;
    house.room.reset(&link, &secret(NEW)).await.unwrap();
}

#[tokio::test]
async fn an_address_of_anybody_else_is_taken() {
    let house = house().await;
    // Sari has an account by people, and Budi by a directory of another tenant.
    house.provisioned(BUDI).await;
    for (tenant, email) in
        [("sinar", EMAIL), ("gulf", EMAIL), ("gulf", BUDI), ("gulf", "BUDI@sinar.example")]
    {
        let made = house.room.provision(&person(tenant, email)).await.unwrap();
        assert_eq!(made, Provisioned::Taken, "{tenant} {email}");
    }
    for odd in ["canary@amanah.invalid", "x", "s\u{430}ri@sinar.example", "a@b\r\nBcc: c@d"] {
        let made = house.room.provision(&person("sinar", odd)).await.unwrap();
        assert!(matches!(made, Provisioned::Unfit(_)), "{odd}");
    }
    let gulf = TenantId::new("gulf").unwrap();
    assert_eq!(house.room.adopt(&gulf, EMAIL).await.unwrap(), None);
    // An account that nobody gave into its hand is neither changed nor opened.
    let sari = house.id().await;
    let to = person("sinar", "other@sinar.example");
    let changed = house.room.change_provisioned(&sari, &to).await.unwrap();
    assert!(matches!(changed, Provisioned::Unfit(_)));
    house.room.identities.close(&sari, None).await.unwrap();
    assert_eq!(house.room.reopen_provisioned(&sari).await.unwrap(), Reopened::Final);
}

#[tokio::test]
async fn another_address_ends_what_was_open_and_the_old_one_is_told() {
    let house = house().await;
    let account = house.provisioned(BUDI).await;
    let link = house.welcome().await;
    house.room.reset(&link, &secret(NEW)).await.unwrap();
    house.letters().await;
    let session = house.room.identities.sign_in(BUDI, &secret(NEW)).await.unwrap();
    let session = session.session().unwrap();
    let taken = house.room.change_provisioned(&account, &person("sinar", EMAIL)).await.unwrap();
    assert_eq!(taken, Provisioned::Taken);
    assert!(kernel::Sessions::decide(&*house.room.identities, &session).await.unwrap().is_some());
    let to = person("sinar", "budi.s@sinar.example");
    house.room.change_provisioned(&account, &to).await.unwrap();
    assert!(kernel::Sessions::decide(&*house.room.identities, &session).await.unwrap().is_none());
    let told = house.letters().await;
    assert_eq!((told.len(), told[0].to.as_str()), (1, BUDI));
    assert!(told[0].body.contains("budi.s@sinar.example"));
    assert!(house.enters("budi.s@sinar.example", NEW).await && !house.enters(BUDI, NEW).await);
}

#[tokio::test]
async fn what_a_directory_closed_it_opens_and_what_people_closed_stays() {
    let house = house().await;
    let account = house.provisioned(BUDI).await;
    let link = house.welcome().await;
    house.room.reset(&link, &secret(NEW)).await.unwrap();
    house.letters().await;
    let closed = house.room.identities.close_for_directory(&account).await.unwrap();
    assert_eq!(house.letters().await[0].subject, "Akun Anda ditutup");
    assert!(closed.unknown.is_empty() && !house.enters(BUDI, NEW).await);
    assert_eq!(house.room.reopen_provisioned(&account).await.unwrap(), Reopened::Done);
    assert!(!house.enters(BUDI, NEW).await, "the old password does not come back");
    let link = house.welcome().await;
    house.room.reset(&link, &secret("seven brittle oars hum")).await.unwrap();
    assert!(house.enters(BUDI, "seven brittle oars hum").await);
    house.letters().await;
    // Made again after it was deleted, too.
    house.room.identities.close_for_directory(&account).await.unwrap();
    house.letters().await;
    assert_eq!(house.provisioned(BUDI).await, account);
    assert_eq!(house.letters().await.len(), 1);
    // People close it, before or after the directory did: nobody opens it.
    house.room.identities.close_for_directory(&account).await.unwrap();
    house.room.identities.close(&account, None).await.unwrap();
    house.room.identities.close_for_directory(&account).await.unwrap();
    assert_eq!(house.room.reopen_provisioned(&account).await.unwrap(), Reopened::Final);
    let again = house.room.provision(&person("sinar", BUDI)).await.unwrap();
    assert_eq!(again, Provisioned::Taken);
    // Nor is its address changed, which would be free for somebody new.
    let to = person("sinar", "old-budi@sinar.example");
    assert_eq!(house.room.change_provisioned(&account, &to).await.unwrap(), Provisioned::Final);
    let again = house.room.provision(&person("sinar", BUDI)).await.unwrap();
    assert_eq!(again, Provisioned::Taken);
    // Nor whoever has the running program's login.
    for bad in [
        "UPDATE identity.accounts SET closed_by_directory = true WHERE disabled_at IS NOT NULL",
        "UPDATE identity.accounts SET disabled_at = NULL, closed_by_directory = false, \
         epoch = epoch + 1, password_hash = '$argon2id$v=19$m=1' WHERE disabled_at IS NOT NULL",
    ] {
        let tx = house.base.engine.operator().await.unwrap();
        assert!(tx.execute(bad, &[]).await.is_err(), "{bad}");
    }
    // The owner of the database may.
    house.alter("UPDATE identity.accounts SET disabled_at = NULL").await;
}

#[tokio::test]
async fn first_letters_leave_no_faster_than_invitations() {
    let house = house().await;
    let account = house.provisioned(BUDI).await;
    assert_eq!(house.letters().await.len(), 1);
    // Opened and closed all day: an address gets three of them.
    for letters in [1, 1, 0, 0] {
        house.room.identities.close_for_directory(&account).await.unwrap();
        house.letters().await;
        assert_eq!(house.room.reopen_provisioned(&account).await.unwrap(), Reopened::Done);
        assert_eq!(house.letters().await.len(), letters);
    }
    // A tenant with as many as it may have in an hour: the next one waits, and nobody else does.
    let fill = |count: i64| {
        format!(
            "INSERT INTO identity.letters (kind, recipient, account, language, queued_at, due_at, sent_at) \
            SELECT 'provisioned', 'n' || n || '@sinar.example', '{account}', 'en', \
                '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z' \
            FROM generate_series(1, {count}) n"
        )
    };
    house.alter(&fill(200)).await;
    house.provisioned("rudi@sinar.example").await;
    assert!(house.letters().await.is_empty());
    let gulf = house.room.provision(&person("gulf", "huda@gulf.example")).await.unwrap();
    assert!(matches!(gulf, Provisioned::Account(_)));
    assert_eq!(house.letters().await.len(), 1);
    house.later(SignedDuration::from_mins(63));
    assert_eq!(house.letters().await[0].to.as_str(), "rudi@sinar.example");
    // What would wait for longer than a day is not written, and passwords are reset meanwhile.
    let waiting = "UPDATE identity.letters SET due_at = due_at + interval '30 hours', sent_at = NULL \
        WHERE recipient LIKE 'n%'";
    house.alter(waiting).await;
    house.alter(&fill(10_000).replace("'2026-01-01T00:00:00Z' FROM", "NULL FROM")).await;
    house.provisioned("joko@sinar.example").await;
    let to = "SELECT count(*) FROM identity.letters WHERE recipient = 'joko@sinar.example'";
    assert_eq!(house.count(to).await, 0);
    house.ask(EMAIL).await;
    let asked = "SELECT count(*) FROM identity.letters WHERE kind = 'reset' AND sent_at IS NULL";
    assert_eq!(house.count(asked).await, 1);
}
