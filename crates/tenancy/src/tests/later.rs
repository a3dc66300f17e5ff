//! Tables that are made or changed after the database was protected.

use kernel::Outcome;
use store::Protected;

use super::fixture::{self, DJANGO, NUMBERS, as_owner, as_superuser, bound, planned, prove};
use crate::{Farewell, apply, undo};

/// What the owner is told, or nothing when it may; it is rolled back either way.
async fn told(protected: &Protected, sql: &str) -> Option<String> {
    let tx = protected.owner.operator().await.unwrap();
    let result = tx.batch(sql).await;
    tx.rollback().await.unwrap();
    result.err().map(|error| error.to_string())
}

/// Each of these is protected as a plan would do it: afterwards a plan has nothing to do, and the
/// attacks find nothing.
#[tokio::test]
async fn a_table_that_is_made_later_is_protected() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    as_owner(
        &guarded,
        r#"
        ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {app};
        CREATE TABLE plain (company_id int, id bigserial PRIMARY KEY, note text);
        CREATE TABLE copied AS SELECT 1::bigint AS company_id, 2 AS x;
        SELECT 1::smallint AS company_id, 3 AS y INTO chosen;
        CREATE TABLE "Odd ""name" (company_id varchar(20) NOT NULL, "select" int);
        CREATE TABLE "odd ""name" (LIKE "Odd ""name" INCLUDING ALL);
        CREATE TABLE added (id int PRIMARY KEY);
        ALTER TABLE added ADD COLUMN company_id integer NOT NULL DEFAULT 1;
        CREATE TABLE renamed (firm integer NOT NULL);
        ALTER TABLE renamed RENAME COLUMN firm TO company_id;
        CREATE TABLE heir (extra int) INHERITS (added);
        CREATE TABLE visit_2022 PARTITION OF visit FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
        CREATE TABLE visit_2023 (LIKE visit);
        ALTER TABLE visit ATTACH PARTITION visit_2023
            FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE grown (day date NOT NULL) PARTITION BY RANGE (day);
        CREATE TABLE grown_1 PARTITION OF grown FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
        CREATE TABLE grown_rest PARTITION OF grown DEFAULT;
        ALTER TABLE grown ADD COLUMN company_id integer;
        CREATE TABLE label (id serial PRIMARY KEY, product_id bigint NOT NULL, tag_id int);
        ALTER TABLE label ADD FOREIGN KEY (product_id) REFERENCES product (id),
            ADD FOREIGN KEY (tag_id) REFERENCES tag (id);
        CREATE TABLE label_text (label_id int NOT NULL REFERENCES label (id), body text);
        CREATE TABLE currency (code char(3) PRIMARY KEY);
        CREATE TEMPORARY TABLE aside (company_id int);
        CREATE VIEW cheap WITH (security_invoker) AS SELECT * FROM product WHERE price < 10;
        GRANT SELECT, INSERT, UPDATE, DELETE ON plain, copied, label TO {app};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};
        DROP TABLE chosen, label_text;
        ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {app}"#,
    )
    .await;
    as_superuser(&guarded, "ALTER TABLE customer DROP CONSTRAINT customer_email_key").await;
    let plan = planned(&guarded.protected).await;
    assert!(plan.is_done(), "{plan}");
    assert!(!plan.shared.contains(&"public.label".to_owned()), "{plan}");
    let tx = bound(&guarded, "1").await;
    tx.batch("INSERT INTO plain (note) VALUES ('mine')").await.unwrap();
    let seen = "SELECT (SELECT company_id FROM plain), (SELECT count(*) FROM copied)";
    let row = tx.query_one(seen, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i64>(1)), (1, 1));
    tx.commit().await.unwrap();
    let tx = bound(&guarded, "2").await;
    let row = tx.query_one("SELECT count(*) FROM plain", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    tx.rollback().await.unwrap();
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());
    // And undoing takes all of it away.
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    undo(owner, superuser, &Farewell::default()).await.unwrap();
    let tx = owner.operator().await.unwrap();
    let left = "SELECT (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_event_trigger)
                     + (SELECT count(*) FROM pg_class WHERE relrowsecurity)
                     + (SELECT count(*) FROM pg_namespace WHERE nspname ~ '^amanah')";
    assert_eq!(tx.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Tables that others point to, beside a place for a second table of the same name.
const FOLDERS: &str = "
    CREATE TABLE folder (company_id int NOT NULL, id bigint PRIMARY KEY, folder bigint REFERENCES folder);
    CREATE TABLE invoice (company_id int NOT NULL, id bigint PRIMARY KEY);
    CREATE SCHEMA more;
    GRANT USAGE ON SCHEMA more TO {app};
    GRANT SELECT, INSERT, UPDATE, DELETE ON folder, invoice TO {app};";
/// A table that has the name by which its policy knows the table that it points to: once where both
/// have a column of the same name, and once where they have none.
const CALLED_P: &str = "
    CREATE TABLE p (n int PRIMARY KEY, folder bigint NOT NULL REFERENCES folder, body text);
    GRANT SELECT, INSERT, UPDATE, DELETE ON p TO {app};";
const CALLED_P_TOO: &str = "
    CREATE TABLE more.p (n int PRIMARY KEY, invoice_id bigint NOT NULL REFERENCES invoice, body text);
    GRANT SELECT, INSERT, UPDATE, DELETE ON more.p TO {app};";

/// What the policies of the tables called `p` say.
async fn policies_of_p(guarded: &crate::Guarded) -> Vec<String> {
    let tx = guarded.protected.owner.operator().await.unwrap();
    let all = "SELECT concat_ws(' ', p.polrelid::regclass, p.polname, p.polcmd,
                                pg_get_expr(p.polqual, p.polrelid),
                                pg_get_expr(p.polwithcheck, p.polrelid))
                 FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relname = 'p'
                ORDER BY 1";
    let rows = tx.query(all, &[]).await.unwrap();
    tx.rollback().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many rows of the tables called `p` a tenant sees and changes that has a folder which points to
/// itself, where another tenant has one row in each.
async fn reached_in_p(guarded: &crate::Guarded) -> Vec<u64> {
    let tx = bound(guarded, "1").await;
    tx.batch(
        "INSERT INTO folder VALUES (1, 1, 1); INSERT INTO p VALUES (1, 1, 'mine');
         INSERT INTO invoice VALUES (1, 1); INSERT INTO more.p VALUES (1, 1, 'mine')",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let tx = bound(guarded, "2").await;
    tx.batch("INSERT INTO folder VALUES (2, 2, 2); INSERT INTO invoice VALUES (2, 2)")
        .await
        .unwrap();
    let mut reached = Vec::new();
    for table in ["p", "more.p"] {
        for sql in ["SELECT FROM {}", "UPDATE {} SET body = 'theirs'", "DELETE FROM {}"] {
            reached.push(tx.execute(&sql.replace("{}", table), &[]).await.unwrap());
        }
    }
    tx.rollback().await.unwrap();
    reached
}

/// The guard writes the policy that a plan writes, and neither compares a parent with itself.
#[tokio::test]
async fn a_parent_of_a_later_table_is_not_compared_with_itself() {
    let guarded = fixture::protected(FOLDERS, "company_id", NUMBERS).await;
    as_owner(&guarded, CALLED_P).await;
    as_owner(&guarded, CALLED_P_TOO).await;
    let plan = planned(&guarded.protected).await;
    assert!(plan.is_done(), "{plan}");
    assert_eq!(reached_in_p(&guarded).await, [0; 6]);
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());

    let planless =
        fixture::bare(&format!("{FOLDERS}{CALLED_P}{CALLED_P_TOO}"), "company_id", NUMBERS).await;
    let plan = planned(&planless.protected).await;
    apply(&planless.protected.owner, None, &plan).await.unwrap();
    let written = policies_of_p(&guarded).await;
    assert_eq!(written.len(), 10, "{written:#?}");
    assert_eq!(written, policies_of_p(&planless).await);
}

/// A database that has the guard as it was before gets the new one with the next plan, which mends what
/// the old one has written.
#[tokio::test]
async fn a_guard_from_before_is_replaced() {
    let guarded = fixture::bare(FOLDERS, "company_id", NUMBERS).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, None, &planned(&guarded.protected).await).await.unwrap();
    let before =
        store::Room { name: crate::GUARD.name, migrations: crate::GUARD.migrations.split_at(2).0 };
    store::migrate_privileged(superuser.unwrap(), &[&before]).await.unwrap();
    let on = "INSERT INTO amanah_guard.isolation (tenant_column, app_role) VALUES ('company_id', '{app}')";
    as_superuser(&guarded, on).await;
    as_owner(&guarded, CALLED_P).await;
    let refused = told(
        &guarded.protected,
        "CREATE TABLE more.p (invoice_id bigint NOT NULL REFERENCES invoice)",
    )
    .await;
    assert!(refused.unwrap().contains("p.invoice_id does not exist"));

    let proof = prove(&guarded).await;
    let found = proof.findings().iter().any(|found| found.object == "public.p");
    assert!(found && proof.outcome() == Outcome::Broken, "{}", proof.detail());
    let plan = planned(&guarded.protected).await;
    assert!(plan.steps.iter().any(|step| step.object == "public.p"), "{plan}");
    apply(owner, superuser, &plan).await.unwrap();
    let mended = policies_of_p(&guarded).await;
    as_owner(&guarded, &format!("DROP TABLE p; {CALLED_P}")).await;
    assert_eq!(policies_of_p(&guarded).await, mended);
    as_owner(&guarded, CALLED_P_TOO).await;
    assert!(planned(&guarded.protected).await.is_done());
    assert_eq!(reached_in_p(&guarded).await, [0; 6]);
}

