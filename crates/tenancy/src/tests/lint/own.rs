//! Violations about what belongs to the application, as [`SEEDS`](super::seeds::SEEDS).

use super::seeds::{Seed, foreign, seed};

pub(super) const OWN: &[Seed] = &[
    // The application's own, and others draw from it.
    foreign(
        "AM307",
        "public.{y}",
        "SET LOCAL ROLE NONE; CREATE SEQUENCE public.{y}; ALTER SEQUENCE public.{y} OWNER TO {app};
         GRANT UPDATE ON SEQUENCE public.{y} TO PUBLIC;
         CREATE TABLE {x} (org text NOT NULL, n int DEFAULT nextval('public.{y}'));
         ALTER TABLE {x} OWNER TO {owner}",
    ),
    // No table is in it, and everybody whose name it bears has it in the path.
    foreign(
        "AM403",
        "schema {y}",
        "SET LOCAL ROLE NONE; CREATE ROLE {y}; CREATE SCHEMA {y} AUTHORIZATION {owner};
         GRANT CREATE ON SCHEMA {y} TO PUBLIC",
    ),
    foreign(
        "AM403",
        "schema {y}",
        "SET LOCAL ROLE NONE; CREATE SCHEMA {y} AUTHORIZATION {app};
         REVOKE CREATE ON SCHEMA {y} FROM {app};
         ALTER ROLE {app} IN DATABASE {db} SET search_path = public, \"a, b\", {y}",
    ),
    seed(
        "AM403",
        "schema {y}",
        "CREATE SCHEMA {y}; GRANT CREATE ON SCHEMA {y} TO {app};
         CREATE FUNCTION {x}() RETURNS int LANGUAGE sql SET search_path = pg_catalog, {y}
             AS 'SELECT 1'",
    ),
    seed("AM406", "schema {y}", "CREATE SCHEMA {y}; GRANT CREATE ON SCHEMA {y} TO PUBLIC"),
    // As a queue makes it, for a role with an odd name.
    foreign(
        "AM406",
        "schema {y}",
        "SET LOCAL ROLE NONE; CREATE ROLE \"queue%s\" LOGIN IN ROLE {app};
         CREATE SCHEMA {y} AUTHORIZATION \"queue%s\"; SET LOCAL ROLE \"queue%s\";
         CREATE TABLE {y}.job (id serial); SET LOCAL ROLE NONE",
    ),
];
