//! The two controls on real databases.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel::{Outcome, Proof};

use super::{Keeper, SHOP, cx, house, none, run, unsealed, watched};
use crate::controls;

async fn prove(protected: &store::Protected, id: &str) -> Proof {
    let all = controls(vec![watched(protected)]);
    let control = all.iter().find(|c| c.card().id == id).unwrap();
    control.prove(&cx(), &none()).await
}

/// With the guard, every attempt of every role is refused, and the population says how many.
#[tokio::test]
async fn a_guarded_trail_is_append_only() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let proof = prove(&protected, "audit.append-only").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().checked, proof.population().total);
    assert!(proof.population().total > 200, "{}", proof.population());
    // The second run writes the same canary over and makes no new row in the application's table.
    let again = prove(&protected, "audit.append-only").await;
    assert_eq!(again.outcome(), Outcome::Holds, "{}", again.detail());
    let tx = protected.owner.operator().await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM product)
                    + (SELECT count(*) FROM \"Order \"\"line\"\" 'x'\")";
    let rows: i64 = tx.query_one(sql, &[]).await.unwrap().get(0);
    assert!(rows <= 2, "{rows}");
}

/// Without a superuser the owner can switch recording off, and the control says so with a fix.
#[tokio::test]
async fn an_owner_with_the_trail_in_hand_is_reported() {
    let protected = house(SHOP, Keeper::Owner).await;
    let proof = prove(&protected, "audit.append-only").await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    let mut by_role: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in proof.findings() {
        let who = finding.what.split(" could ").next().unwrap();
        *by_role.entry(who).or_default() += 1;
        assert!(finding.fix.as_ref().is_some_and(|fix| fix.contains("--superuser-url")));
    }
    assert!(by_role.keys().all(|who| who.starts_with("the owner")), "{by_role:?}");
    let disabled = proof.findings().iter().any(|f| f.what.ends_with("could disable its guard"));
    assert!(disabled, "{}", proof.detail());
}

/// A database that does not answer leaves what was found in another standing, and turns what holds
/// there into unknown.
#[tokio::test]
async fn what_was_found_outlives_a_database_that_fails() {
    let (mute, open) = (house(SHOP, Keeper::Owner).await, house(SHOP, Keeper::Superuser).await);
    mute.owner.close();
    for (seed, wanted) in [
        ("", Outcome::Unknown),
        (
            "GRANT DELETE ON audit.system_audit_logs TO PUBLIC;
             ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_row,
                 DISABLE TRIGGER refuse_statement;
             ALTER TABLE audit.system_audit_logs DISABLE ROW LEVEL SECURITY;
             ALTER TABLE product DISABLE TRIGGER amanah_audit_row;
             INSERT INTO product (company_id, name, price) VALUES (-1, 'tea', 3);
             UPDATE audit.system_audit_logs SET db_user = 'nobody'",
            Outcome::Broken,
        ),
    ] {
        run(open.superuser.as_ref().unwrap(), seed).await;
        for control in unsealed(vec![watched(&open), watched(&mute)]) {
            let (id, proof) = (control.card().id, control.prove(&cx(), &none()).await);
            assert_eq!(proof.outcome(), wanted, "{id}: {}", proof.detail());
            assert!(proof.detail().contains(&format!("{}: ", mute.name)), "{}", proof.detail());
            assert!(proof.findings().iter().all(|f| f.object.starts_with(&open.name)), "{id}");
        }
    }
}

/// A role that can make roles can enter the recorder before PostgreSQL 16; the attack finds it.
#[tokio::test]
async fn an_owner_who_makes_roles_is_found() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let owner = &protected.owner.url().user;
    run(superuser, &format!("ALTER ROLE {owner} CREATEROLE")).await;
    let proof = prove(&protected, "audit.append-only").await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    let found: Vec<&str> = proof.findings().iter().map(|f| f.what.as_str()).collect();
    let roles = ["records", "erases", "has contents erased"];
    let wanted = roles.map(|role| format!("the owner ({owner}) could act as the role that {role}"));
    assert_eq!(found, wanted);
    let fix = proof.findings().first().and_then(|finding| finding.fix.as_ref()).unwrap();
    assert!(fix.ends_with(&format!("ALTER ROLE \"{owner}\" NOCREATEROLE")), "{fix}");
}

