//! A superuser takes the trail out of the owner's hands, and nothing that the owner has planted
//! comes along.

use kernel::Outcome;
use store::{Db, Protected};

use super::{Keeper, SHOP, binding, cx, house, run, trail, watched, whole};
use crate::{GUARD, controls};

/// What makes its owner a superuser as soon as it is a superuser's.
const EVIL: &str = "
CREATE FUNCTION audit.evil() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    EXECUTE pg_catalog.format('ALTER ROLE %I SUPERUSER', '{owner}');
END $$;
GRANT USAGE ON SCHEMA audit TO {app};
GRANT EXECUTE ON FUNCTION audit.evil() TO {app};";

/// A database whose owner keeps the trail and has recorded a row, and its superuser.
async fn kept_by_owner() -> (Protected, Db) {
    let protected = house(SHOP, Keeper::Owner).await;
    let superuser = testkit::postgres().await.superuser(&protected.name).await;
    let tx = protected.intruder.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch("INSERT INTO public.product (company_id, name) VALUES (-1, 'Rice')").await.unwrap();
    tx.commit().await.unwrap();
    (protected, superuser)
}

fn evil(protected: &Protected) -> String {
    EVIL.replace("{owner}", &protected.owner.url().user).replace("{app}", &protected.app_role)
}

async fn guard(superuser: &Db) -> store::Result<usize> {
    store::migrate_privileged(superuser, &[&GUARD]).await
}

async fn is_superuser(protected: &Protected) -> bool {
    let tx = protected.owner.operator().await.unwrap();
    let sql = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
    tx.query_one(sql, &[]).await.unwrap().get(0)
}

/// The application calls what the owner has planted.
async fn call(protected: &Protected) -> bool {
    let tx = protected.intruder.operator().await.unwrap();
    let called = tx.batch("SELECT audit.evil()").await.is_ok();
    if called {
        tx.commit().await.unwrap();
    }
    called
}

/// A function of the owner in schema `audit` does not become a superuser's: it is named, nothing is
/// changed, and once it is gone the guard stands and what was recorded is still there.
#[tokio::test]
async fn a_planted_function_is_not_taken_over() {
    let (protected, superuser) = kept_by_owner().await;
    run(&protected.owner, &evil(&protected)).await;
    let refused = guard(&superuser).await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("function audit.evil()"), "{refused}");
    assert!(!call(&protected).await, "the owner's own function has the owner's own rights");
    assert!(!is_superuser(&protected).await);
    run(&protected.owner, "DROP FUNCTION audit.evil()").await;
    let before = trail(&*whole(&protected).await).await;
    assert!(!before.is_empty());
    guard(&superuser).await.unwrap();
    let tx = whole(&protected).await;
    let after = trail(&tx).await;
    assert!(after.iter().all(crate::TrailRow::is_whole));
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    tx.rollback().await.unwrap();
    // Recording goes on by the triggers that are there, and numbers go on.
    let tx = protected.intruder.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch("INSERT INTO public.product (company_id, name) VALUES (-1, 'Maize')").await.unwrap();
    tx.commit().await.unwrap();
    let more = trail(&*whole(&protected).await).await;
    assert_eq!(more.len(), before.len() + 1);
    assert!(more.last().unwrap().id > before.last().unwrap().id);
    // Whoever the owner let in is out.
    let tx = protected.intruder.operator().await.unwrap();
    let denied = tx.attempt("SELECT audit.evil()", &[]).await.unwrap().unwrap_err();
    assert!(denied.is_denied(), "{denied}");
}

/// What runs when a table is read or analysed, and what somebody would miss afterwards, is named.
#[tokio::test]
async fn what_hangs_on_the_owners_trail_is_named() {
    for (seed, words) in [
        (
            "CREATE FUNCTION public.evil(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
             CREATE INDEX ON audit.system_audit_logs (public.evil(action))",
            "an index of somebody's own",
        ),
        ("CREATE RULE r AS ON INSERT TO audit.system_audit_logs DO ALSO NOTHING", "a rule"),
        ("CREATE POLICY p ON audit.system_audit_logs USING (true)", "a policy"),
        (
            "CREATE STATISTICS audit.s ON (action || 'x') FROM audit.system_audit_logs",
            "statistics object audit.s",
        ),
        (
            "CREATE TRIGGER t BEFORE INSERT ON audit.system_audit_logs FOR EACH ROW
             EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
            "a trigger of somebody's own",
        ),
        ("ALTER TABLE audit.system_audit_logs ADD CHECK (id > 0)", "other constraints"),
        ("ALTER TABLE audit.system_audit_logs ADD extra text", "other columns"),
        (
            "CREATE TABLE public.above (LIKE audit.system_audit_logs) PARTITION BY LIST (id);
             ALTER TABLE public.above ATTACH PARTITION audit.system_audit_logs DEFAULT",
            "it inherits",
        ),
        ("CREATE TYPE audit.mood AS ENUM ('calm')", "type audit.mood"),
        ("CREATE VIEW audit.seen AS SELECT 1", "view audit.seen"),
        (
            "CREATE VIEW public.report AS SELECT id FROM audit.system_audit_logs",
            "view public.report depends on table audit.system_audit_logs",
        ),
    ] {
        let (protected, superuser) = kept_by_owner().await;
        run(&protected.owner, seed).await;
        let refused = guard(&superuser).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(words), "{seed}: {refused}");
        assert!(refused.contains("nothing was changed"), "{seed}: {refused}");
        let tx = protected.owner.operator().await.unwrap();
        assert!(crate::has_trail(&tx).await.unwrap().1, "{seed}: it is still the owner's");
    }
}

