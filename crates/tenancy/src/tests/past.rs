//! Ways past the policies that need no hole in them: each is gone first, and reaches another tenant;
//! then it is named, and after its fix it comes to nothing.

use kernel::Outcome;

use super::fixture::{self, FORMS, as_owner, as_superuser, bound, prove};
use crate::{Farewell, Guarded, Lint, apply, lint, undo};

const CANARIES: (&str, &str) = ("c-1", "c-2");

/// A shop whose every table names its tenant, with foreign keys that hold it.
const SHOP: &str = "
    CREATE TABLE stock (org text NOT NULL, sku text NOT NULL, qty int NOT NULL,
        PRIMARY KEY (org, sku));
    CREATE TABLE orders (org text NOT NULL, id int NOT NULL, PRIMARY KEY (org, id));
    CREATE TABLE line (org text NOT NULL, n int NOT NULL, id int, sku text, qty int, shown text,
        PRIMARY KEY (org, n), FOREIGN KEY (org, id) REFERENCES orders ON DELETE CASCADE);
    CREATE TABLE hint (org text NOT NULL, n int NOT NULL, id int, shown text,
        PRIMARY KEY (org, n), FOREIGN KEY (org, id) REFERENCES orders ON DELETE SET NULL (id));
    GRANT SELECT, INSERT, UPDATE, DELETE ON stock, orders, line, hint TO {app};";

/// What the linter finds by one of its rules.
async fn named(guarded: &Guarded, rule: &str) -> Vec<Lint> {
    let protected = &guarded.protected;
    let (column, app) = (&protected.tenant_column, Some(protected.app_role.as_str()));
    let linted = lint(&protected.owner, column, app).await.unwrap();
    linted.findings.into_iter().filter(|lint| lint.rule.id == rule).collect()
}

fn objects(lints: &[Lint]) -> Vec<&str> {
    lints.iter().map(|lint| lint.object.as_str()).collect()
}

/// What a request of this tenant does, one transaction.
async fn run(guarded: &Guarded, tenant: &str, sql: &str) {
    let tx = bound(guarded, tenant).await;
    tx.batch(sql).await.unwrap();
    tx.commit().await.unwrap();
}

/// One text that a request of this tenant reads.
async fn read(guarded: &Guarded, tenant: &str, sql: &str) -> Option<String> {
    let tx = bound(guarded, tenant).await;
    let text = tx.query_one(sql, &[]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    text
}

/// What a foreign key does, it does as the owner and past FORCE ROW LEVEL SECURITY, and a trigger
/// BEFORE of the rows that it reaches runs inside of that.
#[tokio::test]
async fn a_trigger_inside_of_what_a_foreign_key_does() {
    let schema = format!(
        "{SHOP}
         CREATE FUNCTION give_back() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             UPDATE stock SET qty = qty + OLD.qty WHERE sku = OLD.sku; RETURN OLD; END$$;
         CREATE TRIGGER give_back BEFORE DELETE ON line FOR EACH ROW EXECUTE FUNCTION give_back();
         CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             NEW.shown := (SELECT string_agg(sku, ',' ORDER BY sku) FROM stock); RETURN NEW; END$$;
         CREATE TRIGGER show BEFORE INSERT OR UPDATE ON hint FOR EACH ROW EXECUTE FUNCTION show();
         CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER stamp BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION stamp();
         CREATE TRIGGER after AFTER DELETE ON line FOR EACH ROW EXECUTE FUNCTION stamp()"
    );
    let guarded = fixture::protected(&schema, "org", CANARIES).await;
    run(&guarded, "b", "INSERT INTO stock VALUES ('b', 'cocoa', 100)").await;
    let attack = async || {
        run(
            &guarded,
            "a",
            "INSERT INTO orders VALUES ('a', 1); INSERT INTO line VALUES ('a', 1, 1, 'cocoa', -40);
             INSERT INTO hint VALUES ('a', 1, 1); DELETE FROM orders WHERE id = 1",
        )
        .await;
        let seen = read(&guarded, "a", "SELECT shown FROM hint").await;
        run(&guarded, "a", "DELETE FROM hint").await;
        (seen, read(&guarded, "b", "SELECT qty::text FROM stock").await)
    };
    assert_eq!(attack().await, (Some("cocoa".to_owned()), Some("60".to_owned())));
    let found = named(&guarded, "AM241").await;
    assert_eq!(objects(&found), ["public.hint, trigger show", "public.line, trigger give_back"]);
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    for lint in &found {
        as_owner(&guarded, &lint.fix).await;
    }
    assert_eq!(attack().await, (None, Some("60".to_owned())));
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());
}