/// Every table × action × session, as the trail has it.
#[tokio::test]
async fn every_write_is_recorded() {
    let schema = format!(
        "{SHOP}
         CREATE TABLE keyless (company_id int, note text, at timestamptz DEFAULT now());
         CREATE TABLE ledger (company_id int, year int NOT NULL DEFAULT 2025, note text,
                              PRIMARY KEY (year, company_id)) PARTITION BY RANGE (year);
         CREATE TABLE ledger_new PARTITION OF ledger FOR VALUES FROM (2020) TO (2040);"
    );
    let protected = house(&schema, Keeper::Superuser).await;
    let proof = prove(&protected, "audit.triggers").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    // Five tables × three actions × two sessions, and TRUNCATE of them and of the partition.
    assert_eq!(proof.population().to_string(), "36 of 36 writes (table × action × session)");
    let tx = protected.owner.operator().await.unwrap();
    let left: i64 = tx.query_one("SELECT count(*) FROM product", &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "the rehearsal must leave nothing behind");
}

/// Tables that hold tenants' rows without naming a tenant count as much as others: a row of theirs
/// is written, and what is not recorded is found.
#[tokio::test]
async fn tables_without_the_tenant_column_are_proven_too() {
    let schema = format!(
        "{SHOP}
         CREATE TABLE tag (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text);
         CREATE TABLE product_tag (product_id int NOT NULL REFERENCES product,
                                   tag_id int NOT NULL REFERENCES tag,
                                   PRIMARY KEY (product_id, tag_id));
         CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                            product_id int NOT NULL REFERENCES product);"
    );
    let protected = house(&schema, Keeper::Superuser).await;
    let proof = prove(&protected, "audit.triggers").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    // Five tables × three actions × two sessions, and TRUNCATE of each; `tag` belongs to nobody.
    assert_eq!(proof.population().to_string(), "35 of 35 writes (table × action × session)");
    let superuser = protected.superuser.as_ref().unwrap();
    for table in ["company", "note", "product_tag"] {
        run(superuser, &format!("DROP TRIGGER amanah_audit_row ON {table}")).await;
        let proof = prove(&protected, "audit.triggers").await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{table}: {}", proof.detail());
        let named = format!("public.{table}");
        assert!(proof.findings().iter().all(|f| f.object == named), "{}", proof.detail());
        assert_eq!(proof.findings().len(), 7, "{}", proof.detail());
        super::track(&protected).await;
    }
}

/// Each damage × what is found, as a golden table.
#[tokio::test]
async fn each_damage_is_named() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let body = super::recorder;
    let damages = [
        "DROP TRIGGER amanah_audit_row ON product".to_owned(),
        "ALTER TABLE product DISABLE TRIGGER amanah_audit_row".to_owned(),
        "ALTER TABLE product ENABLE TRIGGER amanah_audit_row".to_owned(),
        "DROP TRIGGER amanah_audit_truncate ON product".to_owned(),
        "CREATE TABLE unseen (id int PRIMARY KEY, company_id int);
         ALTER TABLE unseen OWNER TO {owner}"
            .to_owned(),
        body("pg_catalog.to_jsonb(NEW))", "'{}')"),
        body("amanah.current_actor()", "'somebody'::pg_catalog.text"),
        body("action OPERATOR(pg_catalog.<>) 'UPDATE'\n         THEN was", "true THEN becomes"),
    ];
    let mut golden = String::new();
    for damage in damages {
        let root = superuser.operator().await.unwrap();
        root.batch(&damage.replace("{owner}", &protected.owner.url().user)).await.unwrap();
        root.commit().await.unwrap();
        let proof = prove(&protected, "audit.triggers").await;
        let first = damage.lines().next().unwrap();
        writeln!(golden, "{first}\n  {:?}", proof.outcome()).unwrap();
        for finding in proof.findings() {
            writeln!(golden, "  {finding}").unwrap();
        }
        mend(&protected).await;
    }
    insta::assert_snapshot!(golden);
}

async fn mend(protected: &store::Protected) {
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, "DROP TABLE IF EXISTS unseen").await;
    run(superuser, &super::recorder("", "")).await;
    super::track(protected).await;
}

/// Weaknesses of the trail itself and of what watches it.
fn of_tables(app: &str) -> Vec<String> {
    let trail = "audit.system_audit_logs";
    vec![
        format!("GRANT UPDATE (actor_id) ON {trail} TO {app}"),
        format!("GRANT INSERT, TRIGGER ON {trail} TO PUBLIC"),
        format!("GRANT CREATE ON SCHEMA audit TO {app}"),
        format!("GRANT SELECT ON audit.cipher_key TO {app}"),
        format!("GRANT amanah_trail TO {app}"),
        format!("CREATE RULE r AS ON INSERT TO {trail} DO INSTEAD NOTHING"),
        format!(
            "CREATE TABLE above (LIKE {trail}) PARTITION BY LIST (id);
             ALTER TABLE above ATTACH PARTITION {trail} DEFAULT"
        ),
        "DROP EVENT TRIGGER amanah_trail_record_ddl".to_owned(),
        "ALTER FUNCTION audit.record_drop OWNER TO postgres".to_owned(),
        format!(
            "CREATE TRIGGER z BEFORE INSERT ON {trail} FOR EACH ROW EXECUTE FUNCTION
             audit.refuse_change()"
        ),
        format!("DROP TRIGGER hash ON {trail}"),
        format!("ALTER TABLE {trail} ENABLE TRIGGER refuse_row"),
    ]
}