/// Functions of ours with another text are made anew, and rights that the owner gave are gone.
#[tokio::test]
async fn what_the_owner_has_replaced_is_ours_again() {
    let (protected, superuser) = kept_by_owner().await;
    let app = &protected.app_role.clone();
    run(
        &protected.owner,
        &format!(
            "CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql
                 SECURITY DEFINER AS $$ BEGIN RETURN NEW; END $$;
             CREATE OR REPLACE FUNCTION audit.global_track_changes() RETURNS trigger
                 LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             GRANT USAGE ON SCHEMA audit TO {app};
             GRANT ALL ON audit.system_audit_logs TO {app} WITH GRANT OPTION;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA audit TO {app} WITH GRANT OPTION"
        ),
    )
    .await;
    guard(&superuser).await.unwrap();
    let protected = Protected { superuser: Some(superuser), ..protected };
    run(
        protected.superuser.as_ref().unwrap(),
        &format!("ALTER ROLE {} NOCREATEROLE", protected.owner.url().user),
    )
    .await;
    let proof = controls(vec![watched(&protected)])[0].prove(&cx(), &super::none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a
                WHERE p.pronamespace = 'audit'::regnamespace
                  AND a.grantee IN (0, $1::text::regrole)";
    assert_eq!(tx.query_one(sql, &[app]).await.unwrap().get::<_, i64>(0), 0);
}

/// An earlier version gave a superuser whatever was there. It is a superuser's no more.
#[tokio::test]
async fn what_an_earlier_version_took_over_is_gone() {
    let (protected, superuser) = kept_by_owner().await;
    run(&protected.owner, &evil(&protected)).await;
    run(
        &superuser,
        "ALTER SCHEMA audit OWNER TO CURRENT_USER;
         ALTER TABLE audit.system_audit_logs OWNER TO CURRENT_USER;
         DO $$ DECLARE f regprocedure; BEGIN
             FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'audit'::regnamespace LOOP
                 EXECUTE format('ALTER FUNCTION %s OWNER TO CURRENT_USER', f);
             END LOOP;
         END $$",
    )
    .await;
    guard(&superuser).await.unwrap();
    assert!(!call(&protected).await);
    assert!(!is_superuser(&protected).await);
    assert!(!trail(&*whole(&protected).await).await.is_empty());
    // Once it stands, it is not made again.
    assert_eq!(guard(&superuser).await.unwrap(), 0);
}

/// In a sandbox the superuser is first: what the owner would plant in schema `audit` there is not a
/// superuser's, and not even made.
#[tokio::test]
async fn a_sandbox_hands_nothing_over() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let owner = &protected.owner.url().user;
    run(
        &protected.owner,
        &format!(
            "CREATE FUNCTION public.plant(value text) RETURNS boolean LANGUAGE plpgsql AS $f$
             BEGIN
                 IF pg_catalog.current_database() LIKE 'amanah_sandbox_%' THEN
                     CREATE FUNCTION audit.evil() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
                     AS $$ BEGIN ALTER ROLE {owner} SUPERUSER; END $$;
                     GRANT EXECUTE ON FUNCTION audit.evil() TO amanah_trail;
                 END IF;
                 RETURN true;
             EXCEPTION WHEN insufficient_privilege THEN
                 RETURN true;
             END $f$;
             CREATE DOMAIN public.dk AS text CHECK (public.plant(value));
             CREATE TABLE public.pt (k public.dk) PARTITION BY LIST (k);
             CREATE TABLE public.p1 PARTITION OF public.pt FOR VALUES IN ('x');
             CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 IF pg_catalog.to_regprocedure('audit.evil()') IS NOT NULL THEN
                     PERFORM audit.evil();
                 END IF;
                 RETURN (amanah.binding())[3];
             END $$"
        ),
    )
    .await;
    for control in controls(vec![watched(&protected)]) {
        let proof = control.bite(&cx()).await;
        let id = control.card().id;
        assert!(!is_superuser(&protected).await, "{id}: the owner is a superuser");
        assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
    }
}

/// What a partitioned table is divided by is run by whoever opens it, so a bite opens it as its
/// owner.
#[tokio::test]
async fn a_bite_opens_no_table_as_superuser() {
    let protected = house(
        "CREATE TABLE ledger (company_id int NOT NULL, year int NOT NULL);
         GRANT SELECT, INSERT, UPDATE, DELETE ON ledger TO {app};",
        Keeper::Superuser,
    )
    .await;
    let owner = &protected.owner.url().user;
    run(
        &protected.owner,
        &format!(
            "DROP TABLE ledger;
             CREATE FUNCTION public.zero(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
                 $$ BEGIN RETURN 0; END $$;
             CREATE TABLE ledger (company_id int NOT NULL, year int NOT NULL)
                 PARTITION BY RANGE ((year + public.zero(1)));
             CREATE TABLE ledger_all PARTITION OF ledger DEFAULT;
             CREATE OR REPLACE FUNCTION public.zero(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
                 $$ BEGIN
                     IF pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on' THEN
                         EXECUTE 'ALTER ROLE {owner} SUPERUSER';
                     END IF;
                     RETURN 0;
                 END $$;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ledger TO {}",
            protected.app_role
        ),
    )
    .await;
    super::track(&protected).await;
    for control in controls(vec![watched(&protected)]) {
        let proof = control.bite(&cx()).await;
        let id = control.card().id;
        assert!(!is_superuser(&protected).await, "{id}: the owner is a superuser");
        assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
    }
}
