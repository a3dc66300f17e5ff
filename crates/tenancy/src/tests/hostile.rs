//! Names that try to leave their quotes, and values of many types.

use kernel::Outcome;

use super::fixture::{self, NUMBERS, bite, bound, planned, prove};
use crate::Guarded;

/// What runs the owner's code while a structure is made: the bound of a partition and the first
/// value of an aggregate are read by a type whose check is a function. Whoever runs it as superuser
/// has made its owner one.
const PLANTED: &str = "
    CREATE TABLE thing (tenant int NOT NULL, id int PRIMARY KEY, body text NOT NULL);
    GRANT SELECT, INSERT, UPDATE, DELETE ON thing TO {app};
    CREATE FUNCTION evil(v text) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE mine text := (SELECT pg_catalog.pg_get_userbyid(p.proowner)
                            FROM pg_catalog.pg_proc p WHERE p.proname = 'evil');
    BEGIN
        -- What SET ROLE has put on is taken off again.
        PERFORM pg_catalog.set_config('role', 'none', false);
        IF pg_catalog.current_setting('is_superuser') = 'on' THEN
            EXECUTE pg_catalog.format('ALTER ROLE %I SUPERUSER', mine);
        END IF;
        RETURN true;
    END $$;
    CREATE DOMAIN dk AS text CHECK (evil(value));";

async fn is_superuser(guarded: &Guarded) -> bool {
    let protected = &guarded.protected;
    let tx = protected.superuser.as_ref().unwrap().operator().await.unwrap();
    let sql = "SELECT rolsuper FROM pg_roles WHERE rolname = $1";
    tx.query_one(sql, &[&protected.owner.url().user]).await.unwrap().get(0)
}

/// A structure holds code of whoever made it. It is run by its owner in a sandbox and by nobody
/// else, and the violations in there are still found.
#[tokio::test]
async fn a_sandbox_runs_nothing_of_the_owner_as_superuser() {
    let schema = format!(
        "{PLANTED}
         CREATE TABLE pt (k dk) PARTITION BY LIST (k);
         CREATE TABLE p1 PARTITION OF pt FOR VALUES IN ('x');
         CREATE FUNCTION keep(dk, text) RETURNS dk LANGUAGE sql AS 'SELECT $1';
         CREATE AGGREGATE first_of(text) (SFUNC = keep, STYPE = dk, INITCOND = 'x')"
    );
    let guarded = fixture::protected(&schema, "tenant", NUMBERS).await;
    let proof = bite(&guarded).await;
    assert!(!is_superuser(&guarded).await, "the owner has made itself superuser");
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
}

/// The schemas of extensions stay a superuser's in a sandbox, as the functions in them are. The owner
/// uses them as before, and makes something only where it had.
#[tokio::test]
async fn the_schemas_of_extensions_are_not_handed_over() {
    let schema = "
        CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; COMMENT ON SCHEMA ext IS 'x';
        CREATE SCHEMA mixed; CREATE EXTENSION hstore SCHEMA mixed;
        GRANT USAGE ON SCHEMA ext, mixed TO {app};
        CREATE TABLE mixed.note (tenant int NOT NULL, id int PRIMARY KEY, word ext.citext);
        GRANT SELECT, INSERT, UPDATE, DELETE ON mixed.note TO {app};";
    let guarded = fixture::protected(schema, "tenant", NUMBERS).await;
    let sandbox = guarded.protected.sandbox(&kernel::SystemRng).await.unwrap();
    let inside = sandbox.inside();
    let tx = inside.owner.operator().await.unwrap();
    let sql = "SELECT n.nspname::text, r.rolsuper, has_schema_privilege(n.oid, 'CREATE'),
                      has_schema_privilege(n.oid, 'USAGE'),
                      has_schema_privilege($1, n.oid, 'USAGE')
                 FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
                WHERE n.nspname IN ('ext', 'mixed') ORDER BY 1";
    let rows = tx.query(sql, &[&inside.app_role]).await.unwrap();
    let seen: Vec<(String, bool, bool, bool, bool)> =
        rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3), r.get(4))).collect();
    let wanted = [("ext", true, false, true, true), ("mixed", true, true, true, true)];
    assert_eq!(seen, wanted.map(|(name, a, b, c, d)| (name.to_owned(), a, b, c, d)));
    tx.batch("SELECT 'x'::ext.citext, ''::mixed.hstore, n.word FROM mixed.note n").await.unwrap();
    tx.rollback().await.unwrap();
    sandbox.remove().await.unwrap();
}