/// A function that was read and found harmless there is declared, for all of its triggers; with its
/// owner's rights it would be another thing.
#[tokio::test]
async fn a_harmless_trigger_is_declared() {
    let schema = format!(
        "{SHOP} CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN NEW.shown := (SELECT ''x''); RETURN NEW; END';
         CREATE TRIGGER stamp BEFORE UPDATE ON hint FOR EACH ROW EXECUTE FUNCTION stamp();
         CREATE TRIGGER again BEFORE UPDATE OF id ON hint FOR EACH ROW EXECUTE FUNCTION stamp();
         CREATE TRIGGER other BEFORE UPDATE OF n ON hint FOR EACH ROW EXECUTE FUNCTION stamp();
         CREATE TRIGGER gone BEFORE DELETE ON hint FOR EACH ROW EXECUTE FUNCTION stamp()"
    );
    let guarded = fixture::protected(&schema, "org", CANARIES).await;
    let found = named(&guarded, "AM241").await;
    assert_eq!(objects(&found), ["public.hint, trigger again", "public.hint, trigger stamp"]);
    let (_, declare) = found[0].fix.split_once("once it was read: ").unwrap();
    as_owner(&guarded, declare).await;
    assert_eq!(objects(&named(&guarded, "AM241").await), Vec::<&str>::new());
    as_owner(&guarded, "ALTER FUNCTION stamp() SECURITY DEFINER").await;
    assert_eq!(named(&guarded, "AM227").await.len(), 4);
    assert_eq!(named(&guarded, "AM241").await.len(), 2);
}

/// So do its rules, and so does what it computes and checks.
#[tokio::test]
async fn what_else_runs_inside_of_what_a_foreign_key_does() {
    let schema = format!(
        "{SHOP}
         CREATE RULE zero AS ON DELETE TO line DO ALSO UPDATE stock SET qty = 0 WHERE sku = OLD.sku;
         CREATE FUNCTION skus(int) RETURNS text LANGUAGE sql IMMUTABLE
             AS $$SELECT string_agg(sku, ',') FROM public.stock$$;
         CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
         ALTER TABLE hint ADD COLUMN made text GENERATED ALWAYS AS (skus(id)) STORED,
             ADD COLUMN counted int GENERATED ALWAYS AS (plain(id)) STORED"
    );
    let guarded = fixture::protected(&schema, "org", CANARIES).await;
    run(&guarded, "b", "INSERT INTO stock VALUES ('b', 'cocoa', 100)").await;
    let attack = async |made: &str| {
        run(
            &guarded,
            "a",
            "INSERT INTO orders VALUES ('a', 1); INSERT INTO line VALUES ('a', 1, 1, 'cocoa');
             INSERT INTO hint VALUES ('a', 1, 1); DELETE FROM orders WHERE id = 1",
        )
        .await;
        let seen = read(&guarded, "a", &format!("SELECT {made}::text FROM hint")).await;
        run(&guarded, "a", "DELETE FROM hint").await;
        (seen, read(&guarded, "b", "SELECT qty::text FROM stock").await)
    };
    assert_eq!(attack("made").await, (Some("cocoa".to_owned()), Some("0".to_owned())));
    let found = named(&guarded, "AM242").await;
    assert_eq!(objects(&found), ["public.hint, column made"]);
    as_owner(&guarded, &found[0].fix).await;
    let found = named(&guarded, "AM241").await;
    assert_eq!(objects(&found), ["public.line, rule zero"]);
    as_owner(&guarded, &found[0].fix).await;
    run(&guarded, "b", "UPDATE stock SET qty = 100").await;
    assert_eq!(attack("made").await, (None, Some("100".to_owned())));
}

