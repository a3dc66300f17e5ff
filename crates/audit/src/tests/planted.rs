//! Code that somebody else planted: it never runs with more rights than theirs.

use kernel::Outcome;
use store::{Db, Protected};

use super::{Keeper, SHOP, binding, cx, house, none, run, trail, unsealed, watched, whole};
use crate::controls;

/// What an owner of tables can plant so that it runs in a superuser's session, if that session ever
/// writes to a table, calls a function, changes into another role, or looks a name up on the path
/// of the database. A sequence keeps count, since it outlives a rollback.
const PLANTED: &str = r#"
CREATE SEQUENCE public.caught;
GRANT USAGE ON SEQUENCE public.caught TO PUBLIC;
CREATE FUNCTION public.watch() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r
         WHERE r.rolname OPERATOR(pg_catalog.=) session_user) THEN
        PERFORM pg_catalog.nextval('public.caught');
        RAISE EXCEPTION 'planted code runs in a session of the superuser';
    END IF;
END $$;
CREATE FUNCTION public.watching() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM public.watch(); RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    PERFORM public.watch(); RETURN (amanah.binding())[3];
END $$;
DO $$ DECLARE place regclass; BEGIN
    FOR place IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relowner = (
        SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
    LOOP
        EXECUTE format('CREATE TRIGGER z_watch AFTER INSERT OR UPDATE OR DELETE ON %s
                            FOR EACH ROW EXECUTE FUNCTION public.watching()', place);
        EXECUTE format('CREATE TRIGGER z_watch_all
                            AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
                            FOR EACH STATEMENT EXECUTE FUNCTION public.watching()', place);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER z_watch,
                            ENABLE ALWAYS TRIGGER z_watch_all', place);
    END LOOP;
END $$;
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
DO $$ DECLARE side text; BEGIN
    FOREACH side IN ARRAY ARRAY['text, text', 'name, text', 'name, name', '"char", "char"',
                                'bigint, integer'] LOOP
        EXECUTE format('CREATE FUNCTION evil.same(%s) RETURNS boolean LANGUAGE plpgsql AS
            ''BEGIN PERFORM public.watch(); RETURN $1 OPERATOR(pg_catalog.=) $2; END''', side);
        EXECUTE format('CREATE OPERATOR evil.= (LEFTARG = %s, RIGHTARG = %s,
                        FUNCTION = evil.same)', split_part(side, ', ', 1),
                       split_part(side, ', ', 2));
    END LOOP;
    EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, public',
                   current_database());
END $$;"#;

/// A guarded database with traps everywhere, and a superuser as the product has it.
async fn trapped() -> Protected {
    let mut protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, PLANTED).await;
    let superuser = protected.superuser.as_ref().unwrap().url().pinned();
    protected.superuser = Some(Db::connect(&superuser, 2).await.unwrap());
    protected
}

async fn caught(protected: &Protected) -> bool {
    let tx = protected.owner.operator().await.unwrap();
    tx.query_one("SELECT is_called FROM public.caught", &[]).await.unwrap().get(0)
}

/// Neither a proof nor a bite ever runs planted code in a session of the superuser, be it with its
/// rights or after SET ROLE; and both come to their end in spite of it.
#[tokio::test]
async fn planted_code_never_runs_in_a_superusers_session() {
    let protected = trapped().await;
    for control in unsealed(vec![watched(&protected)]) {
        let (id, proof) = (control.card().id, control.prove(&cx(), &none()).await);
        assert!(!caught(&protected).await, "{id}: {}", proof.detail());
        assert_eq!(proof.outcome(), Outcome::Holds, "{id}: {}", proof.detail());
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
        assert!(!caught(&protected).await, "{id}");
    }
    // The trap works: this is what a superuser must not do.
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let write = "INSERT INTO public.company (id) VALUES (7)";
    let sprung = tx.attempt(write, &[]).await.unwrap().unwrap_err();
    assert!(sprung.to_string().contains("planted code"), "{sprung}");
    assert!(caught(&protected).await);
}

/// The logins that were made for the administrators are gone afterwards.
#[tokio::test]
async fn a_proof_leaves_no_login_behind() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    // One that a killed run left, and one that still runs: its time is not over.
    run(
        superuser,
        "CREATE ROLE amanah_probe_killed LOGIN VALID UNTIL '2020-01-01' IN ROLE amanah_admin;
         CREATE ROLE amanah_probe_busy LOGIN VALID UNTIL '2999-01-01'",
    )
    .await;
    let proof = controls(vec![watched(&protected)])[0].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    let tx = superuser.operator().await.unwrap();
    let sql = "SELECT rolname::text FROM pg_roles WHERE rolname IN
               ('amanah_probe_killed', 'amanah_probe_busy')";
    let left: Vec<String> =
        tx.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(left, ["amanah_probe_busy"]);
    assert!(!proof.detail().contains("left behind"), "{}", proof.detail());
}

/// Who may make roles enters those of the trail before PostgreSQL 16: both claims name him.
#[tokio::test]
async fn who_may_make_roles_is_named() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    // Of many the first few are named.
    let (maker, heir) = (format!("a0_{}", protected.name), format!("a1_{}", protected.name));
    let make =
        format!("CREATE ROLE {maker} LOGIN CREATEROLE; CREATE ROLE {heir} LOGIN IN ROLE {maker}");
    run(superuser, &make).await;
    let all = unsealed(vec![watched(&protected)]);
    for id in ["audit.append-only", "audit.reads"] {
        let control = all.iter().find(|control| control.card().id == id).unwrap();
        let proof = control.prove(&cx(), &none()).await;
        let named = format!("the logins {maker}, {heir}");
        assert!(proof.detail().contains(&named), "{id}: {}", proof.detail());
    }
    run(superuser, &format!("DROP ROLE {heir}; DROP ROLE {maker}")).await;
}

/// Names of types are looked up in a session's own temporary schema first, whatever the path says:
/// domains there with the names of ours, and checks that call code, are not come upon when the
/// application writes a row in a fresh session.
#[tokio::test]
async fn types_of_the_writers_own_are_not_come_upon() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let fresh = Db::lazy(protected.intruder.url(), 1).unwrap();
    let tx = fresh.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch(
        "CREATE FUNCTION pg_temp.leak() RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'shadowed as %', current_user; END $$;
         DO $$ DECLARE shadow pg_catalog.text; BEGIN
             FOREACH shadow IN ARRAY ARRAY['text', 'jsonb', 'name', 'bytea', 'int4', 'int8', 'bool',
                                           'timestamptz', 'xid8', 'oid', 'regclass'] LOOP
                 EXECUTE format('CREATE DOMAIN pg_temp.%1$I AS pg_catalog.%1$I
                                 CHECK (pg_temp.leak())', shadow);
             END LOOP;
         END $$",
    )
    .await
    .unwrap();
    // The trap works.
    let sprung = tx.attempt("SELECT 'x'::text", &[]).await.unwrap().unwrap_err();
    assert!(sprung.to_string().contains("shadowed as"), "{sprung}");
    tx.batch(
        "INSERT INTO public.product (id, company_id, name) VALUES (7, -1, 'Rice');
         UPDATE public.product SET name = 'Maize'; DELETE FROM public.product",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let tx = whole(&protected).await;
    let entries = trail(&tx).await;
    let actions: Vec<&str> = entries.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["INSERT", "UPDATE", "DELETE"]);
    assert!(entries.iter().all(|e| e.is_whole() && e.actor_id.as_deref() == Some("ani")));
}

/// What the owner plants where the recorder asks who acts runs with the right to insert: it gets no row in
/// under another number, transaction, time or login, and the write is refused.
#[tokio::test]
async fn a_planted_actor_forges_no_row() {
    let protected = house(SHOP, Keeper::Superuser).await;
    for (action, columns, values) in [
        ("DELETE", "id", "1"),
        ("DELETE", "xid", "'5'"),
        ("DELETE", "db_user", "'postgres'"),
        ("DELETE", "event_timestamp", "now() - interval '1 day'"),
        ("DELETE", "erased", "sha256('')"),
        ("READ", "new_data", "'{}'"),
        ("ASK", "new_data", "'{}'"),
        ("DDL", "new_data", "'{\"command\": \"DROP TABLE\"}'"),
    ] {
        let planted = format!(
            "CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
             BEGIN
                 INSERT INTO audit.system_audit_logs (action, table_schema, table_name, {columns})
                 OVERRIDING SYSTEM VALUE VALUES ('{action}', 'public', 'product', {values});
                 RETURN 'ani';
             END $$"
        );
        run(&protected.owner, &planted).await;
        let tx = protected.owner.operator().await.unwrap();
        let sale = "INSERT INTO product (company_id, name, price) VALUES (-1, 'tea', 3)";
        let refused = tx.batch(sale).await.unwrap_err().to_string();
        assert!(
            refused.contains("has the number, transaction, time and login"),
            "{action} {columns}: {refused}"
        );
    }
}