#[tokio::test]
async fn what_weakens_the_protection_is_refused() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let mut all = String::new();
    for sql in [
        "ALTER TABLE tag DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tag NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tag ALTER company_id DROP NOT NULL",
        "ALTER TABLE tag RENAME COLUMN company_id TO firm",
        "ALTER TABLE tag DROP COLUMN company_id CASCADE",
        "ALTER TABLE tag OWNER TO {app}",
        "DROP POLICY amanah_select ON tag",
        "ALTER POLICY amanah_select ON tag USING (true)",
        "ALTER POLICY amanah_select ON tag RENAME TO mine",
        "DROP SCHEMA amanah CASCADE",
        "DROP FUNCTION amanah.reading_tenant CASCADE",
        "GRANT TRUNCATE ON tag TO {app}",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC",
        "GRANT SELECT ON price_list TO {app}",
        "CREATE VIEW every AS SELECT * FROM tag",
        "ALTER VIEW open_invoice RESET (security_invoker)",
        "CREATE VIEW over AS SELECT * FROM open_invoice_count",
        "CREATE TABLE dated (company_id date NOT NULL)",
        "CREATE TABLE holed AS SELECT NULL::int AS company_id",
        "CREATE TABLE late (id int); INSERT INTO late VALUES (1);
         ALTER TABLE late ADD COLUMN company_id int",
    ] {
        let sql = sql.replace("{app}", &guarded.protected.app_role);
        let told = told(&guarded.protected, &sql).await.unwrap_or_else(|| "IT MAY".to_owned());
        let said = format!("{sql}\n    {told}\n");
        all.push_str(&said.replace(&guarded.protected.name, "DB"));
    }
    insta::assert_snapshot!(all);
    assert!(planned(&guarded.protected).await.is_done());
}

