//! Violations, at least one for each rule.
//!
//! `{x}`, `{y}` and `{z}` are names, tried as ordinary ones and as odd ones, of which two differ in
//! case alone; `{app}`, `{owner}` and `{db}` are the roles and the database.

/// One violation.
pub(super) struct Seed {
    /// The rule that finds it.
    pub(super) rule: &'static str,
    /// What the finding names.
    pub(super) object: &'static str,
    /// Statements, run as the owner until they say otherwise.
    pub(super) sql: &'static str,
    /// Whether the object is somebody else's than the owner's, so that the owner cannot mend it.
    pub(super) foreign: bool,
}

/// A database in which nothing is wrong once it is protected.
pub(super) const SCHEMA: &str = "
    CREATE TABLE base (org text NOT NULL, id int NOT NULL, body text, PRIMARY KEY (org, id));
    GRANT SELECT, INSERT, UPDATE, DELETE ON base TO {app}";

/// What everybody may do on a server as it comes, and a superuser can take away.
pub(super) const QUIET: &str = "
    DO $$
    DECLARE f regprocedure;
    BEGIN
        FOR f IN SELECT oid FROM pg_catalog.pg_proc
                  WHERE pronamespace = 'pg_catalog'::regnamespace
                    AND (proname IN ('pg_cancel_backend', 'pg_terminate_backend',
                             'pg_relation_size', 'pg_table_size', 'pg_total_relation_size',
                             'pg_indexes_size')
                         OR proname ~ '^pg_stat_get_(live|dead)_tuples$'
                         OR proname ~ '^pg_stat_get_tuples_(inserted|updated|deleted)$'
                         OR proname ~ '^pg_(try_)?advisory_(xact_)?lock')
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
        END LOOP;
    END $$";

pub(super) const fn seed(rule: &'static str, object: &'static str, sql: &'static str) -> Seed {
    Seed { rule, object, sql, foreign: false }
}

/// One whose object is not the owner's.
pub(super) const fn foreign(rule: &'static str, object: &'static str, sql: &'static str) -> Seed {
    Seed { rule, object, sql, foreign: true }
}