/// A schema of the application's own is first in everybody's path, and a view that one request plants
/// there is what the next one reads.
#[tokio::test]
async fn a_schema_of_the_applications_own() {
    let guarded = fixture::protected(SHOP, "org", CANARIES).await;
    let app = store::ident(&guarded.protected.app_role);
    as_superuser(&guarded, &format!("CREATE SCHEMA {app} AUTHORIZATION {app}")).await;
    run(&guarded, "b", "INSERT INTO public.stock VALUES ('b', 'cocoa', 100)").await;
    let planted = "CREATE TABLE loot (t text);
        CREATE FUNCTION tap(s text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO loot VALUES (s); RETURN true; END$$;
        CREATE VIEW stock WITH (security_invoker = true) AS
            SELECT s.* FROM public.stock s WHERE tap(s::text)";
    // The login of the attacks is a member of the role whose name the schema bears.
    run(&guarded, "a", &format!("SET LOCAL ROLE {app}; {planted}")).await;
    let innocent = format!("SET LOCAL ROLE {app}; SELECT * FROM stock");
    run(&guarded, "b", &innocent).await;
    let looted = format!("SET LOCAL ROLE {app}");
    let tx = bound(&guarded, "a").await;
    tx.batch(&looted).await.unwrap();
    let loot: String = tx.query_one("SELECT max(t) FROM loot", &[]).await.unwrap().get(0);
    assert_eq!(loot, "(b,cocoa,100)");
    tx.rollback().await.unwrap();
    let plan = fixture::planned(&guarded.protected).await;
    let needed: Vec<&str> =
        plan.advice.iter().filter(|a| a.needed).map(|a| a.object.as_str()).collect();
    let schema = format!("schema {}", guarded.protected.app_role);
    assert_eq!(needed, [schema.as_str()]);
    let found = named(&guarded, "AM403").await;
    assert_eq!(objects(&found), [schema.as_str()]);
    let proof = prove(&guarded).await;
    let told: Vec<String> = proof.findings().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|t| t.contains("make-objects")), "{told:#?}");
    as_superuser(&guarded, &format!("DROP VIEW {app}.stock; DROP TABLE {app}.loot")).await;
    as_superuser(&guarded, &found[0].fix).await;
    let tx = bound(&guarded, "a").await;
    let error = tx.batch(&format!("SET LOCAL ROLE {app}; {planted}")).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
    tx.rollback().await.unwrap();
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());
}

/// A right to make objects in any schema is taken away by a plan, and given back by its undoing.
#[tokio::test]
async fn a_right_to_make_objects_in_any_schema_is_revoked() {
    let schema =
        format!("{SHOP} CREATE SCHEMA spare; GRANT CREATE, USAGE ON SCHEMA spare TO {{app}}");
    let guarded = fixture::protected(&schema, "org", CANARIES).await;
    let may = async || -> bool {
        let tx = guarded.protected.owner.operator().await.unwrap();
        let sql = "SELECT has_schema_privilege($1, 'spare', 'CREATE')";
        tx.query_one(sql, &[&guarded.protected.app_role]).await.unwrap().get(0)
    };
    assert!(!may().await);
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    undo(owner, superuser, &Farewell::default()).await.unwrap();
    assert!(may().await);
}

