//! Violations inside of what foreign keys do, and of how far that reaches. The names are as in the
//! others.

use super::seeds::{Seed, seed};

pub(super) const CARRIED: &[Seed] = &[
    // The foreign key holds the tenant, and every table is under policies that are forced.
    seed(
        "AM241",
        "public.{x}, trigger {z}",
        "CREATE TABLE {x} (org text NOT NULL, id int, FOREIGN KEY (org, id) REFERENCES base
             ON DELETE CASCADE);
         CREATE FUNCTION {y}() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN UPDATE base SET body = NULL; RETURN OLD; END';
         CREATE TRIGGER {z} BEFORE DELETE ON {x} FOR EACH ROW WHEN (OLD.id > 0)
             EXECUTE FUNCTION {y}()",
    ),
    // For a whole statement, on a partition, two foreign keys away.
    seed(
        "AM241",
        "public.{x}, trigger {z}",
        "CREATE TABLE middle (org text NOT NULL, id int, PRIMARY KEY (org, id),
             FOREIGN KEY (org, id) REFERENCES base ON DELETE CASCADE);
         CREATE TABLE {x} (org text NOT NULL, id int, n int,
             FOREIGN KEY (org, id) REFERENCES middle ON DELETE SET NULL (id))
             PARTITION BY LIST (n);
         CREATE TABLE {y} PARTITION OF {x} FOR VALUES IN (1);
         CREATE FUNCTION {y}() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM FROM base; RETURN NULL; END';
         CREATE TRIGGER {z} BEFORE UPDATE OF id ON {x} FOR EACH STATEMENT
             EXECUTE FUNCTION {y}()",
    ),
    seed(
        "AM241",
        "public.{x}, rule {z}",
        "CREATE TABLE {x} (org text NOT NULL, id int, FOREIGN KEY (org, id) REFERENCES base
             ON UPDATE CASCADE);
         CREATE RULE {z} AS ON UPDATE TO {x} DO ALSO UPDATE base SET body = NULL",
    ),
    seed(
        "AM242",
        "public.{x}, constraint {z}",
        "CREATE FUNCTION {y}(int) RETURNS boolean LANGUAGE sql
             AS 'SELECT count(*) < 9 FROM public.base';
         CREATE TABLE {x} (org text NOT NULL, id int CONSTRAINT {z} CHECK ({y}(id)),
             FOREIGN KEY (org, id) REFERENCES base ON DELETE SET NULL (id))",
    ),
    seed(
        "AM242",
        "public.{x}, column {z}",
        "CREATE FUNCTION {y}(int) RETURNS text LANGUAGE sql IMMUTABLE
             AS 'SELECT string_agg(body, chr(44)) FROM public.base';
         CREATE TABLE {x} (org text NOT NULL, id int, {z} text GENERATED ALWAYS AS ({y}(id)) STORED,
             FOREIGN KEY (org, id) REFERENCES base ON DELETE SET NULL (id))",
    ),
    seed(
        "AM242",
        "public.{x}, column {z}",
        "CREATE FUNCTION {y}() RETURNS int LANGUAGE plpgsql
             AS 'BEGIN PERFORM 1 FROM public.base; RETURN NULL; END';
         CREATE TABLE {x} (org text NOT NULL, {z} int DEFAULT {y}(),
             FOREIGN KEY (org, {z}) REFERENCES base ON DELETE SET DEFAULT ({z}))",
    ),
    seed(
        "AM242",
        "public.{x}, index {z}",
        "CREATE FUNCTION {y}(int) RETURNS text LANGUAGE sql IMMUTABLE
             AS 'SELECT max(body) FROM public.base';
         CREATE TABLE {x} (org text NOT NULL, id int,
             FOREIGN KEY (org, id) REFERENCES base ON DELETE SET NULL (id));
         CREATE INDEX {z} ON {x} ({y}(id))",
    ),
    // Two foreign keys away, where the application has no right on the table in between.
    seed(
        "AM305",
        "public.{y}, foreign key {z}",
        "CREATE TABLE region (code text PRIMARY KEY); GRANT DELETE ON region TO {app};
         CREATE TABLE {x} (code text PRIMARY KEY REFERENCES region ON DELETE CASCADE);
         CREATE TABLE {y} (org text NOT NULL, code text CONSTRAINT {z} REFERENCES {x}
             ON DELETE SET NULL (code) ON UPDATE CASCADE)",
    ),
    seed(
        "AM305",
        "public.{y}, foreign key {z}",
        "CREATE TABLE {x} (code text PRIMARY KEY, body text);
         GRANT UPDATE (code), DELETE ON {x} TO {app};
         CREATE TABLE {y} (org text NOT NULL, code text CONSTRAINT {z} REFERENCES {x}
             ON DELETE SET DEFAULT ON UPDATE CASCADE)",
    ),
];
