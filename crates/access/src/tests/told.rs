//! Roles that ask for a factor, and what people are told of roles that come and go.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Enrolments, Fut, Notice, Strength, SystemClock, TenantId};
use store::{Notices, OperatorTx};
use testkit::TestDb;

use crate::{Access, By, Error, NewGrant, NewRole};

const SARI: &str = "00000000-0000-4000-8000-000000000001";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Two hours from now.
#[derive(Debug)]
struct Later;

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now() + HOUR * 2
    }
}

/// Everybody's factors are these.
struct Book(Mutex<Result<Option<Strength>, String>>);

impl Enrolments for Book {
    fn reach<'a>(&'a self, _: &'a str) -> Fut<'a, Result<Option<Strength>, String>> {
        Box::pin(async { self.0.lock().unwrap().clone() })
    }
}

/// Writes down what is told, within the transaction.
struct Told;

impl Notices for Told {
    fn tell<'a>(
        &'a self,
        tx: &'a OperatorTx,
        account: &'a str,
        notice: Notice,
        detail: &'a str,
    ) -> Fut<'a, store::Result<()>> {
        Box::pin(async move {
            let sql = "INSERT INTO public.told VALUES ($1, $2, $3)";
            tx.execute(sql, &[&account, &notice.name(), &detail]).await.map(drop)
        })
    }
}

fn sinar() -> TenantId {
    TenantId::new("sinar").unwrap()
}

fn new(role: &str) -> NewGrant {
    NewGrant {
        account: SARI.to_owned(),
        tenant: sinar(),
        role: role.to_owned(),
        reason: "a test".to_owned(),
        until: None,
    }
}