/// Tables that all tenants share, of which the application may change some: what foreign keys do goes on
/// from one to the next, and a new key does as much as a row that goes.
#[tokio::test]
async fn what_a_shared_row_takes_along() {
    let schema = "
        CREATE TABLE region (code text PRIMARY KEY);
        CREATE TABLE city (code text PRIMARY KEY, region text REFERENCES region ON DELETE CASCADE);
        CREATE TABLE street (city text REFERENCES city ON UPDATE CASCADE, name text);
        CREATE TABLE visit (org text NOT NULL, n int NOT NULL, city text NOT NULL,
            PRIMARY KEY (org, n), FOREIGN KEY (city) REFERENCES city
                ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO region VALUES ('r1'), ('r2'); INSERT INTO city VALUES ('c1', 'r1'), ('c2', 'r2');
        GRANT SELECT, DELETE ON region TO {app}; GRANT SELECT, UPDATE ON city TO {app};
        GRANT SELECT, INSERT, UPDATE, DELETE ON visit TO {app};";
    let guarded = fixture::protected(schema, "org", CANARIES).await;
    run(&guarded, "b", "INSERT INTO visit VALUES ('b', 1, 'c1'), ('b', 2, 'c2')").await;
    run(&guarded, "a", "DELETE FROM region WHERE code = 'r1'").await;
    run(&guarded, "a", "UPDATE city SET code = 'ATTACK' WHERE code = 'c2'").await;
    let seen = "SELECT string_agg(n || city, ',') FROM visit";
    assert_eq!(read(&guarded, "b", seen).await.as_deref(), Some("2ATTACK"));
    let found = named(&guarded, "AM305").await;
    assert_eq!(objects(&found), ["public.visit, foreign key visit_city_fkey"]);
    let told = async || -> usize {
        let proof = prove(&guarded).await;
        proof.findings().iter().filter(|f| f.what.contains("(cascade: ")).count()
    };
    assert_eq!(told().await, 1);
    for right in ["DELETE ON region", "UPDATE ON city"] {
        as_owner(&guarded, &format!("REVOKE {right} FROM {{app}}")).await;
        assert_eq!(named(&guarded, "AM305").await.len(), usize::from(right.contains("DELETE")));
    }
    assert_eq!(told().await, 0);
    as_owner(&guarded, "GRANT DELETE ON region TO {app}; GRANT UPDATE ON city TO {app}").await;
    as_owner(&guarded, &found[0].fix).await;
    assert_eq!(objects(&named(&guarded, "AM305").await), Vec::<&str>::new());
    assert_eq!(told().await, 0);
}

/// One `setval()` ends the numbers of everybody. A plan takes that right and leaves the one to draw, and
/// its undoing gives both back.
#[tokio::test]
async fn a_sequence_that_can_be_set() {
    let schema = format!(
        "{SHOP} CREATE SEQUENCE order_no; GRANT ALL ON SEQUENCE order_no TO {{app}};
         CREATE SEQUENCE line_no; GRANT UPDATE ON SEQUENCE line_no TO {{app}};
         ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON SEQUENCES TO {{app}}"
    );
    let guarded = fixture::bare(&schema, "org", CANARIES).await;
    let attack = "SELECT setval('order_no', 9223372036854775807)";
    run(&guarded, "a", attack).await;
    let tx = bound(&guarded, "b").await;
    let error = tx.query_one("SELECT nextval('order_no')", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("2200H"), "{error}");
    tx.rollback().await.unwrap();
    let rights = async || -> String {
        let tx = guarded.protected.owner.operator().await.unwrap();
        let sql = "SELECT string_agg(c.relname || has_sequence_privilege($1, c.oid, 'UPDATE')
                                               || has_sequence_privilege($1, c.oid, 'USAGE'), ' '
                                     ORDER BY c.relname)
                          || (SELECT string_agg(d.defaclacl::text, '') FROM pg_default_acl d)
                     FROM pg_class c WHERE c.relkind = 'S'";
        tx.query_one(sql, &[&guarded.protected.app_role]).await.unwrap().get(0)
    };
    let before = rights().await;
    assert!(before.starts_with("line_notruefalse order_notruetrue{"), "{before}");
    assert_eq!(objects(&named(&guarded, "AM307").await), ["public.line_no", "public.order_no"]);
    let plan = fixture::planned(&guarded.protected).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, superuser, &plan).await.unwrap();
    assert!(fixture::planned(&guarded.protected).await.is_done());
    as_owner(&guarded, "ALTER SEQUENCE order_no RESTART; CREATE SEQUENCE later").await;
    for sequence in ["order_no", "line_no", "later"] {
        run(&guarded, "b", &format!("SELECT nextval('{sequence}')")).await;
        let tx = bound(&guarded, "a").await;
        let attack = format!("SELECT setval('{sequence}', 5)");
        assert_eq!(tx.batch(&attack).await.unwrap_err().sqlstate(), Some("42501"));
        tx.rollback().await.unwrap();
    }
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:#?}", proof.detail(), proof.findings());
    as_owner(&guarded, "DROP SEQUENCE later").await;
    undo(owner, superuser, &Farewell::default()).await.unwrap();
    assert_eq!(rights().await, before);
}

