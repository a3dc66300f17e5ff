//! Support on a real PostgreSQL: what is let in, what is not, and what the database itself refuses.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{
    Actor, Clock as _, Door, Identity, ManualClock, Scope, Standing, Standings as _, Strength,
    SystemClock, TenantId, own,
};
use testkit::TestDb;

use super::{Asking, SupportState};
use crate::tests::ACCOUNTS;
use crate::{Access, By, Error, NewGrant, ROOM};

const STAFF: &str = "00000000-0000-4000-8000-0000000000a1";
const ADMIN: &str = "00000000-0000-4000-8000-0000000000b1";
const EDITOR: &str = "00000000-0000-4000-8000-0000000000b2";
const OTHER: &str = "00000000-0000-4000-8000-0000000000c1";

struct House {
    db: TestDb,
    access: Access,
    clock: Arc<ManualClock>,
}

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

async fn house() -> House {
    let db = testkit::database(&[&ACCOUNTS, &ROOM]).await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let access = Access::new(db.engine.clone(), Arc::<ManualClock>::clone(&clock));
    let access = access.with_staff(tenant("amanah-staff"));
    let tx = db.owner.operator().await.unwrap();
    for (id, of) in [(STAFF, "amanah-staff"), (ADMIN, "41"), (EDITOR, "41"), (OTHER, "42")] {
        let sql = "INSERT INTO identity.accounts VALUES ($1::text::uuid, $1 || '@x', $2)";
        tx.execute(sql, &[&id, &of]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let by = By::operator("test").unwrap();
    let roles = [
        (STAFF, "amanah-staff", "support"),
        (ADMIN, "41", "administrator"),
        (EDITOR, "41", "editor"),
        (OTHER, "42", "administrator"),
    ];
    for (account, of, role) in roles {
        let grant = NewGrant {
            account: account.to_owned(),
            tenant: tenant(of),
            role: role.to_owned(),
            reason: "test".to_owned(),
            until: None,
        };
        access.grant(&by, &grant).await.unwrap();
    }
    House { db, access, clock }
}

impl House {
    fn who(&self, account: &str, of: &str) -> Identity {
        Identity {
            account: account.to_owned(),
            actor: Actor::new("somebody@example").unwrap(),
            name: "Somebody".to_owned(),
            tenant: tenant(of),
            standing: Standing::default(),
            strength: Strength::Two,
            authenticated_at: self.clock.now(),
            session: "s".to_owned(),
            door: Door::Browser,
        }
    }

    fn staff(&self) -> Identity {
        self.who(STAFF, "amanah-staff")
    }

    fn admin(&self) -> Identity {
        self.who(ADMIN, "41")
    }

    async fn asked(&self, scope: Scope, hours: u8) -> String {
        self.access.ask_support(&self.staff(), &asking(scope, hours)).await.unwrap()
    }

    async fn enters(&self, id: &str) -> Option<Standing> {
        self.access.standing(STAFF, &tenant("amanah-staff"), Some(id)).await.unwrap()
    }
}

fn asking(scope: Scope, hours: u8) -> Asking {
    let (ticket, reason) = ("T-1".to_owned(), "prices do not load".to_owned());
    Asking { tenant: tenant("41"), ticket, reason, scope, hours }
}

#[tokio::test]
async fn support_enters_between_a_yes_and_its_end_and_not_a_moment_longer() {
    let house = house().await;
    let id = house.asked(Scope::ReadOnly, 1).await;
    assert!(house.enters(&id).await.is_none(), "nobody said yes");
    house.access.approve_support(&house.admin(), &id).await.unwrap();
    let standing = house.enters(&id).await.unwrap();
    let support = standing.support.clone().unwrap();
    assert_eq!((support.scope, support.tenant.as_str()), (Scope::ReadOnly, "41"));
    assert_eq!(support.until, house.clock.now() + SignedDuration::from_hours(1));
    assert!(!standing.permits.is_empty());
    for (id, name) in own::ALL {
        assert!(!name.starts_with("people.") || !standing.permits.has(id), "{name} was lent");
    }
    assert!(!standing.permits.has(own::SUPPORT_ASK));

    let mut inside = house.staff();
    (inside.tenant, inside.standing) = (support.tenant.clone(), standing);
    house.access.note_support(&inside, "r1", "GET", "/prices").await.unwrap();
    let seen = house.access.support_uses(&house.admin(), &id).await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>(), ["/prices"]);
    assert!(house.access.support_uses(&house.who(OTHER, "42"), &id).await.unwrap().is_empty());
    let again = house.access.ask_support(&inside, &asking(Scope::ReadWrite, 1)).await;
    assert!(matches!(again, Err(Error::Refused)), "{again:?}");

    house.clock.set(house.clock.now() + SignedDuration::from_hours(1));
    assert!(house.enters(&id).await.is_none(), "it is over");
    let late = house.access.note_support(&inside, "r2", "GET", "/prices").await;
    assert!(matches!(late, Err(Error::NoSupport)), "{late:?}");
}

#[tokio::test]
async fn an_end_counts_at_once_for_what_this_process_still_believes() {
    let house = house().await;
    let id = house.asked(Scope::ReadWrite, 24).await;
    house.access.approve_support(&house.admin(), &id).await.unwrap();
    let mut inside = house.staff();
    inside.standing = house.enters(&id).await.unwrap();
    inside.tenant = tenant("41");
    house.access.end_support(&house.admin(), &id).await.unwrap();
    let late = house.access.note_support(&inside, "r", "GET", "/").await;
    assert!(matches!(late, Err(Error::NoSupport)), "{late:?}");
    assert!(house.enters(&id).await.is_none());
    let listed = house.access.support_seen(&house.admin()).await.unwrap();
    assert_eq!(listed.first().unwrap().state, SupportState::Ended);
    assert!(matches!(house.access.end_support(&house.admin(), &id).await, Err(Error::NoSupport)));
}

#[tokio::test]
async fn only_the_tenant_itself_says_yes() {
    let house = house().await;
    let id = house.asked(Scope::ReadOnly, 1).await;
    let mut program = house.admin();
    program.door = Door::ApiKey;
    let mut tired = house.admin();
    tired.authenticated_at = house.clock.now() - SignedDuration::from_mins(10);
    for (who, wanted) in [
        (house.who(EDITOR, "41"), "Refused"),
        (house.who(OTHER, "42"), "NoSupport"),
        (house.who(OTHER, "41"), "Refused"),
        (house.staff(), "Refused"),
        (program, "Refused"),
        (tired, "StepUp"),
    ] {
        let refused = house.access.approve_support(&who, &id).await.unwrap_err();
        assert_eq!(format!("{refused:?}"), wanted, "{}", who.account);
    }
    assert!(house.access.support_seen(&house.who(OTHER, "42")).await.unwrap().is_empty());
    house.clock.set(house.clock.now() + SignedDuration::from_hours(7 * 24));
    let late = house.access.approve_support(&house.admin(), &id).await;
    assert!(matches!(late, Err(Error::NoSupport)), "{late:?}");
}

/// Each is one statement that the running program, or the owner, could be talked into.
#[tokio::test]
async fn the_database_holds_the_rules_by_itself() {
    let house = house().await;
    let (waits, lives) =
        (house.asked(Scope::ReadOnly, 1).await, house.asked(Scope::ReadOnly, 1).await);
    house.access.approve_support(&house.admin(), &lives).await.unwrap();
    let approve = |by: &str, at: &str, end: &str, id: &str| {
        format!(
            "UPDATE access.support_grants SET approved_by = '{by}', approved_as = 'x', \
             approved_at = {at}, ends_at = {end} WHERE id = '{id}'"
        )
    };
    let hour = "now() + interval '1 hour'";
    let table = "access.support_grants";
    let bad = [
        approve(STAFF, "now()", hour, &waits),
        approve(OTHER, "now()", hour, &waits),
        approve(ADMIN, "now()", "now() + interval '2 hours'", &waits),
        approve(ADMIN, "now() + interval '1 day'", "now() + interval '25 hours'", &waits),
        approve(ADMIN, "now()", "now()", &waits),
        approve(ADMIN, "now()", hour, &lives),
        format!("UPDATE {table} SET scope = 'rw' WHERE id = '{lives}'"),
        format!("UPDATE {table} SET hours = 24 WHERE id = '{waits}'"),
        format!("DELETE FROM {table}"),
        format!("TRUNCATE {table} CASCADE"),
        format!(
            "INSERT INTO access.support_uses (support_grant, at, request, method, path) \
             VALUES ('{waits}', now(), 'r', 'GET', '/')"
        ),
    ];
    for db in [&house.db.owner, &house.db.engine] {
        let tx = db.operator().await.unwrap();
        for statement in &bad {
            assert!(tx.attempt(statement, &[]).await.unwrap().is_err(), "{statement}");
        }
    }
    let tx = house.db.owner.operator().await.unwrap();
    let ended = format!("UPDATE {table} SET ended_at = now(), ended_as = 'x' WHERE id = '{lives}'");
    tx.execute(&ended, &[]).await.unwrap();
    let back = format!("UPDATE {table} SET ended_at = NULL, ended_as = NULL WHERE id = '{lives}'");
    assert!(tx.attempt(&back, &[]).await.unwrap().is_err());
}

#[tokio::test]
async fn what_is_asked_is_bounded_and_only_staff_asks() {
    let house = house().await;
    let ask = async |who: &Identity, asking: Asking| house.access.ask_support(who, &asking).await;
    for who in [house.admin(), house.who(EDITOR, "41")] {
        let refused =
            ask(&who, Asking { tenant: tenant("42"), ..asking(Scope::ReadOnly, 1) }).await;
        assert!(matches!(refused, Err(Error::Refused)), "{refused:?}");
    }
    let fine = asking(Scope::ReadOnly, 1);
    for bad in [
        Asking { hours: 0, ..fine.clone() },
        Asking { hours: 25, ..fine.clone() },
        Asking { ticket: " ".to_owned(), ..fine.clone() },
        Asking { reason: "a\nb".to_owned(), ..fine.clone() },
        Asking { reason: "a".repeat(1_001), ..fine.clone() },
        Asking { tenant: tenant("amanah-staff"), ..fine.clone() },
    ] {
        let refused = ask(&house.staff(), bad).await;
        assert!(matches!(refused, Err(Error::Field { .. })), "{refused:?}");
    }
    for _ in 0..super::MAX_WAITING {
        ask(&house.staff(), fine.clone()).await.unwrap();
    }
    let full = ask(&house.staff(), fine).await;
    assert!(matches!(full, Err(Error::Waiting(_))), "{full:?}");
}

#[tokio::test]
async fn whoever_answers_at_home_sees_and_ends_what_they_asked_for_elsewhere() {
    let house = house().await;
    let by = By::operator("test").unwrap();
    let grant = NewGrant {
        account: STAFF.to_owned(),
        tenant: tenant("amanah-staff"),
        role: "administrator".to_owned(),
        reason: "test".to_owned(),
        until: None,
    };
    house.access.grant(&by, &grant).await.unwrap();
    let staff = house.staff();
    let id = house.access.ask_support(&staff, &asking(Scope::ReadOnly, 1)).await.unwrap();
    let seen = house.access.support_seen(&staff).await.unwrap();
    assert_eq!(seen.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id]);
    house.access.end_support(&staff, &id).await.unwrap();
    assert_eq!(house.access.support_seen(&staff).await.unwrap()[0].state, SupportState::Denied);
}