/// What changes nothing about the tenants goes on as before, and a superuser does what he likes.
#[tokio::test]
async fn other_work_is_not_in_the_way() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    for sql in [
        "ALTER TABLE tag ADD COLUMN note text; CREATE INDEX ON tag (note); DROP INDEX tag_note_idx",
        "ALTER TABLE tag ADD CHECK (name <> ''); ALTER TABLE tag RENAME TO label",
        "ALTER TABLE visit DETACH PARTITION visit_2020; DROP TABLE visit_2021",
        "CREATE POLICY mine ON tag USING (name <> 'x'); ALTER POLICY mine ON tag USING (true);
         DROP POLICY mine ON tag",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE mood AS ENUM ('x')",
        "CREATE MATERIALIZED VIEW sums AS SELECT company_id, count(*) FROM tag GROUP BY 1;
         REFRESH MATERIALIZED VIEW sums",
        "DROP TABLE product_tags, product CASCADE; CREATE TABLE free (x int); ALTER TABLE free DISABLE TRIGGER ALL",
        "CREATE SCHEMA more CREATE TABLE t (x int) CREATE VIEW v AS SELECT * FROM t",
    ] {
        assert_eq!(told(&guarded.protected, sql).await, None, "{sql}");
    }
    as_superuser(&guarded, "ALTER TABLE tag DISABLE ROW LEVEL SECURITY").await;
    let plan = planned(&guarded.protected).await;
    assert_eq!(plan.steps.len(), 1, "{plan}");
    // And Amanah's own command puts it right.
    as_superuser(&guarded, "DROP POLICY amanah_update ON tag").await;
    as_superuser(&guarded, "ALTER POLICY amanah_select ON tag USING (true)").await;
    let plan = planned(&guarded.protected).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, superuser, &plan).await.unwrap();
    assert!(planned(&guarded.protected).await.is_done());
    assert!(told(&guarded.protected, "DROP POLICY amanah_update ON tag").await.is_some());
    // Even without a superuser named, when there is nothing that it refuses.
    apply(owner, None, &planned(&guarded.protected).await).await.unwrap();
}

