//! Undoing: what a dump shows of a database before it was protected and after, whatever was in it.

use store::{Db, Protected};

use super::fixture::{DJANGO, NUMBERS, planned};
use crate::{Error, Farewell, ROOM, Step, apply, drop_roles, undo, undo_plan};

/// Everything that a plan can come across, in the forms that are easily lost.
const ODD: &str = r#"
    CREATE SCHEMA "Ünit ""x""";
    GRANT CREATE, USAGE ON SCHEMA "Ünit ""x""" TO {app};
    CREATE TABLE "Ünit ""x"""."select" (tenant varchar(12) NOT NULL, id int NOT NULL,
        note text DEFAULT 'x', PRIMARY KEY (tenant, id));
    CREATE TABLE "Ünit ""x"""."Select" (tenant text, id int PRIMARY KEY, parent int,
        UNIQUE (id, tenant));
    ALTER TABLE "Ünit ""x"""."Select" ADD CONSTRAINT "k ""1""" FOREIGN KEY (parent)
        REFERENCES "Ünit ""x"""."Select" (id) ON DELETE SET NULL DEFERRABLE NOT VALID;
    COMMENT ON CONSTRAINT "k ""1""" ON "Ünit ""x"""."Select" IS 'it''s kept';
    CREATE TABLE an_identifier_of_sixty_three_bytes_which_is_the_most_that_fits_ (
        tenant uuid NOT NULL DEFAULT gen_random_uuid(), id int PRIMARY KEY);
    CREATE TABLE own (tenant text NOT NULL, id int PRIMARY KEY, CHECK (id > 0));
    INSERT INTO own VALUES ('a', 1), ('b', 2);
    ALTER TABLE own ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY mine ON own FOR UPDATE TO {app} USING (tenant = 'a') WITH CHECK (id > 1);
    CREATE POLICY narrow ON own AS RESTRICTIVE USING (id < 1000);
    COMMENT ON POLICY mine ON own IS 'hers';
    CREATE POLICY amanah_select ON own FOR SELECT TO {app} USING (true);
    CREATE TABLE child (tenant text NOT NULL, id int PRIMARY KEY,
        own_id int NOT NULL REFERENCES own ON UPDATE CASCADE);
    CREATE VIEW barrier WITH (security_invoker = false, security_barrier = true)
        AS SELECT * FROM own;
    CREATE VIEW plain AS SELECT * FROM barrier;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM own;
    CREATE TABLE part (tenant text, id int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE TABLE shared (code text PRIMARY KEY);
    INSERT INTO child VALUES ('a', 1, 1), ('b', 2, 2);
    INSERT INTO part VALUES ('a', 1);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO {app};
    GRANT SELECT, REFERENCES (id) ON own TO PUBLIC;
    GRANT TRUNCATE ON child TO {app} WITH GRANT OPTION;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {app};
    ALTER DEFAULT PRIVILEGES GRANT SELECT, TRUNCATE ON TABLES TO PUBLIC;"#;

/// The database as a dump shows it, with its rows, and what a dump does not show: rights on the
/// database and on PostgreSQL's own functions, where they are not what they are by default.
async fn picture(protected: &Protected) -> String {
    let superuser = protected.superuser.as_ref().unwrap();
    let mut dump = Vec::new();
    superuser.dump(&protected.programs, &mut |piece| dump.extend_from_slice(piece)).await.unwrap();
    let tx = superuser.operator().await.unwrap();
    let rights = "
        SELECT COALESCE(string_agg(i.what || ' ' || x::text, E'\n' ORDER BY 1), '') FROM (
            SELECT 'database', COALESCE(datacl, acldefault('d', datdba)) FROM pg_database
             WHERE datname = current_database()
            UNION ALL
            SELECT oid::regprocedure::text, COALESCE(proacl, acldefault('f', proowner))
              FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
            UNION ALL
            SELECT 'parameter', array_agg(makeaclitem(r.oid, 10, 'SET', false))
              FROM pg_roles r WHERE NOT rolsuper AND rolname = current_database() || '_owner'
               AND has_parameter_privilege(r.oid, 'backtrace_functions', 'SET')
            UNION ALL
            SELECT oid::regclass::text, relacl FROM pg_class
             WHERE relnamespace = 'pg_catalog'::regnamespace) i(what, acl)
         CROSS JOIN LATERAL unnest(i.acl) x";
    let rights: String = tx.query_one(rights, &[]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    let mut rights: Vec<&str> = rights.lines().collect();
    rights.sort_unstable();
    let dump = String::from_utf8(dump).unwrap();
    // Each dump has its own word against psql's commands.
    let plain = dump.lines().filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unres"));
    plain.chain(rights).collect::<Vec<_>>().join("\n")
}

/// The application's tables and nothing of ours.
async fn untouched(schema: &str, column: &str) -> Protected {
    let protected = testkit::protected(schema, column, NUMBERS, &[]).await;
    let tx = protected.owner.operator().await.unwrap();
    tx.batch("DROP SCHEMA amanah CASCADE").await.unwrap();
    tx.commit().await.unwrap();
    protected
}

async fn protect(protected: &Protected, superuser: Option<&Db>) -> usize {
    store::migrate(&protected.owner, &[&ROOM]).await.unwrap();
    let plan = planned(protected).await;
    apply(&protected.owner, superuser, &plan).await.unwrap().steps
}

fn same(before: &str, after: &str) {
    let missing: Vec<&str> = before.lines().filter(|l| !after.lines().any(|a| a == *l)).collect();
    let added: Vec<&str> = after.lines().filter(|l| !before.lines().any(|b| b == *l)).collect();
    assert!(missing.is_empty() && added.is_empty(), "missing {missing:#?}\nadded {added:#?}");
    assert_eq!(before, after, "in another order");
}

#[tokio::test]
async fn a_database_is_put_back_as_it_was() {
    for (schema, column) in [(DJANGO, "company_id"), (ODD, "tenant")] {
        let protected = untouched(schema, column).await;
        let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
        let before = picture(&protected).await;
        assert!(protect(&protected, superuser).await > 10);
        assert_ne!(picture(&protected).await, before);
        // A second run changes nothing, and so is nothing in the way of going back.
        assert_eq!(protect(&protected, superuser).await, 0);
        let undone = undo(owner, superuser, &Farewell::default()).await.unwrap();
        assert!(undone.steps.len() > 10, "{undone:?}");
        same(&before, &picture(&protected).await);
        // There is nothing left to undo, and it can be protected again.
        let again = undo_plan(owner, superuser).await.unwrap();
        assert!(again.steps.is_empty() && again.privileged.is_empty(), "{again:?}");
        undo(owner, superuser, &Farewell::default()).await.unwrap();
        same(&before, &picture(&protected).await);
        assert!(protect(&protected, superuser).await > 10);
    }
}

/// Without a superuser, and with one that comes later: what was done in several runs goes back in
/// one.
#[tokio::test]
async fn what_was_done_by_halves_is_put_back() {
    let protected = untouched(DJANGO, "company_id").await;
    let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
    let before = picture(&protected).await;
    // The room alone, which was all that a run did whose first step failed.
    store::migrate(owner, &[&ROOM]).await.unwrap();
    undo(owner, None, &Farewell::default()).await.unwrap();
    same(&before, &picture(&protected).await);
    // The owner's part alone.
    protect(&protected, None).await;
    undo(owner, None, &Farewell::default()).await.unwrap();
    same(&before, &picture(&protected).await);
    // Half of the steps, then the other half, then the superuser's.
    store::migrate(owner, &[&ROOM]).await.unwrap();
    let mut half = planned(&protected).await;
    half.steps.truncate(half.steps.len() / 2);
    apply(owner, None, &half).await.unwrap();
    protect(&protected, None).await;
    protect(&protected, superuser).await;
    undo(owner, superuser, &Farewell::default()).await.unwrap();
    same(&before, &picture(&protected).await);
}

/// What somebody has changed since is named, and nothing is undone, unless it is to stay. A table
/// that was renamed is found, and one that is gone needs nothing.
#[tokio::test]
async fn what_was_changed_since_is_not_destroyed() {
    let protected = untouched(DJANGO, "company_id").await;
    let owner = &protected.owner;
    protect(&protected, None).await;
    let as_owner = async |sql: &str| {
        let tx = owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    };
    as_owner(
        "ALTER POLICY amanah_select ON tag USING (company_id = 1);
         ALTER TABLE product ALTER company_id SET DEFAULT 7;
         GRANT SELECT ON tag TO PUBLIC;
         ALTER TABLE visit_2021 RENAME TO visits_of_2021;
         DROP VIEW open_invoice_count;
         DROP TABLE visit_2020",
    )
    .await;
    let plan = undo_plan(owner, None).await.unwrap();
    insta::assert_debug_snapshot!((plan.changed, plan.gone));
    let error = undo(owner, None, &Farewell::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Changed(all) if all.contains("amanah_select")), "{error}");
    // Left as they are, the rest is undone; what was granted meanwhile stays.
    let leave = Farewell { leave_changed: true, ..Farewell::default() };
    undo(owner, None, &leave).await.unwrap();
    let tx = owner.operator().await.unwrap();
    let left = "SELECT (SELECT string_agg(polname || ' on ' || polrelid::regclass, ', ')
                          FROM pg_policy),
                       (SELECT string_agg(relname, ', ') FROM pg_class WHERE relrowsecurity),
                       has_table_privilege('amanah_auditor', 'tag', 'SELECT'),
                       (SELECT count(*) FROM pg_namespace WHERE nspname = 'amanah')";
    let row = tx.query_one(left, &[]).await.unwrap();
    let found = (row.get::<_, &str>(0), row.get::<_, Option<&str>>(1), row.get::<_, bool>(2));
    assert_eq!(found, ("amanah_select on tag", None, true));
    assert_eq!(row.get::<_, i64>(3), 0);
}

