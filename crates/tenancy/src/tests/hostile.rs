//! Names that try to leave their quotes, and values of many types.

use kernel::Outcome;

use super::fixture::{self, planned, prove};

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
