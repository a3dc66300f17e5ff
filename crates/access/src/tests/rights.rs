//! Roles that are given, taken, defined and misused.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{
    Actor, Clock as _, Door, Granting, Identity, ManualClock, Standing, Standings as _, Strength,
    TenantId,
};
use testkit::TestDb;

use crate::{Access, By, Error, NewGrant, NewRole};

pub(super) const SARI: &str = "00000000-0000-4000-8000-000000000001";
pub(super) const DEWI: &str = "00000000-0000-4000-8000-000000000002";

pub(super) struct House {
    pub(super) base: TestDb,
    pub(super) clock: Arc<ManualClock>,
    pub(super) access: Access,
}

pub(super) async fn house() -> House {
    let base = testkit::database(&[&super::ACCOUNTS, &crate::ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let access = Access::new(base.engine.clone(), Arc::<ManualClock>::clone(&clock));
    House { base, clock, access }
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(super) fn operator() -> By {
    By::operator("the operator").unwrap()
}

pub(super) fn person(account: &str) -> By {
    By::person(&Identity {
        account: account.to_owned(),
        actor: Actor::new("a@b").unwrap(),
        name: "A".to_owned(),
        tenant: tenant("sinar"),
        standing: Standing::default(),
        strength: Strength::One,
        authenticated_at: jiff::Timestamp::UNIX_EPOCH,
        session: "s".to_owned(),
        door: Door::Browser,
    })
}

pub(super) fn new_role(name: &str, permits: &[&str], parents: &[&str]) -> NewRole {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    NewRole {
        tenant: tenant("sinar"),
        name: name.to_owned(),
        title: "For a test".to_owned(),
        factor: Strength::One,
        idle: None,
        absolute: None,
        permits: owned(permits),
        parents: owned(parents),
    }
}

pub(super) fn new_grant(account: &str, role: &str) -> NewGrant {
    NewGrant {
        account: account.to_owned(),
        tenant: tenant("sinar"),
        role: role.to_owned(),
        reason: "a test".to_owned(),
        until: None,
    }
}

impl House {
    pub(super) async fn grant(&self, by: &By, account: &str, role: &str) -> Result<String, Error> {
        self.access.grant(by, &new_grant(account, role)).await
    }

    pub(super) async fn standing(&self, account: &str, at: &str) -> Standing {
        self.access.standing(account, &tenant(at), None).await.unwrap().unwrap()
    }

    async fn may(&self, account: &str, permission: &str) -> bool {
        let id = crate::Catalogue::shipped().unwrap().number(permission).unwrap();
        self.standing(account, "sinar").await.permits.has(id)
    }

    pub(super) async fn attempt(&self, login: &store::Db, sql: &str) -> String {
        let tx = login.operator().await.unwrap();
        let answer = tx.attempt(sql, &[]).await.unwrap();
        tx.rollback().await.unwrap();
        match answer {
            Ok(rows) => format!("{} rows", rows.len()),
            Err(error) => error.server_message().unwrap_or_default().to_owned(),
        }
    }
}

#[tokio::test]
async fn nobody_may_anything_until_it_is_granted_and_after_it_is_revoked() {
    let house = house().await;
    assert_eq!(house.standing(SARI, "sinar").await, Standing::default());
    house.grant(&operator(), SARI, "editor").await.unwrap();
    assert!(house.may(SARI, "prices.propose").await && house.may(SARI, "dashboard.read").await);
    assert!(!house.may(SARI, "approvals.approve").await);
    // In another tenant it means nothing.
    assert!(house.standing(SARI, "bintang").await.permits.is_empty());
    assert!(matches!(house.grant(&operator(), SARI, "editor").await, Err(Error::Held(_))));
    assert_eq!(house.access.roles_of(SARI, &tenant("sinar")).await.unwrap().len(), 1);
    house.access.revoke(&operator(), SARI, &tenant("sinar"), "editor").await.unwrap();
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
    let again = house.access.revoke(&operator(), SARI, &tenant("sinar"), "editor").await;
    assert!(matches!(again, Err(Error::NotHeld(_))));
    // It can be given once more, and what was is still written.
    house.grant(&operator(), SARI, "editor").await.unwrap();
    assert!(house.access.standing(SARI, &tenant("sinar"), Some("x")).await.unwrap().is_none());
}

#[tokio::test]
async fn why_a_role_was_taken_by_a_command_is_kept_with_the_grant() {
    let house = house().await;
    house.grant(&operator(), SARI, "editor").await.unwrap();
    let (here, by) = (tenant("sinar"), operator());
    for bad in ["", " ", "a\nb", &"a".repeat(1_001)] {
        let taken = house.access.revoke_for(&by, SARI, (&here, "editor"), bad).await;
        assert!(matches!(taken, Err(Error::Field { .. })), "{taken:?}");
    }
    assert!(!house.standing(SARI, "sinar").await.permits.is_empty());
    house.access.revoke_for(&by, SARI, (&here, "editor"), "left pricing").await.unwrap();
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
    let tx = house.base.owner.operator().await.unwrap();
    let kept = "SELECT revoked_by, revoked_reason FROM access.grants";
    let row = tx.query_one(kept, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (by.name, "left pricing".to_owned()));
}

#[tokio::test]
async fn a_grant_ends_by_itself_and_can_be_given_anew() {
    let house = house().await;
    let until = house.clock.now() + SignedDuration::from_hours(1);
    let new = NewGrant { until: Some(until), ..new_grant(SARI, "owner") };
    house.access.grant(&operator(), &new).await.unwrap();
    let standing = house.standing(SARI, "sinar").await;
    assert_eq!(standing.until, Some(until), "it has to be read again then");
    assert_eq!(
        (standing.needs, standing.idle),
        (Strength::Two, Some(SignedDuration::from_mins(15)))
    );
    house.clock.set(until);
    assert_eq!(house.standing(SARI, "sinar").await, Standing::default());
    assert!(matches!(house.access.grant(&operator(), &new).await, Err(Error::Field { .. })));
    house.grant(&operator(), SARI, "owner").await.unwrap();
    assert!(!house.standing(SARI, "sinar").await.permits.is_empty());
}

#[tokio::test]
async fn what_is_given_is_told_to_those_who_decide_from_memory() {
    let house = house().await;
    let mut heard =
        store::Listener::connect(house.base.engine.url(), &["amanah_identity"]).await.unwrap();
    house.grant(&operator(), SARI, "viewer").await.unwrap();
    house.access.revoke(&operator(), SARI, &tenant("sinar"), "viewer").await.unwrap();
    house.access.define_role(&operator(), &new_role("Night", &["notes.read"], &[])).await.unwrap();
    let mut next = async || heard.next().await.unwrap().1;
    let mine = format!("a:{SARI}");
    assert_eq!([next().await, next().await, next().await], [mine.clone(), mine, "*".to_owned()]);
}

#[tokio::test]
async fn an_invitation_gives_a_role_once_whoever_has_taken_it_since() {
    let house = house().await;
    let here = tenant("sinar");
    let invited = |invitation| kernel::Invited {
        invitation,
        by: (DEWI, "dewi@sinar.example"),
        account: SARI,
        tenant: &here,
    };
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    let (first, second) = (invited("1"), invited("2"));
    // Two who do what follows an invitation at once, and one who was cut off before it was written down.
    let (one, two) = tokio::join!(
        Granting::grant(&house.access, &first, "editor"),
        Granting::grant(&house.access, &first, "editor")
    );
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert!(house.may(SARI, "prices.propose").await);
    house.access.revoke(&operator(), SARI, &here, "editor").await.unwrap();
    Granting::grant(&house.access, &first, "editor").await.unwrap();
    assert!(!house.may(SARI, "prices.propose").await, "what was taken came back");
    Granting::grant(&house.access, &first, "viewer").await.unwrap();
    assert!(house.may(SARI, "dashboard.read").await, "another role of it is another");
    Granting::grant(&house.access, &second, "editor").await.unwrap();
    assert!(house.may(SARI, "prices.propose").await, "so is another invitation");
    // What it was given for is evidence, too.
    let other = "UPDATE access.grants SET once = id::text, revoked_at = now(), revoked_by = 'x' \
        WHERE revoked_at IS NULL";
    let told = house.attempt(&house.base.owner, other).await;
    assert!(told.contains("is evidence"), "{told}");
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let house = house().await;
    let (dewi, roles) = (person(DEWI), &house.access);
    assert!(matches!(house.grant(&dewi, SARI, "viewer").await, Err(Error::Refused)));
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    for role in ["editor", "auditor", "accountant", "administrator"] {
        house.grant(&dewi, SARI, role).await.unwrap();
    }
    for role in ["owner", "support", "operator"] {
        assert!(
            matches!(house.grant(&dewi, SARI, role).await, Err(Error::Escalation(_))),
            "{role}"
        );
    }
    // Nor by a role of one's own, nor by its parents, nor by changing one that one has.
    let wide = new_role("Helper", &["encryption.destroy"], &[]);
    assert!(matches!(roles.define_role(&dewi, &wide).await, Err(Error::Escalation(_))));
    let above = new_role("Helper", &[], &["owner"]);
    assert!(matches!(roles.define_role(&dewi, &above).await, Err(Error::Escalation(_))));
    roles.define_role(&dewi, &new_role("Helper", &["notes.read"], &["viewer"])).await.unwrap();
    house.grant(&dewi, DEWI, "Helper").await.unwrap();
    assert!(matches!(roles.define_role(&dewi, &wide).await, Err(Error::Escalation(_))));
    assert!(!house.may(DEWI, "encryption.destroy").await);
    // Nor does anybody take what they could not have given.
    house.grant(&operator(), SARI, "owner").await.unwrap();
    let taken = roles.revoke(&dewi, SARI, &tenant("sinar"), "owner").await;
    assert!(matches!(taken, Err(Error::Escalation(_))));
}

#[tokio::test]
async fn a_role_of_one_tenant_means_nothing_in_another() {
    let house = house().await;
    let night = new_role("Night", &["notes.delete"], &["viewer"]);
    house.access.define_role(&operator(), &night).await.unwrap();
    let other = NewGrant { tenant: tenant("bintang"), ..new_grant(SARI, "Night") };
    assert!(matches!(house.access.grant(&operator(), &other).await, Err(Error::NoRole(_))));
    let foreign = NewRole { tenant: tenant("bintang"), ..new_role("Day", &[], &["Night"]) };
    assert!(matches!(house.access.define_role(&operator(), &foreign).await, Err(Error::NoRole(_))));
    let retired = house.access.retire_role(&operator(), &tenant("bintang"), "Night", true).await;
    assert!(matches!(retired, Err(Error::NoRole(_))));
    // Around the program, the database refuses it.
    let grant = "INSERT INTO access.grants (account, tenant, role, granted_by, reason, granted_at) \
                 SELECT gen_random_uuid(), 'bintang', id, 'x', 'x', now() FROM access.roles WHERE name = 'Night'";
    for login in [&house.base.engine, &house.base.owner] {
        assert_eq!(house.attempt(login, grant).await, "this tenant has no such role");
    }
    house.grant(&operator(), SARI, "Night").await.unwrap();
    assert!(house.may(SARI, "notes.delete").await && house.may(SARI, "notes.read").await);
    // It is known that they have what `Night` inherits from, too.
    let standing = house.standing(SARI, "sinar").await;
    assert_eq!(standing.roles, ["Night"]);
    assert!(standing.lineage.starts_with(&["Night".to_owned(), "viewer".to_owned()]));
    house.access.retire_role(&operator(), &tenant("sinar"), "Night", true).await.unwrap();
    assert!(house.standing(SARI, "sinar").await.permits.is_empty());
}

/// Many at once have what each of them has alone, through the statement that sessions are read by.
#[tokio::test]
async fn rights_are_the_same_however_many_are_asked_about() {
    let house = house().await;
    let ids: Vec<String> = (1..=6).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    let (sinar, bintang) = (tenant("sinar"), tenant("bintang"));
    let roles = &house.access;
    for (parent, role) in [("viewer", "Late"), ("Late", "Night")] {
        let role = new_role(role, &["notes.delete"], &[parent]);
        roles.define_role(&operator(), &role).await.unwrap();
    }
    let until = house.clock.now() + SignedDuration::from_hours(1);
    for (n, role, until) in [
        (0, "Night", None),
        (0, "editor", None),
        (1, "owner", Some(until)),
        (2, "editor", None),
        (3, "viewer", None),
    ] {
        let new = NewGrant { until, ..new_grant(&ids[n], role) };
        roles.grant(&operator(), &new).await.unwrap();
    }
    roles.revoke(&operator(), &ids[2], &sinar, "editor").await.unwrap();
    // The fourth has something in another tenant than it is asked about.
    let home = |n: usize| if n == 3 { &bintang } else { &sinar };
    let people: Vec<(&str, &TenantId)> =
        ids.iter().enumerate().map(|(n, id)| (id.as_str(), home(n))).collect();
    let mut sizes = Vec::new();
    for step in 0..3 {
        match step {
            1 => house.clock.set(until),
            2 => drop(roles.retire_role(&operator(), &sinar, "Late", true).await.unwrap()),
            _ => {}
        }
        let together = roles.permits_of(&people).await.unwrap();
        for (id, home) in &people {
            let alone = roles.standing_now(id, home).await.unwrap().permits;
            assert_eq!(together.get(*id).copied().unwrap_or_default(), alone, "{step} {id}");
        }
        sizes.push(together.len());
    }
    assert_eq!(sizes, [2, 1, 1]);
    assert!(roles.permits_of(&[]).await.unwrap().is_empty());
    assert!(matches!(roles.permits_of(&[("x", &sinar)]).await, Err(Error::Field { .. })));
}

#[tokio::test]
async fn names_that_look_alike_are_refused() {
    let house = house().await;
    house.access.define_role(&operator(), &new_role("Night shift", &[], &[])).await.unwrap();
    for name in
        ["Adm1nistrator", "owner", "Owner", "0wner", "People Manager", "NIGHT-SHIFT", "Night Sh1ft"]
    {
        let refused = house.access.define_role(&operator(), &new_role(name, &[], &[])).await;
        assert!(matches!(refused, Err(Error::Taken(_))), "{name} {refused:?}");
    }
    for name in ["\u{41e}wner", "owner\u{200b}", "", "a  b", "é"] {
        let refused = house.access.define_role(&operator(), &new_role(name, &[], &[])).await;
        assert!(matches!(refused, Err(Error::Name { .. })), "{name}");
    }
    let none = new_role("Other", &["notes.paint"], &[]);
    assert!(matches!(
        house.access.define_role(&operator(), &none).await,
        Err(Error::NoPermission(_))
    ));
}

#[tokio::test]
async fn a_ring_is_refused_also_when_two_close_it_at_once() {
    let house = house().await;
    let define = async |name: &str, parents: &[&str]| {
        house.access.define_role(&operator(), &new_role(name, &["notes.read"], parents)).await
    };
    define("A", &[]).await.unwrap();
    define("B", &["A"]).await.unwrap();
    define("C", &["B"]).await.unwrap();
    assert!(matches!(define("A", &["C"]).await, Err(Error::Cycle(_))));
    assert!(matches!(define("A", &["A"]).await, Err(Error::Cycle(_))));
    // Two by two, around the program: one of each pair must fail, whatever they may see.
    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let (x, y) = (format!("X {}", isolation.len()), format!("Y {}", isolation.len()));
        define(&x, &[]).await.unwrap();
        define(&y, &[]).await.unwrap();
        let close = async |role: &str, parent: &str| -> Result<(), store::Error> {
            let tx = house.base.engine.operator().await?;
            tx.batch(&format!("SET TRANSACTION ISOLATION LEVEL {isolation}")).await?;
            tx.query("SELECT count(*) FROM access.role_parents", &[]).await?;
            let sql = "INSERT INTO access.role_parents SELECT r.id, p.id FROM access.roles r, access.roles p \
                       WHERE r.name = $1 AND p.name = $2";
            tx.execute(sql, &[&role, &parent]).await?;
            tx.commit().await
        };
        let (one, other) = tokio::join!(close(&x, &y), close(&y, &x));
        assert!(one.is_err() || other.is_err(), "{isolation}: a ring was closed");
        assert!(one.is_ok() || other.is_ok(), "{isolation}: {one:?} {other:?}");
    }
}

#[tokio::test]
async fn grants_stay_and_shipped_roles_are_not_the_programs_to_change() {
    let house = house().await;
    house.grant(&operator(), SARI, "editor").await.unwrap();
    let (engine, owner) = (&house.base.engine, &house.base.owner);
    for sql in [
        "DELETE FROM access.grants",
        "TRUNCATE access.grants",
        "UPDATE access.grants SET tenant = 'bintang'",
        "UPDATE access.grants SET revoked_at = NULL, revoked_by = NULL",
        "UPDATE access.grants SET revoked_at = now(), revoked_by = 'x', reason = 'y'",
    ] {
        assert!(
            house.attempt(engine, sql).await.contains("denied") || sql.contains("NULL"),
            "{sql}"
        );
        let kept = "a grant is evidence: it can be revoked once, and neither changed nor removed";
        assert_eq!(house.attempt(owner, sql).await, kept, "{sql}");
    }
    let widen = "INSERT INTO access.role_permissions SELECT r.id, p.id FROM access.roles r, access.permissions p \
                 WHERE r.name = 'viewer' AND p.name = 'people.roles'";
    assert!(house.attempt(engine, widen).await.contains("row-level security"));
    let above = "INSERT INTO access.role_parents SELECT r.id, p.id FROM access.roles r, access.roles p \
                 WHERE r.name = 'viewer' AND p.name = 'owner'";
    assert!(house.attempt(engine, above).await.contains("row-level security"));
    let shipped = "INSERT INTO access.roles (name, title) VALUES ('root', 'x')";
    assert!(house.attempt(engine, shipped).await.contains("row-level security"));
    let tx = engine.operator().await.unwrap();
    assert_eq!(tx.execute("UPDATE access.roles SET retired_at = now()", &[]).await.unwrap(), 0);
    let emptied = "DELETE FROM access.role_permissions";
    assert_eq!(tx.execute(emptied, &[]).await.unwrap(), 0);
    tx.rollback().await.unwrap();
    assert!(house.may(SARI, "prices.propose").await && !house.may(SARI, "people.roles").await);
}

#[tokio::test]
async fn bad_values_are_answers_and_no_errors_of_the_database() {
    let house = house().await;
    for account in
        ["", "x", "00000000-0000-4000-8000-00000000000g", "0'; DROP TABLE access.grants; --"]
    {
        let refused = house.grant(&operator(), account, "editor").await;
        assert!(matches!(refused, Err(Error::Field { field: "account", .. })), "{account}");
    }
    for reason in [String::new(), " ".to_owned(), "x\n".to_owned(), "r".repeat(1001)] {
        let new = NewGrant { reason, ..new_grant(SARI, "editor") };
        assert!(matches!(house.access.grant(&operator(), &new).await, Err(Error::Field { .. })));
    }
    assert!(matches!(house.grant(&operator(), SARI, "no such").await, Err(Error::NoRole(_))));
    assert!(By::operator("").is_err() && By::operator("a\nb").is_err());
}

/// The word that an account had becomes a grant, where a shipped role has that name.
#[tokio::test]
async fn the_role_that_an_account_had_is_carried_over() {
    let base = testkit::database(&[]).await;
    let tx = base.owner.operator().await.unwrap();
    tx.batch(
        "CREATE SCHEMA identity;
         CREATE TABLE identity.accounts (id uuid, tenant text, role text NOT NULL, disabled_at timestamptz);
         INSERT INTO identity.accounts VALUES
             ('00000000-0000-4000-8000-000000000001', 'sinar', 'editor', NULL),
             ('00000000-0000-4000-8000-000000000002', 'sinar', 'wizard', NULL)",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    store::migrate(&base.owner, &[&crate::ROOM]).await.unwrap();
    let clock = Arc::new(kernel::SystemClock);
    let access = Access::new(base.engine.clone(), clock);
    let roles =
        async |account: &str| access.standing_now(account, &tenant("sinar")).await.unwrap().roles;
    assert_eq!(roles(SARI).await, ["editor"]);
    assert_eq!(roles(DEWI).await, [""; 0]);
}