/// A tenant's own role with a factor, and one that inherits from it.
async fn roles(access: &Access, by: &By) {
    for (name, factor, parents) in [
        ("teller", Strength::Hardware, vec![]),
        ("cashier", Strength::One, vec!["teller".to_owned()]),
    ] {
        let role = NewRole {
            tenant: sinar(),
            name: name.to_owned(),
            title: "For a test".to_owned(),
            factor,
            idle: None,
            absolute: None,
            permits: Vec::new(),
            parents,
        };
        access.define_role(by, &role).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_who_signs_in_gets_a_role_that_asks_for_more_than_they_have() {
    let base = testkit::database(&[&crate::ROOM]).await;
    let book = Arc::new(Book(Mutex::new(Ok(None))));
    let access = Access::new(base.engine.clone(), Arc::new(SystemClock))
        .with_enrolments(Arc::<Book>::clone(&book));
    let by = By::operator("the operator").unwrap();
    roles(&access, &by).await;
    for (reach, role, given) in [
        (Ok(Some(Strength::One)), "editor", true),
        (Ok(Some(Strength::One)), "owner", false),
        (Ok(Some(Strength::Two)), "owner", true),
        (Ok(Some(Strength::Two)), "teller", false),
        (Ok(Some(Strength::Two)), "cashier", false),
        (Ok(Some(Strength::Hardware)), "cashier", true),
        // Their first sign-in sets it up.
        (Ok(None), "teller", true),
        (Err("the database is away".to_owned()), "owner", false),
        (Err("the database is away".to_owned()), "editor", true),
    ] {
        *book.0.lock().unwrap() = reach.clone();
        let granted = access.grant(&by, &new(role)).await;
        match &granted {
            Ok(_) => access.revoke(&by, SARI, &sinar(), role).await.unwrap(),
            Err(Error::Factor { .. } | Error::Unknown(_)) => {}
            Err(other) => panic!("{role}: {other}"),
        }
        assert_eq!(granted.is_ok(), given, "{role} {reach:?}");
        if let Err(error @ Error::Factor { .. }) = granted {
            let words = error.to_string();
            assert!(words.contains(role) && words.contains("/_amanah/account/security"), "{words}");
        }
    }
    *book.0.lock().unwrap() = Ok(Some(Strength::One));
    assert!(matches!(access.grant(&by, &new("nothing")).await, Err(Error::NoRole(_))));
    // Whoever was invited sets it up, whenever the role comes.
    access.grant_ahead(&by, &new("teller")).await.unwrap();
}

/// A service that tells of what it gives and takes.
async fn telling() -> (TestDb, Access) {
    let base = testkit::database(&[&super::ACCOUNTS, &crate::ROOM]).await;
    let tx = base.owner.operator().await.unwrap();
    tx.batch(
        "CREATE TABLE public.told (a text, b text, c text); GRANT ALL ON public.told TO PUBLIC",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let access = Access::new(base.engine.clone(), Arc::new(SystemClock));
    (base, access.with_notices(Arc::new(Told)))
}

/// Account, kind and detail of what was told.
async fn told(base: &TestDb) -> Vec<[String; 3]> {
    let tx = base.owner.operator().await.unwrap();
    let rows = tx.query("SELECT a, b, c FROM public.told", &[]).await.unwrap();
    rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect()
}

#[tokio::test]
async fn roles_that_come_and_go_are_told_and_what_fails_is_not() {
    let (base, access) = telling().await;
    let by = By::operator("the operator").unwrap();
    access.grant(&by, &new("editor")).await.unwrap();
    assert!(matches!(access.grant(&by, &new("editor")).await, Err(Error::Held(_))));
    access.revoke(&by, SARI, &sinar(), "editor").await.unwrap();
    assert!(access.revoke(&by, SARI, &sinar(), "editor").await.is_err());
    // What a directory gives and takes is told likewise, once.
    access.grant(&By::operator("directory:5eed5eed5eed").unwrap(), &new("editor")).await.unwrap();
    for _ in 0..2 {
        access.revoke_mapped(&sinar(), SARI, "editor", "directory:5eed5eed5eed").await.unwrap();
    }
    let told = told(&base).await;
    let line = |kind: &str| [SARI.to_owned(), kind.to_owned(), "editor (sinar)".to_owned()];
    let kinds = ["roles-granted", "roles-taken", "roles-granted", "roles-taken"];
    assert_eq!(told, kinds.map(line));
}

#[tokio::test]
async fn who_loses_a_role_that_is_retired_is_told_and_who_had_lost_it_is_not() {
    let (base, access) = telling().await;
    let by = By::operator("the operator").unwrap();
    roles(&access, &by).await;
    for (last, until) in [("1", None), ("2", None), ("3", Some(SystemClock.now() + HOUR))] {
        let account = format!("{}{last}", SARI.trim_end_matches('1'));
        access.grant(&by, &NewGrant { account, until, ..new("cashier") }).await.unwrap();
    }
    access
        .revoke(&by, &format!("{}2", SARI.trim_end_matches('1')), &sinar(), "cashier")
        .await
        .unwrap();
    // The third ended by itself.
    let later = Arc::new(Later);
    let access = Access::new(base.engine.clone(), later).with_notices(Arc::new(Told));
    access.retire_role(&by, &sinar(), "cashier", true).await.unwrap();
    let taken: Vec<_> =
        told(&base).await.into_iter().filter(|[_, kind, _]| kind == "roles-taken").collect();
    let line = |of: &str| {
        [
            format!("{}{of}", SARI.trim_end_matches('1')),
            "roles-taken".to_owned(),
            "cashier (sinar)".to_owned(),
        ]
    };
    assert_eq!(taken, [line("2"), line("1")]);
}

#[tokio::test]
async fn who_has_a_role_is_told_when_it_asks_for_less() {
    let (base, access) = telling().await;
    let by = By::operator("the operator").unwrap();
    roles(&access, &by).await;
    access.grant(&by, &new("cashier")).await.unwrap();
    let teller = |factor, idle| NewRole {
        tenant: sinar(),
        name: "teller".to_owned(),
        title: "For a test".to_owned(),
        factor,
        idle,
        absolute: None,
        permits: Vec::new(),
        parents: Vec::new(),
    };
    let hour = Some(SignedDuration::from_hours(1));
    // More, less by the limit, and less by the factor.
    for (factor, idle) in
        [(Strength::Hardware, hour), (Strength::Hardware, None), (Strength::Two, None)]
    {
        access.define_role(&by, &teller(factor, idle)).await.unwrap();
    }
    let told = told(&base).await;
    let line = |kind: &str| [SARI.to_owned(), kind.to_owned(), "cashier (sinar)".to_owned()];
    assert_eq!(told, ["roles-granted", "role-loosened", "role-loosened"].map(line));
}