/// Quotes, control characters, Unicode and the longest name there can be, in every place.
#[tokio::test]
async fn names_stay_names() {
    let long = "x".repeat(63);
    let schema = format!(
        r#"
        CREATE SCHEMA "a""b'c";
        CREATE TABLE "a""b'c"."Größe; DROP" ("tenant ""id" text NOT NULL, "nr'" int PRIMARY KEY,
            "ünï" text NOT NULL);
        CREATE TABLE "a""b'c"."{long}" ("tenant ""id" varchar(30) NOT NULL, "$1" serial PRIMARY KEY,
            ref int REFERENCES "a""b'c"."Größe; DROP" ("nr'"));
        CREATE TABLE "a""b'c"."two
lines" ("tenant ""id" text NOT NULL, v text);
        CREATE VIEW "a""b'c"."v""iew" AS TABLE "a""b'c"."Größe; DROP";
        GRANT USAGE ON SCHEMA "a""b'c" TO {{app}};
        GRANT ALL ON ALL TABLES IN SCHEMA "a""b'c" TO {{app}};"#
    );
    let canaries = ("can'a\"ry 1", "can'a\"ry 2");
    let guarded = fixture::protected(&schema, "tenant \"id", canaries).await;
    let again = planned(&guarded.protected).await;
    assert!(again.is_done(), "{again}");
    assert!(again.to_string().contains("two\\nlines"), "{again}");
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "3 of 3 tables");
}

/// Rows can be placed, read and attacked whatever their columns are.
#[tokio::test]
async fn many_types_are_attacked() {
    let schema = "
        CREATE TYPE mood AS ENUM ('calm', 'angry');
        CREATE DOMAIN slug AS text CHECK (VALUE <> '');
        CREATE TABLE owner_of (id uuid PRIMARY KEY);
        CREATE TABLE thing (
            tenant uuid NOT NULL REFERENCES owner_of (id),
            id bigint GENERATED ALWAYS AS IDENTITY, mood mood NOT NULL, tags text[] NOT NULL,
            doc jsonb NOT NULL, raw bytea NOT NULL, at timestamptz NOT NULL, span tstzrange,
            ratio double precision NOT NULL, net inet, total numeric NOT NULL,
            twice numeric GENERATED ALWAYS AS (total * 2) STORED,
            PRIMARY KEY (tenant, id, mood));
        CREATE TABLE keyless (tenant uuid NOT NULL, doc json, at point);
        GRANT SELECT, INSERT, UPDATE, DELETE ON thing, keyless, owner_of TO {app}";
    let canaries = ("aaaaaaaa-0000-8000-8000-000000000000", "bbbbbbbb-0000-8000-8000-000000000000");
    let guarded = fixture::protected(schema, "tenant", canaries).await;
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().to_string(), "3 of 3 tables");
}

/// A table that has the name by which its policy knows the table that it points to, which has a column
/// of the same name as its own.
#[tokio::test]
async fn a_parent_is_not_compared_with_itself() {
    let schema = "
        CREATE TABLE parent (id bigint PRIMARY KEY, tenant int NOT NULL, above bigint NOT NULL);
        CREATE TABLE p (above bigint NOT NULL REFERENCES parent, note text);
        GRANT SELECT, INSERT, UPDATE, DELETE ON parent, p TO {app};";
    let guarded = fixture::protected(schema, "tenant", NUMBERS).await;
    let tx = bound(&guarded, "1").await;
    tx.batch("INSERT INTO parent VALUES (1, 1, 1); INSERT INTO p VALUES (1, 'mine')")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let tx = bound(&guarded, "2").await;
    tx.batch("INSERT INTO parent VALUES (2, 2, 2)").await.unwrap();
    let seen = tx.query("SELECT note FROM p", &[]).await.unwrap();
    assert!(seen.is_empty(), "another tenant's rows are seen");
    tx.commit().await.unwrap();
    let proof = prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
}