/// Those of a partition.
fn of_partitions(app: &str, owner: &str) -> Vec<String> {
    let trail = "audit.system_audit_logs";
    vec![
        format!("GRANT SELECT ON {trail}_rest TO {app}"),
        format!("GRANT INSERT ON {trail}_rest TO {app}"),
        format!("CREATE RULE r AS ON UPDATE TO {trail}_rest DO INSTEAD NOTHING"),
        format!("ALTER TABLE {trail}_rest OWNER TO {owner}"),
        format!("ALTER TABLE {trail}_rest ENABLE TRIGGER refuse_row"),
        format!("DROP TRIGGER refuse_statement ON {trail}_rest"),
        format!(
            "CREATE TRIGGER z BEFORE INSERT ON {trail}_rest FOR EACH ROW EXECUTE FUNCTION
             audit.refuse_change()"
        ),
        format!("ALTER TABLE {trail} DETACH PARTITION {trail}_rest"),
        format!(
            "ALTER TABLE {trail} DETACH PARTITION {trail}_rest;
             ALTER TABLE {trail}_rest SET SCHEMA public"
        ),
        format!(
            "CREATE TABLE stranger PARTITION OF {trail}
                 FOR VALUES FROM ('1990-01-01') TO ('1990-02-01')"
        ),
        format!(
            "CREATE TABLE {trail}_2990_01 PARTITION OF {trail}
                 FOR VALUES FROM ('2990-01-01') TO ('2991-01-01')"
        ),
    ]
}

/// Those of its functions.
fn of_functions(owner: &str) -> Vec<String> {
    let trail = "audit.system_audit_logs";
    vec![
        "ALTER FUNCTION audit.global_track_changes() SECURITY INVOKER".to_owned(),
        "ALTER FUNCTION audit.global_track_changes() RESET search_path".to_owned(),
        "ALTER FUNCTION audit.row_digest SET search_path = public".to_owned(),
        "ALTER FUNCTION audit.global_track_changes() OWNER TO postgres".to_owned(),
        format!("ALTER FUNCTION audit.leniently OWNER TO {owner}"),
        format!("ALTER FUNCTION audit.cipher OWNER TO {owner}"),
        "CREATE OR REPLACE FUNCTION audit.cipher(bytea, bytea, bytea, text) RETURNS bytea
         LANGUAGE sql AS 'SELECT $1'"
            .to_owned(),
        "CREATE FUNCTION audit.content_digest(value varchar) RETURNS bytea
         LANGUAGE sql AS 'SELECT NULL::bytea'"
            .to_owned(),
        format!(
            "CREATE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN RETURN NEW; END'; DROP TRIGGER refuse_row ON {trail};
             CREATE TRIGGER refuse_row BEFORE UPDATE OR DELETE ON {trail} FOR EACH ROW
             EXECUTE FUNCTION public.refuse_change();
             ALTER TABLE {trail} ENABLE ALWAYS TRIGGER refuse_row"
        ),
        "DROP EVENT TRIGGER amanah_trail_ddl; CREATE EVENT TRIGGER amanah_trail_ddl ON
         ddl_command_end WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION audit.refuse_weaker_ddl();
         ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS"
            .to_owned(),
        "CREATE OR REPLACE FUNCTION audit.refuse_weaker_ddl() RETURNS event_trigger
         LANGUAGE plpgsql AS 'BEGIN END'"
            .to_owned(),
        "CREATE OR REPLACE FUNCTION audit.leniently(relation oid, place text) RETURNS text
         LANGUAGE sql AS 'SELECT NULL::text'"
            .to_owned(),
        "DROP FUNCTION audit.refuse_change() CASCADE".to_owned(),
        "DROP EVENT TRIGGER amanah_trail_drop".to_owned(),
        format!("ALTER TABLE {trail} OWNER TO {owner}"),
    ]
}

/// How the names of the months end that have a partition, and what to call them.
async fn months(db: &store::Db) -> Vec<(String, String)> {
    let tx = db.operator().await.unwrap();
    let sql = "SELECT to_char(date_trunc('month', now(), 'UTC') AT TIME ZONE 'UTC'
                              + make_interval(months => n), 'YYYY_MM'), 'month' || n
                 FROM generate_series(-1, 3) n";
    tx.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Puts the record of changes of structure, where it is, into another state.
fn recording(state: &str) -> String {
    format!(
        "DO $$ DECLARE name text; BEGIN
             FOR name IN SELECT evtname FROM pg_event_trigger
                          WHERE evtname LIKE 'amanah_trail_record%' LOOP
                 EXECUTE format('ALTER EVENT TRIGGER %I {state}', name);
             END LOOP;
         END $$;"
    )
}