/// What uses the binding would break without it, and what others keep in our schemas would be gone:
/// it is named, whatever its name is, and everything stays.
#[tokio::test]
async fn what_others_use_is_not_taken_away() {
    let protected = untouched(DJANGO, "company_id").await;
    let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
    protect(&protected, superuser).await;
    let run = async |db: &Db, sql: &str| {
        let tx = db.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    };
    let hanging = [
        ("CREATE VIEW mine AS SELECT amanah.current_tenant() AS tenant", "VIEW mine", "mine"),
        (
            "CREATE VIEW \"report on amanah.x\" AS SELECT amanah.current_actor() AS actor",
            "VIEW \"report on amanah.x\"",
            "report on amanah.x",
        ),
        ("CREATE TABLE amanah.my_notes (note text)", "TABLE amanah.my_notes", "amanah.my_notes"),
        (
            "CREATE TABLE cases (evidence amanah.binding_key)",
            "TABLE cases",
            "table column public.cases.evidence",
        ),
        ("CREATE TYPE amanah.mood AS ENUM ('x')", "TYPE amanah.mood", "type amanah.mood"),
        (
            "CREATE VIEW open AS SELECT amanah_guard.lets_through() AS yes",
            "VIEW open",
            "public.open",
        ),
    ];
    for (make, object, told) in hanging {
        run(superuser.unwrap(), make).await;
        let error = undo(owner, superuser, &Farewell::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Hanging(all) if all.contains(told)), "{error}");
        run(superuser.unwrap(), &format!("DROP {object}")).await;
    }
    let theirs = "CREATE TABLE amanah_guard.notes (note text)";
    run(superuser.unwrap(), theirs).await;
    let error = undo(owner, superuser, &Farewell::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Hanging(all) if all == "table amanah_guard.notes"), "{error}");
    run(superuser.unwrap(), "DROP TABLE amanah_guard.notes").await;
    undo(owner, superuser, &Farewell::default()).await.unwrap();
}