/// Without a superuser nobody stops it: the plan says so, and the next proof names the table.
#[tokio::test]
async fn without_a_superuser_the_next_proof_finds_it() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let plan = planned(&guarded.protected).await;
    let told = |plan: &crate::Plan| plan.warnings.iter().any(|w| w.contains("made later"));
    assert!(told(&plan), "{plan}");
    apply(&guarded.protected.owner, None, &plan).await.unwrap();
    as_owner(&guarded, "CREATE TABLE late (company_id int NOT NULL, note text)").await;
    as_owner(&guarded, "GRANT SELECT, INSERT, UPDATE, DELETE ON late TO {app}").await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    assert!(proof.findings().iter().any(|f| f.object.contains("public.late")), "{proof:#?}");
    let plan = planned(&guarded.protected).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, superuser, &plan).await.unwrap();
    assert!(!told(&planned(&guarded.protected).await));
}

/// A guard that somebody has switched off is named before the first table needs it, and a plan wakes
/// it where its functions are whole.
#[tokio::test]
async fn a_guard_that_sleeps_is_named() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    as_superuser(&guarded, "ALTER TABLE customer DROP CONSTRAINT customer_email_key").await;
    let emptied = "CREATE OR REPLACE FUNCTION amanah_guard.after_ddl() RETURNS event_trigger
                   LANGUAGE plpgsql AS 'BEGIN END'";
    for (seed, mended, steps) in [
        ("ALTER EVENT TRIGGER amanah_isolation_ddl DISABLE", true, 1),
        ("ALTER EVENT TRIGGER amanah_isolation_drop ENABLE", true, 1),
        ("ALTER EVENT TRIGGER amanah_isolation_drop DISABLE", true, 1),
        ("DROP EVENT TRIGGER amanah_isolation_ddl", true, 1),
        ("DELETE FROM amanah_guard.isolation", true, 0),
        (emptied, false, 0),
    ] {
        as_superuser(&guarded, seed).await;
        let proof = prove(&guarded).await;
        let found =
            proof.findings().iter().any(|f| f.object.contains("tables that are made later"));
        // One that wakes in ordinary sessions alone still watches this one; the plan puts it right.
        let watches = seed.ends_with("ENABLE");
        assert_eq!(found, !watches, "{seed}: {proof:#?}");
        let plan = planned(&guarded.protected).await;
        assert_eq!(plan.privileged.len(), steps, "{seed}: {plan}");
        apply(owner, superuser, &plan).await.unwrap();
        let proof = prove(&guarded).await;
        let holds = proof.outcome() == Outcome::Holds;
        assert_eq!(holds, mended, "{seed}: {} {:#?}", proof.detail(), proof.findings());
    }
}

/// A site's own event trigger, made by its superuser: the owner's new tables have to fulfil `wanted`,
/// about the table `c.objid`.
fn house_rule(wanted: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION house_rule() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
                         WHERE c.command_tag = 'CREATE TABLE' AND NOT ({wanted}))
             THEN RAISE 'this is against the rules of the house';
             END IF;
         END $$;
         DROP EVENT TRIGGER IF EXISTS house_rule;
         CREATE EVENT TRIGGER house_rule ON ddl_command_end EXECUTE FUNCTION house_rule()"
    )
}

/// What the site asks of new tables leaves the guard provable; where the site refuses every table, that
/// alone is not known.
#[tokio::test]
async fn a_site_may_have_rules_of_its_own() {
    let guarded = fixture::protected(FOLDERS, "company_id", NUMBERS).await;
    let keyed = "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.objid AND i.indisprimary)";
    as_superuser(&guarded, &house_rule(keyed)).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());
    assert_eq!(proof.population().to_string(), "2 of 2 tables");

    as_superuser(&guarded, &house_rule("false")).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "2 of 3 tables");
    assert!(proof.detail().contains("the rules of the house"), "{}", proof.detail());
    as_superuser(&guarded, "ALTER POLICY amanah_select ON invoice USING (true)").await;
    assert_eq!(prove(&guarded).await.outcome(), Outcome::Broken, "what gives way is still found");
}

/// What a plan takes away and somebody has given again is no leak, and is not passed over.
#[tokio::test]
async fn a_wall_that_was_taken_down_is_named() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let name = store::ident(&guarded.protected.name);
    as_superuser(&guarded, "ALTER TABLE customer DROP CONSTRAINT customer_email_key").await;
    as_superuser(&guarded, &format!("GRANT TEMPORARY ON DATABASE {name} TO {{app}}")).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:#?}");
    assert!(proof.detail().contains("may make temporary objects"), "{}", proof.detail());
}