/// Who has good tokens of two tenants binds anew after RESET ALL, in either form of the binding; without it
/// the second is refused.
#[tokio::test]
async fn two_good_tokens_and_reset_all() {
    let guarded = fixture::protected(SHOP, "org", CANARIES).await;
    for form in FORMS {
        fixture::shape(&guarded, form).await;
        let theirs = fixture::token(&guarded, "b");
        let bind = "SELECT amanah.bind($1)";
        let tx = bound(&guarded, "a").await;
        tx.batch("SAVEPOINT before").await.unwrap();
        let error = tx.query_one(bind, &[&theirs.expose()]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("28000"), "{error}");
        tx.batch("ROLLBACK TO SAVEPOINT before; RESET ALL").await.unwrap();
        let seen = "SELECT amanah.current_tenant()";
        assert_eq!(tx.query_one(seen, &[]).await.unwrap().get::<_, Option<&str>>(0), None);
        tx.query_one(bind, &[&theirs.expose()]).await.unwrap();
        assert_eq!(tx.query_one(seen, &[]).await.unwrap().get::<_, Option<&str>>(0), Some("b"));
        tx.rollback().await.unwrap();
    }
}

/// In a pooled session, a statement that one request puts under a name that the driver keeps is what the next
/// tenant's request runs: it answers rightly, and hands on what it reads.
#[tokio::test]
async fn a_statement_in_the_place_of_the_drivers() {
    let guarded = fixture::protected(SHOP, "org", CANARIES).await;
    run(&guarded, "b", "INSERT INTO stock VALUES ('b', 'cocoa', 100)").await;
    let pool = store::Db::lazy(guarded.protected.intruder.url(), 1).unwrap();
    let request = async |tenant: &str, sql: &str| -> Option<String> {
        let tx = pool.tenant(&fixture::token(&guarded, tenant)).await.unwrap();
        let rows = tx.query(sql, &[]).await.unwrap();
        tx.commit().await.unwrap();
        rows.first().map(|row| row.get(0))
    };
    request("b", "PREPARE s1 AS SELECT qty::text FROM stock").await;
    request("a", "DEALLOCATE s1").await;
    request(
        "a",
        "PREPARE s1 AS SELECT qty::text FROM stock WHERE set_config('x.loot',
             (SELECT string_agg(sku, ',') FROM stock), false) IS NOT NULL",
    )
    .await;
    assert_eq!(request("b", "EXECUTE s1").await.as_deref(), Some("100"));
    assert_eq!(request("a", "SELECT current_setting('x.loot')").await.as_deref(), Some("cocoa"));
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert!(proof.detail().contains("is run for the next, as the card says"), "{}", proof.detail());
}

/// The planner looks at the ends of an index whatever the policies say, and what it expects to pay tells
/// them; behind the tenant column they are not looked at.
#[tokio::test]
async fn an_index_tells_its_ends() {
    let schema = "
        CREATE TABLE pay (org text NOT NULL, n int NOT NULL, salary int NOT NULL,
            PRIMARY KEY (org, n));
        CREATE INDEX by_salary ON pay (salary);
        INSERT INTO pay SELECT CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END, n, n
                          FROM generate_series(1, 2000) n;
        INSERT INTO pay VALUES ('b', 0, 987654); ANALYZE pay;
        GRANT SELECT, INSERT, UPDATE, DELETE ON pay TO {app};";
    let guarded = fixture::protected(schema, "org", CANARIES).await;
    let cost = async |above: i32| -> String {
        let tx = bound(&guarded, "a").await;
        tx.batch("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            .await
            .unwrap();
        let sql = format!("EXPLAIN SELECT count(*) FROM pay WHERE salary > {above}");
        let rows = tx.query(&sql, &[]).await.unwrap();
        tx.rollback().await.unwrap();
        rows[0].get(0)
    };
    let beyond = cost(i32::MAX).await;
    let (mut low, mut high) = (0, i32::MAX);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if cost(middle).await == beyond { high = middle } else { low = middle }
    }
    assert_eq!(high, 987_654, "the greatest salary, which is another tenant's");
    let found = named(&guarded, "AM110").await;
    assert_eq!(objects(&found), ["public.pay, index by_salary"]);
    as_owner(&guarded, &found[0].fix).await;
    assert!(named(&guarded, "AM110").await.is_empty());
    assert_eq!(cost(987_653).await, cost(i32::MAX).await);
}