/// What the owner writes into its own journal is never run by the superuser, and a journal of the
/// owner's making in the superuser's place is not read.
#[tokio::test]
async fn the_superuser_runs_nothing_of_the_owners() {
    let protected = untouched(DJANGO, "company_id").await;
    let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
    protect(&protected, None).await;
    let tx = owner.operator().await.unwrap();
    tx.batch(
        "CREATE SCHEMA amanah_guard;
         CREATE TABLE amanah_guard.journal (LIKE amanah.journal INCLUDING ALL);
         INSERT INTO amanah_guard.journal (id, kind, schema, name, part, before)
             VALUES (1, 'function acl', 'pg_catalog', 'pg_ls_dir(text)', '',
                     '[[null, \"postgres\", \"EXECUTE\", false]]')",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let plan = undo_plan(owner, superuser).await.unwrap();
    assert!(plan.privileged.is_empty(), "{plan:?}");
}

/// The owner names roles in its journal as it likes: the superuser drops none of them, and the owner
/// none but the application's, which itself must be no more than that.
#[tokio::test]
async fn the_owners_journal_drops_nobody_elses_role() {
    let protected = untouched(DJANGO, "company_id").await;
    let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
    protect(&protected, superuser).await;
    let (admin, clerk) = (format!("{}_admin", protected.name), format!("{}_clerk", protected.name));
    let tx = superuser.unwrap().operator().await.unwrap();
    tx.batch(&format!("CREATE ROLE {admin} SUPERUSER; CREATE ROLE {clerk}")).await.unwrap();
    crate::note_role(&tx, &clerk, true).await.unwrap();
    tx.commit().await.unwrap();
    let tx = owner.operator().await.unwrap();
    crate::note_role(&tx, &admin, false).await.unwrap();
    tx.commit().await.unwrap();
    let plan = undo_plan(owner, superuser).await.unwrap();
    assert_eq!(plan.made_roles, [clerk.as_str()]);
    assert_eq!(plan.owners_roles, [admin.as_str()]);
    let drop = async |app: &str| drop_roles(owner, superuser, &plan, app).await.unwrap();
    let there = async |role: &str| owner.has_role(role).await.unwrap();
    let names = |kept: Vec<(String, String)>| -> Vec<String> {
        kept.into_iter().map(|(role, _)| role).collect()
    };
    assert_eq!(names(drop(&protected.app_role).await), [clerk.clone(), admin.clone()]);
    assert_eq!(names(drop(&admin).await), [clerk.clone(), admin.clone()]);
    assert!(there(&admin).await && there(&clerk).await);
    assert_eq!(names(drop(&clerk).await), [admin.as_str()]);
    assert!(there(&admin).await && !there(&clerk).await);
}

/// The owner has functions in another database, which belongs to somebody else: the right that
/// the binding of both may live on stays while they are there, and undoing says so.
#[tokio::test]
async fn a_right_that_another_database_lives_on_is_left() {
    let protected = untouched(DJANGO, "company_id").await;
    let superuser = protected.superuser.as_ref();
    let owner = &protected.owner.url().user;
    protect(&protected, superuser).await;
    let other = format!("{}_two", protected.name);
    superuser.unwrap().ensure_database(&other, &superuser.unwrap().url().user).await.unwrap();
    let url = store::DatabaseUrl { database: other.clone(), ..protected.owner.url().clone() };
    let top = superuser.unwrap().url().clone();
    let top = Db::connect(&store::DatabaseUrl { database: other.clone(), ..top }, 1).await.unwrap();
    let tx = top.operator().await.unwrap();
    tx.batch(&format!("GRANT CREATE ON DATABASE {other} TO {owner}")).await.unwrap();
    tx.commit().await.unwrap();
    let second = Db::connect(&url, 1).await.unwrap();
    let tx = second.operator().await.unwrap();
    tx.batch("CREATE SCHEMA mine; CREATE FUNCTION mine.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let may = async || -> bool {
        let tx = protected.owner.operator().await.unwrap();
        let sql = "SELECT has_parameter_privilege('backtrace_functions', 'SET')";
        tx.query_one(sql, &[]).await.unwrap().get(0)
    };
    let undone = undo(&protected.owner, superuser, &Farewell::default()).await.unwrap();
    assert!(undone.left.iter().any(|left| left.contains(&other)), "{:?}", undone.left);
    assert!(may().await);
    // Nothing else needs it: it goes with the database that it was given for.
    let tx = second.operator().await.unwrap();
    tx.batch("DROP SCHEMA mine CASCADE").await.unwrap();
    tx.commit().await.unwrap();
    let tx = superuser.unwrap().operator().await.unwrap();
    tx.batch(crate::form::ONE_AT_A_TIME).await.unwrap();
    tx.batch(&format!("REVOKE SET ON PARAMETER backtrace_functions FROM {owner}")).await.unwrap();
    tx.commit().await.unwrap();
    protect(&protected, superuser).await;
    let undone = undo(&protected.owner, superuser, &Farewell::default()).await.unwrap();
    assert!(undone.left.is_empty() && !may().await, "{:?}", undone.left);
}

/// Does `work` on the tables of `steps` beside a session that reads them in another order: PostgreSQL
/// ends one of the two, and not the session.
async fn beside_a_reader<T>(superuser: &Db, steps: &[Step], work: impl Future<Output = T>) -> T {
    let tx = superuser.operator().await.unwrap();
    let mut tables = Vec::new();
    for step in steps {
        // Other steps are about roles, functions and triggers, whose names need not parse as a table's.
        let table = "SELECT FROM pg_tables WHERE schemaname || '.' || tablename = $1";
        let row = tx.query_opt(table, &[&step.object]).await.unwrap();
        tables.extend(row.map(|_| &step.object));
    }
    tx.rollback().await.unwrap();
    let (first, last) = (tables.first().unwrap(), tables.last().unwrap());
    assert_ne!(first, last);
    let reader = superuser.operator().await.unwrap();
    reader.batch("SET LOCAL deadlock_timeout = '1min'").await.unwrap();
    reader.batch(&format!("LOCK TABLE {last} IN ACCESS SHARE MODE")).await.unwrap();
    let other_order = async {
        let waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass";
        loop {
            let tx = superuser.operator().await.unwrap();
            let met = tx.query_opt(waits, &[last]).await.unwrap().is_some();
            tx.rollback().await.unwrap();
            if met {
                break;
            }
        }
        reader.batch(&format!("LOCK TABLE {first} IN ACCESS SHARE MODE")).await.unwrap();
        reader.rollback().await.unwrap();
    };
    tokio::join!(work, other_order).0
}

#[tokio::test]
async fn a_deadlock_is_passed() {
    let protected = untouched(DJANGO, "company_id").await;
    let (owner, superuser) = (&protected.owner, protected.superuser.as_ref());
    store::migrate(owner, &[&ROOM]).await.unwrap();
    let plan = planned(&protected).await;
    let applied = apply(owner, superuser, &plan);
    beside_a_reader(superuser.unwrap(), &plan.steps, applied).await.unwrap();
    assert!(planned(&protected).await.is_done());
    let steps = undo_plan(owner, superuser).await.unwrap().steps;
    let farewell = Farewell::default();
    let undone = undo(owner, superuser, &farewell);
    beside_a_reader(superuser.unwrap(), &steps, undone).await.unwrap();
}