/// What an attack by the known roles would not show is read from the catalogue: a golden table of
/// weaknesses × what is found.
#[tokio::test]
async fn each_weakness_of_the_trail_is_named() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let (app, owner) = (&protected.app_role, &protected.owner.url().user);
    let replica = &protected.replicator.as_ref().unwrap().url().user;
    let months = months(superuser).await;
    let mut golden = String::new();
    let weaknesses = [of_tables(app), of_partitions(app, owner), of_functions(owner)];
    for damage in weaknesses.concat() {
        // Never committed: some of it reaches roles that other tests share.
        let tx = superuser.operator().await.unwrap();
        // What breaks the recording is refused while it would have to be recorded itself.
        tx.batch(&format!("{} {damage}; {}", recording("DISABLE"), recording("ENABLE ALWAYS")))
            .await
            .unwrap();
        let shown = damage.lines().next().unwrap().replace(app.as_str(), "app");
        writeln!(golden, "{}", shown.replace(owner.as_str(), "owner")).unwrap();
        for finding in crate::inspect::inspect(&tx, true).await.unwrap() {
            let shown = finding.to_string().replace(app.as_str(), "app");
            let shown = shown.replace(replica.as_str(), "replica");
            let shown = months.iter().fold(shown, |text, (month, name)| text.replace(month, name));
            writeln!(golden, "  {}", shown.replace(owner.as_str(), "owner")).unwrap();
        }
    }
    insta::assert_snapshot!(golden);
}

/// An application that was granted TRIGGER on its tables could put a trigger of its own in the
/// place of the recording one; the guard over DDL refuses.
#[tokio::test]
async fn the_right_to_make_triggers_does_not_help() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let app = &protected.app_role;
    run(&protected.owner, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {app}")).await;
    let proof = prove(&protected, "audit.append-only").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
}

/// A root table whose key is the tenant itself holds one row for each tenant, so the canary, who
/// has its row, cannot insert another; and an AFTER trigger of the application writes once more.
#[tokio::test]
async fn a_table_with_one_row_for_each_tenant_is_written_too() {
    let protected = house(
        "CREATE TABLE tenants (company_id int PRIMARY KEY, name text NOT NULL UNIQUE,
                               changes int NOT NULL DEFAULT 0);
         CREATE TABLE item (company_id int REFERENCES tenants, id int,
                            PRIMARY KEY (company_id, id));
         INSERT INTO tenants VALUES (-1, 'Canary A'), (-2, 'Canary B');
         INSERT INTO item VALUES (-1, 1), (-2, 1);
         CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE tenants SET changes = changes + 1 WHERE company_id = NEW.company_id;
             RETURN NULL; END $$;
         CREATE TRIGGER z_count AFTER INSERT ON tenants FOR EACH ROW
             EXECUTE FUNCTION count_changes();",
        Keeper::Superuser,
    )
    .await;
    let proof = prove(&protected, "audit.triggers").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().total, 14);
}

/// Row-level security that binds the owner too does not stand in the way of either control.
#[tokio::test]
async fn row_level_security_does_not_stand_in_the_way() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let mut policies = String::new();
    for (table, column) in
        [("company", "id"), ("product", "company_id"), ("\"Order \"\"line\"\" 'x'\"", "company_id")]
    {
        write!(
            policies,
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON {table}
                 USING ({column} = (SELECT amanah.current_tenant()::int));"
        )
        .unwrap();
    }
    run(&protected.owner, &policies).await;
    for control in unsealed(vec![watched(&protected)]) {
        let proof = control.prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
    }
}

/// No database, nothing proven.
#[tokio::test]
async fn without_a_database_nothing_is_proven() {
    for control in controls(Vec::new()) {
        assert_eq!(control.prove(&cx(), &none()).await.outcome(), Outcome::Unknown);
        assert_eq!(control.bite(&cx()).await.outcome(), Outcome::Unknown);
    }
}

/// A database without a table of tenants is unknown, not proven.
#[tokio::test]
async fn without_a_tracked_table_nothing_is_proven() {
    let protected = house("CREATE TABLE shared (id int)", Keeper::Superuser).await;
    for id in ["audit.append-only", "audit.triggers"] {
        let proof = prove(&protected, id).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {}", proof.detail());
    }
}

/// A refusal for a wrong reason is not a refusal: without the trail, nothing is proven.
#[tokio::test]
async fn a_missing_trail_is_not_a_refusal() {
    let protected = house(SHOP, Keeper::Owner).await;
    run(&protected.owner, "DROP SCHEMA audit CASCADE").await;
    let proof = prove(&protected, "audit.append-only").await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
}