pub(super) const SEEDS: &[Seed] = &[
    seed("AM101", "public.{x}", "CREATE TABLE {x} (org text NOT NULL)"),
    // A schema that bears the name of one of ours hides nothing.
    foreign(
        "AM101",
        "audit.{x}",
        "SET LOCAL ROLE NONE; CREATE SCHEMA audit; CREATE TABLE audit.{x} (org text NOT NULL);
         GRANT USAGE ON SCHEMA audit TO {app}; GRANT SELECT ON audit.{x} TO {app}",
    ),
    seed(
        "AM102",
        "public.{x}",
        "CREATE TABLE {x} (org text NOT NULL); ALTER TABLE {x} ENABLE ROW LEVEL SECURITY",
    ),
    seed(
        "AM103",
        "public.{y}",
        "CREATE TABLE {x} (org text NOT NULL, n int) PARTITION BY LIST (n);
         CREATE TABLE {y} PARTITION OF {x} FOR VALUES IN (1)",
    ),
    seed(
        "AM103",
        "public.{z}",
        "CREATE TABLE {x} (org text NOT NULL); CREATE TABLE {z} () INHERITS ({x})",
    ),
    seed("AM104", "public.base", "ALTER POLICY amanah_select ON base USING (true)"),
    seed("AM104", "public.{x}", "CREATE TABLE {x} (org varchar(9) NOT NULL)"),
    seed("AM105", "public.{x}", "CREATE TABLE {x} (org text)"),
    seed(
        "AM106",
        "public.{x}",
        "CREATE COLLATION {y} (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
         CREATE TABLE {x} (org text COLLATE {y} NOT NULL)",
    ),
    seed("AM107", "public.{x}", "CREATE TABLE {x} (org text NOT NULL, n int, UNIQUE (n, org))"),
    seed("AM108", "public.{x}", "CREATE TABLE {x} (org date NOT NULL)"),
    seed(
        "AM109",
        "public.{x}",
        "CREATE TABLE {x} (o text, {y} int, FOREIGN KEY (o, {y}) REFERENCES base)",
    ),
    seed(
        "AM109",
        "public.{z}",
        "CREATE TABLE {x} (n int PRIMARY KEY, o text, m int, FOREIGN KEY (o, m) REFERENCES base);
         CREATE TABLE {z} ({y} int NOT NULL REFERENCES {x})",
    ),
    seed(
        "AM110",
        "public.{x}, index {z}",
        "CREATE TABLE {x} (org text NOT NULL, {y} int, n int);
         CREATE INDEX {z} ON {x} ({y}, lower(org), org, (n + 1)) WHERE {y} <> 1",
    ),
    seed(
        "AM121",
        "public.{x}, policy {y}",
        "CREATE TABLE {x} (org text NOT NULL, body text);
         ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {z} ON {x} USING (org = 'mine');
         CREATE POLICY {y} ON {x} FOR SELECT USING (body <> 'secret')",
    ),
    seed(
        "AM122",
        "public.{x}, policy {y}",
        "CREATE TABLE {x} (org text NOT NULL); ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {y} ON {x} USING (org = (SELECT current_setting('app.org', true)))
             WITH CHECK (org = (SELECT current_setting('app.org', true)))",
    ),
    seed(
        "AM122",
        "public.{x}, policy {y}",
        "CREATE FUNCTION {z}() RETURNS text LANGUAGE sql STABLE
             AS $$SELECT current_setting('app.org', true)$$;
         CREATE TABLE {x} (org text NOT NULL); ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {y} ON {x} FOR INSERT WITH CHECK (org = {z}())",
    ),
    seed(
        "AM123",
        "public.{x}, policy {y}",
        "CREATE TABLE {x} (org text NOT NULL); ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {y} ON {x} USING (org = CURRENT_USER)",
    ),
    seed(
        "AM124",
        "public.{x}, policy {y}",
        "CREATE TABLE {x} (org text NOT NULL, {z} text);
         ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {y} ON {x} FOR UPDATE USING (org = 'mine' OR {z} = 'everybody''s')",
    ),
    seed(
        "AM125",
        "public.{x}, policy {y}",
        "CREATE FUNCTION {z}(pad text DEFAULT '(''') RETURNS text LANGUAGE plpgsql STABLE
             AS $$BEGIN RETURN 'mine'; END$$;
         CREATE TABLE {x} (org text NOT NULL, body text);
         ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY {y} ON {x} USING (org = {z}() AND body <> 'x)') WITH CHECK (org = {z}('b'))",
    ),
    seed(
        "AM201",
        "public.{z}",
        "CREATE TABLE {x} (org text NOT NULL); CREATE VIEW {y} AS TABLE {x};
         CREATE VIEW {z} AS TABLE {y}; GRANT SELECT ON {z} TO {app}",
    ),
    foreign(
        "AM201",
        "amanah_guard.{z}",
        "SET LOCAL ROLE NONE; CREATE VIEW amanah_guard.{z} AS TABLE public.base;
         GRANT SELECT ON amanah_guard.{z} TO {app}",
    ),
    // The view that asks for the rows is not the one that the application reads.
    foreign(
        "AM201",
        "public.{z}",
        "SET LOCAL ROLE NONE; CREATE VIEW public.{y} AS TABLE public.base; SET LOCAL ROLE {owner};
         CREATE VIEW {z} AS TABLE {y}; GRANT SELECT ON {z} TO {app}",
    ),
    seed("AM202", "public.{y}", "CREATE VIEW {y} AS TABLE base; GRANT SELECT ON {y} TO {app}"),
    seed(
        "AM203",
        "public.{y}",
        "CREATE MATERIALIZED VIEW {y} AS TABLE base; GRANT SELECT (body) ON {y} TO {app};
         GRANT SELECT ON {y} TO PUBLIC",
    ),
    // What a function answers is tied to no table.
    seed(
        "AM203",
        "public.{y}",
        "CREATE FUNCTION {x}() RETURNS TABLE (n int, body text) LANGUAGE plpgsql
             AS 'BEGIN RETURN QUERY SELECT id, b.body FROM public.base b; END';
         CREATE MATERIALIZED VIEW {y} AS SELECT * FROM {x}(); GRANT SELECT ON {y} TO {app}",
    ),
    seed(
        "AM203",
        "public.{y}",
        "CREATE MATERIALIZED VIEW {y} AS SELECT 'x'::text AS org; GRANT SELECT ON {y} TO {app}",
    ),
    seed(
        "AM204",
        "public.{z}",
        "CREATE MATERIALIZED VIEW {y} AS TABLE base; CREATE VIEW {z} AS TABLE {y};
         GRANT SELECT ON {z} TO {app}",
    ),
    seed(
        "AM205",
        "audit.system_audit_logs",
        "SET LOCAL ROLE NONE; CREATE SCHEMA audit;
         CREATE TABLE audit.system_audit_logs (org text, {x} text);
         GRANT SELECT ({x}) ON audit.system_audit_logs TO {app}",
    ),
    seed(
        "AM221",
        "public.{y}(text)",
        "CREATE FUNCTION {y}(text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
             SET search_path = pg_catalog AS 'SELECT count(*) FROM public.base'",
    ),
    seed(
        "AM221",
        "public.{z}()",
        "CREATE PROCEDURE {z}() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.base'",
    ),
    // A third role, who may read a copy that the application may not.
    foreign(
        "AM221",
        "public.{y}()",
        "SET LOCAL ROLE NONE; CREATE ROLE {z}; CREATE MATERIALIZED VIEW public.{x} AS TABLE base;
         GRANT SELECT ON public.{x} TO {z};
         CREATE FUNCTION public.{y}() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT 1'; ALTER FUNCTION public.{y}() OWNER TO {z}",
    ),
    // An operator does not ask for a right on the schema of its function.
    foreign(
        "AM221",
        "{x}.{y}(integer, integer)",
        "SET LOCAL ROLE NONE; CREATE SCHEMA {x};
         CREATE FUNCTION {x}.{y}(int, int) RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT count(*) FROM public.base';
         CREATE OPERATOR public.## (LEFTARG = int, RIGHTARG = int, FUNCTION = {x}.{y})",
    ),
    // One function by way of another's owner.
    foreign(
        "AM221",
        "public.{y}()",
        "SET LOCAL ROLE NONE; CREATE ROLE {z};
         CREATE FUNCTION public.{y}() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT count(*) FROM public.base';
         REVOKE EXECUTE ON FUNCTION public.{y}() FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION public.{y}() TO {z};
         CREATE FUNCTION public.{x}() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT 1'; ALTER FUNCTION public.{x}() OWNER TO {z}",
    ),
    seed(
        "AM222",
        "public.{y}()",
        "CREATE FUNCTION {y}() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
         REVOKE EXECUTE ON FUNCTION {y}() FROM PUBLIC",
    ),
    seed(
        "AM223",
        "public.{y}(text)",
        "CREATE FUNCTION {y}(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
             SET search_path = pg_catalog AS $$BEGIN EXECUTE $1; END$$",
    ),
    seed(
        "AM224",
        "public.{y}(text)",
        "SET LOCAL ROLE NONE; CREATE FUNCTION {y}(text) RETURNS boolean LANGUAGE sql LEAKPROOF
             AS 'SELECT true'; ALTER FUNCTION {y}(text) OWNER TO {owner}",
    ),
    seed(
        "AM225",
        "public.{y}(text)",
        "SET LOCAL ROLE NONE; CREATE FUNCTION {y}(text) RETURNS text LANGUAGE internal
             AS 'pg_read_file_all'",
    ),
    seed(
        "AM226",
        "public.{y}()",
        "CREATE FUNCTION {y}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             -- it's told to everybody
             PERFORM pg_notify('changed', row_to_json(NEW)::text); RETURN NEW; END$$",
    ),
    seed(
        "AM227",
        "public.base, trigger {z}",
        "CREATE FUNCTION {y}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER {z} BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION {y}()",
    ),
    // On a table that tenants share.
    foreign(
        "AM227",
        "public.{x}, trigger {z}",
        "CREATE TABLE {x} (n int, body text); GRANT SELECT, INSERT ON {x} TO {app};
         SET LOCAL ROLE NONE;
         CREATE FUNCTION public.{y}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
             NEW.body := (SELECT string_agg(body, ',') FROM public.base); RETURN NEW; END$$;
         CREATE TRIGGER {z} BEFORE INSERT ON public.{x} FOR EACH ROW
             EXECUTE FUNCTION public.{y}()",
    ),
    seed(
        "AM228",
        "public.base, rule {y}",
        "CREATE RULE {y} AS ON DELETE TO base DO ALSO UPDATE base SET body = 'gone'",
    ),
    seed(
        "AM229",
        "public.{x}, column {z}",
        "CREATE FUNCTION {y}() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT count(*) FROM public.base';
         CREATE TABLE {x} (org text NOT NULL, {z} bigint DEFAULT {y}())",
    ),
    seed(
        "AM230",
        "{z}",
        "CREATE FUNCTION {y}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         SET LOCAL ROLE NONE;
         CREATE EVENT TRIGGER {z} ON ddl_command_end EXECUTE FUNCTION {y}()",
    ),
    seed(
        "AM232",
        "public.{x}, rule {y}",
        "SET LOCAL ROLE NONE; CREATE TABLE public.{x} (n int); GRANT UPDATE ON public.{x} TO {app};
         CREATE RULE {y} AS ON UPDATE TO public.{x} DO INSTEAD SELECT * FROM public.base",
    ),
    seed(
        "AM301",
        "public.{z}",
        "CREATE TABLE {x} (org text NOT NULL, {y} int PRIMARY KEY);
         CREATE TABLE {z} (org text NOT NULL, r int CONSTRAINT {x} REFERENCES {x}
             ON DELETE SET NULL);
         GRANT INSERT ON {z} TO {app}",
    ),
    seed(
        "AM302",
        "public.{z}, foreign key {y}",
        "CREATE TABLE {x} (o text NOT NULL, n int NOT NULL, {y} int PRIMARY KEY,
             FOREIGN KEY (o, n) REFERENCES base (org, id));
         CREATE TABLE {z} (org text NOT NULL, r int CONSTRAINT {y} REFERENCES {x})",
    ),
    seed(
        "AM303",
        "public.{x}",
        "CREATE TABLE {x} (org text NOT NULL, {y} text CONSTRAINT {z} UNIQUE);
         GRANT INSERT ON {x} TO {app}",
    ),
    seed(
        "AM303",
        "public.{x}",
        "CREATE TABLE {x} (org text NOT NULL, {y} text, n int);
         CREATE UNIQUE INDEX {z} ON {x} ({y}, n); GRANT UPDATE ({y}) ON {x} TO {app}",
    ),
    seed(
        "AM304",
        "public.{x}, index {z}",
        "CREATE TABLE {x} (org text NOT NULL, {y} text);
         CREATE UNIQUE INDEX {z} ON {x} (lower({y})) WHERE {y} <> 'it''s';
         GRANT INSERT ON {x} TO {app}",
    ),
    seed(
        "AM304",
        "public.{x}, constraint {z}",
        "CREATE TABLE {x} (org text NOT NULL, {y} int4range,
             CONSTRAINT {z} EXCLUDE USING gist ({y} WITH &&));
         GRANT INSERT ON {x} TO {app}",
    ),
    seed(
        "AM305",
        "public.{y}, foreign key {z}",
        "CREATE TABLE {x} (code text PRIMARY KEY); GRANT DELETE ON {x} TO {app};
         CREATE TABLE {y} (org text NOT NULL, code text CONSTRAINT {z} REFERENCES {x}
             ON DELETE CASCADE ON UPDATE CASCADE)",
    ),
    seed("AM306", "public.{y}", "CREATE SEQUENCE {y}; GRANT SELECT ON SEQUENCE {y} TO {app}"),
    seed("AM307", "public.{y}", "CREATE SEQUENCE {y}; GRANT ALL ON SEQUENCE {y} TO {app}"),
    seed(
        "AM307",
        "public.{y}",
        "CREATE SEQUENCE {y}; GRANT UPDATE ON SEQUENCE {y} TO {app};
         GRANT USAGE, UPDATE ON SEQUENCE {y} TO PUBLIC",
    ),
    seed(
        "AM401",
        "public.{x}",
        "CREATE TABLE {x} (org text NOT NULL); GRANT ALL ON {x} TO {app};
         GRANT TRUNCATE ON {x} TO PUBLIC",
    ),
    seed(
        "AM402",
        "tables of {owner} in schema {y}",
        "CREATE SCHEMA {y}; ALTER DEFAULT PRIVILEGES IN SCHEMA {y} GRANT ALL ON TABLES TO {app}",
    ),
    seed(
        "AM402",
        "tables of {owner}",
        "ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO PUBLIC",
    ),
    seed(
        "AM402",
        "sequences of {owner} in schema {y}",
        "CREATE SCHEMA {y}; ALTER DEFAULT PRIVILEGES IN SCHEMA {y} GRANT ALL ON SEQUENCES TO {app}",
    ),
    seed(
        "AM403",
        "schema {y}",
        "CREATE SCHEMA {y}; CREATE TABLE {y}.{x} (org text NOT NULL);
         GRANT CREATE ON SCHEMA {y} TO {app}",
    ),
    seed("AM404", "database {db}", "GRANT CREATE ON DATABASE {db} TO {app}"),
    seed("AM405", "database {db}", "GRANT TEMPORARY ON DATABASE {db} TO PUBLIC"),
    seed(
        "AM411",
        "pg_catalog.pg_stat_activity",
        "SET LOCAL ROLE NONE; GRANT SELECT ON pg_catalog.pg_stat_activity TO PUBLIC",
    ),
    seed(
        "AM411",
        "pg_catalog.pg_stat_get_activity(integer)",
        "SET LOCAL ROLE NONE;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO {app}",
    ),
    seed(
        "AM412",
        "pg_catalog.pg_terminate_backend(integer,bigint)",
        "SET LOCAL ROLE NONE;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(integer, bigint) TO PUBLIC",
    ),
    seed(
        "AM413",
        "{y}.pg_stat_statements",
        "CREATE SCHEMA {y}; SET LOCAL ROLE NONE; CREATE EXTENSION pg_stat_statements SCHEMA {y}",
    ),
    seed(
        "AM414",
        "advisory locks",
        "SET LOCAL ROLE NONE;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO {app}",
    ),
    seed(
        "AM415",
        "sizes and counters",
        "SET LOCAL ROLE NONE;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_relation_size(regclass, text) TO {app}",
    ),
    seed(
        "AM421",
        "pg_catalog.lo_create(oid)",
        "SET LOCAL ROLE NONE; GRANT EXECUTE ON FUNCTION pg_catalog.lo_create(oid) TO {app}",
    ),
    seed(
        "AM422",
        "large object 424242",
        "SET LOCAL ROLE NONE; SELECT pg_catalog.lo_create(424242);
         GRANT SELECT ON LARGE OBJECT 424242 TO {app}",
    ),
    seed("AM511", "publication {y}", "CREATE PUBLICATION {y} FOR TABLE base"),
    seed(
        "AM511",
        "publication {z}",
        "SET LOCAL ROLE NONE; CREATE PUBLICATION {z} FOR TABLES IN SCHEMA public",
    ),
    seed(
        "AM512",
        "public.{x}",
        "SET LOCAL ROLE NONE; CREATE FOREIGN DATA WRAPPER {y};
         CREATE SERVER {y} FOREIGN DATA WRAPPER {y}; GRANT USAGE ON FOREIGN SERVER {y} TO {owner};
         SET LOCAL ROLE {owner}; CREATE FOREIGN TABLE {x} (body text) SERVER {y};
         GRANT SELECT (body) ON {x} TO {app}",
    ),
    seed(
        "AM513",
        "server {y}",
        "SET LOCAL ROLE NONE; CREATE FOREIGN DATA WRAPPER {z};
         CREATE SERVER {y} FOREIGN DATA WRAPPER {z}; GRANT USAGE ON FOREIGN SERVER {y} TO {app}",
    ),
    seed("AM514", "extension dblink", "SET LOCAL ROLE NONE; CREATE EXTENSION dblink"),
];
