//! One violation for each rule of the linter that a sandbox can hold.
//!
//! `{col}` is the tenant's column, `{app}`, `{owner}` and `{db}` are the roles and the database, and
//! `{role}` is a name that no role has. `base` is a table with tenants' rows and forced row security.

use super::Seed;

/// The schema in which everything is made.
pub(super) const SCHEMA: &str = "amanah_probe_rules";

/// What each of them finds there.
pub(super) const GROUND: &str = "
CREATE SCHEMA amanah_probe_rules;
GRANT USAGE ON SCHEMA amanah_probe_rules TO {app};
SET LOCAL search_path = amanah_probe_rules, pg_temp;
CREATE TABLE base ({col} text NOT NULL, p_id int NOT NULL, p_body text, PRIMARY KEY ({col}, p_id));
ALTER TABLE base ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";

/// One that the owner can make.
const fn owners(rule: &'static str, object: &'static str, sql: &'static str) -> Seed {
    Seed { rule, object, sql, superuser: false }
}

/// One that takes a superuser, who touches nothing that the owner has made.
const fn above(rule: &'static str, object: &'static str, sql: &'static str) -> Seed {
    Seed { rule, object, sql, superuser: true }
}

pub(super) const SEEDS: &[Seed] = &[
    owners("AM101", "{here}.plain", "CREATE TABLE plain ({col} text NOT NULL)"),
    owners(
        "AM102",
        "{here}.plain",
        "CREATE TABLE plain ({col} text NOT NULL); ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
    ),
    owners(
        "AM103",
        "{here}.child",
        "CREATE TABLE plain ({col} text NOT NULL); CREATE TABLE child () INHERITS (plain)",
    ),
    owners("AM104", "{here}.plain", "CREATE TABLE plain ({col} text NOT NULL)"),
    owners("AM105", "{here}.plain", "CREATE TABLE plain ({col} text)"),
    owners(
        "AM106",
        "{here}.plain",
        "CREATE COLLATION lenient (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
         CREATE TABLE plain ({col} text COLLATE lenient NOT NULL)",
    ),
    owners("AM107", "{here}.plain", "CREATE TABLE plain ({col} text NOT NULL)"),
    owners("AM108", "{here}.plain", "CREATE TABLE plain ({col} date NOT NULL)"),
    owners(
        "AM109",
        "{here}.pointing",
        "CREATE TABLE pointing (p_of text, p_to int, FOREIGN KEY (p_of, p_to) REFERENCES base)",
    ),
    owners("AM110", "{here}.base, index probe", "CREATE INDEX probe ON base (p_body)"),
    owners(
        "AM121",
        "{here}.base, policy probe",
        "CREATE POLICY probe ON base FOR SELECT USING (p_body <> 'secret')",
    ),
    owners(
        "AM122",
        "{here}.base, policy probe",
        "CREATE POLICY probe ON base USING ({col} = (SELECT current_setting('amanah.probe', true)))",
    ),
    owners(
        "AM123",
        "{here}.base, policy probe",
        "CREATE POLICY probe ON base USING ({col} = CURRENT_USER)",
    ),
    owners(
        "AM124",
        "{here}.base, policy probe",
        "CREATE POLICY probe ON base FOR UPDATE USING ({col} = 'mine')",
    ),
    owners(
        "AM125",
        "{here}.base, policy probe",
        "CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN 'x'; END$$;
         CREATE POLICY probe ON base USING ({col} = mine())",
    ),
    owners(
        "AM201",
        "{here}.shown",
        "CREATE TABLE plain ({col} text NOT NULL); CREATE VIEW shown AS TABLE plain;
         GRANT SELECT ON shown TO {app}",
    ),
    owners(
        "AM202",
        "{here}.shown",
        "CREATE VIEW shown AS TABLE base; GRANT SELECT ON shown TO {app}",
    ),
    owners(
        "AM203",
        "{here}.kept",
        "CREATE MATERIALIZED VIEW kept AS TABLE base; GRANT SELECT ON kept TO {app}",
    ),
    owners(
        "AM204",
        "{here}.shown",
        "CREATE MATERIALIZED VIEW kept AS TABLE base; CREATE VIEW shown AS TABLE kept;
         GRANT SELECT ON shown TO {app}",
    ),
    owners(
        "AM205",
        "audit.system_audit_logs",
        "CREATE SCHEMA IF NOT EXISTS audit;
         CREATE TABLE IF NOT EXISTS audit.system_audit_logs ({col} text);
         GRANT SELECT ON audit.system_audit_logs TO {app}",
    ),
    owners(
        "AM221",
        "{here}.called()",
        "CREATE FUNCTION called() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             SET search_path = pg_catalog AS 'SELECT count(*) FROM amanah_probe_rules.base'",
    ),
    owners(
        "AM222",
        "{here}.called()",
        "CREATE FUNCTION called() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    ),
    owners(
        "AM223",
        "{here}.called(text)",
        "CREATE FUNCTION called(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
             SET search_path = pg_catalog AS $$BEGIN EXECUTE $1; END$$",
    ),
    above(
        "AM224",
        "{here}.called(text)",
        "CREATE FUNCTION called(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
    ),
    above(
        "AM225",
        "{here}.called(text)",
        "CREATE FUNCTION called(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'",
    ),
    owners(
        "AM226",
        "{here}.called()",
        "CREATE FUNCTION called() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             PERFORM pg_notify('changed', row_to_json(NEW)::text); RETURN NEW; END$$",
    ),
    owners(
        "AM227",
        "{here}.base, trigger probe",
        "GRANT INSERT ON base TO {app};
         CREATE FUNCTION called() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER probe BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION called()",
    ),
    owners(
        "AM228",
        "{here}.base, rule probe",
        "CREATE RULE probe AS ON DELETE TO base DO ALSO UPDATE base SET p_body = 'gone'",
    ),
    owners(
        "AM229",
        "{here}.plain, column p_n",
        "CREATE FUNCTION called() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             AS 'SELECT count(*) FROM amanah_probe_rules.base';
         CREATE TABLE plain ({col} text NOT NULL, p_n bigint DEFAULT called())",
    ),
    above(
        "AM230",
        "{here}",
        "CREATE FUNCTION called() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
             AS 'BEGIN END';
         CREATE EVENT TRIGGER {here} ON ddl_command_end EXECUTE FUNCTION called()",
    ),
    owners(
        "AM231",
        "amanah.amanah_probe()",
        "CREATE FUNCTION amanah.amanah_probe() RETURNS text LANGUAGE sql AS 'SELECT NULL'",
    ),
    owners(
        "AM232",
        "{here}.ruled, rule probe",
        "CREATE TABLE plain ({col} text NOT NULL); CREATE TABLE ruled (p_n int);
         GRANT UPDATE ON ruled TO {app};
         CREATE RULE probe AS ON UPDATE TO ruled DO INSTEAD SELECT * FROM plain",
    ),
    owners(
        "AM241",
        "{here}.below, trigger probe",
        "CREATE TABLE below ({col} text NOT NULL, p_of int,
             FOREIGN KEY ({col}, p_of) REFERENCES base ON DELETE CASCADE);
         CREATE FUNCTION acting() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM FROM base; RETURN OLD; END';
         CREATE TRIGGER probe BEFORE DELETE ON below FOR EACH ROW EXECUTE FUNCTION acting();
         GRANT DELETE ON base TO {app}",
    ),
    owners(
        "AM242",
        "{here}.below, column p_made",
        "CREATE FUNCTION bodies(int) RETURNS text LANGUAGE sql IMMUTABLE
             AS 'SELECT max(p_body) FROM amanah_probe_rules.base';
         CREATE TABLE below ({col} text NOT NULL, p_of int,
             p_made text GENERATED ALWAYS AS (bodies(p_of)) STORED,
             FOREIGN KEY ({col}, p_of) REFERENCES base ON DELETE SET NULL (p_of));
         GRANT DELETE ON base TO {app}",
    ),
    owners(
        "AM301",
        "{here}.pointing",
        "CREATE TABLE named ({col} text NOT NULL, p_n int PRIMARY KEY);
         CREATE TABLE pointing ({col} text NOT NULL, p_to int REFERENCES named);
         GRANT INSERT ON pointing TO {app}",
    ),
    owners(
        "AM302",
        "{here}.pointing, foreign key probe",
        "CREATE TABLE nameless (p_of text NOT NULL, p_to int NOT NULL, p_n int PRIMARY KEY,
             FOREIGN KEY (p_of, p_to) REFERENCES base);
         CREATE TABLE pointing ({col} text NOT NULL, p_to int CONSTRAINT probe REFERENCES nameless)",
    ),
    owners(
        "AM303",
        "{here}.plain",
        "CREATE TABLE plain ({col} text NOT NULL, p_mail text UNIQUE);
         GRANT INSERT ON plain TO {app}",
    ),
    owners(
        "AM304",
        "{here}.plain, index probe",
        "CREATE TABLE plain ({col} text NOT NULL, p_mail text);
         CREATE UNIQUE INDEX probe ON plain (lower(p_mail)); GRANT INSERT ON plain TO {app}",
    ),
    owners(
        "AM305",
        "{here}.pointing, foreign key probe",
        "CREATE TABLE shared (p_code text PRIMARY KEY); GRANT DELETE ON shared TO {app};
         CREATE TABLE pointing ({col} text NOT NULL, p_code text CONSTRAINT probe REFERENCES shared
             ON DELETE CASCADE)",
    ),
    owners(
        "AM306",
        "{here}.counted",
        "CREATE SEQUENCE counted; GRANT SELECT ON SEQUENCE counted TO {app}",
    ),
    owners(
        "AM307",
        "{here}.numbers",
        "CREATE SEQUENCE numbers; GRANT UPDATE ON SEQUENCE numbers TO {app}",
    ),
    owners("AM401", "{here}.base", "GRANT TRUNCATE ON base TO {app}"),
    owners(
        "AM402",
        "tables of {owner} in schema {here}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {here} GRANT ALL ON TABLES TO {app}",
    ),
    owners("AM403", "schema {here}", "GRANT CREATE ON SCHEMA {here} TO {app}"),
    owners("AM404", "database {db}", "GRANT CREATE ON DATABASE {db} TO {app}"),
    owners("AM405", "database {db}", "GRANT TEMPORARY ON DATABASE {db} TO PUBLIC"),
    owners(
        "AM406",
        "schema {role}",
        "CREATE SCHEMA {role}; GRANT CREATE ON SCHEMA {role} TO {app}",
    ),
    above(
        "AM411",
        "pg_catalog.pg_stat_activity",
        "GRANT SELECT ON pg_catalog.pg_stat_activity TO {app}",
    ),
    above(
        "AM412",
        "pg_catalog.pg_terminate_backend(integer,bigint)",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(integer, bigint) TO PUBLIC",
    ),
    above(
        "AM414",
        "advisory locks",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO {app}",
    ),
    above(
        "AM415",
        "sizes and counters",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_relation_size(regclass, text) TO {app}",
    ),
    above(
        "AM421",
        "pg_catalog.lo_create(oid)",
        "GRANT EXECUTE ON FUNCTION pg_catalog.lo_create(oid) TO {app}",
    ),
    above(
        "AM422",
        "large object 424242",
        "SELECT pg_catalog.lo_create(424242); GRANT SELECT ON LARGE OBJECT 424242 TO {app}",
    ),
    above("AM441", "role {role}", "CREATE ROLE {role} LOGIN BYPASSRLS IN ROLE {app}"),
    above("AM442", "role {role}", "CREATE ROLE {role} LOGIN IN ROLE {app}, {owner}"),
    above("AM443", "role {role}", "CREATE ROLE {role} LOGIN REPLICATION IN ROLE {app}"),
    above(
        "AM444",
        "setting session_replication_role",
        "{alone}; CREATE ROLE {role} LOGIN IN ROLE {app};
         GRANT SET ON PARAMETER session_replication_role TO {role}",
    ),
    above(
        "AM445",
        "pg_catalog.pg_authid",
        "CREATE ROLE {role} LOGIN IN ROLE {app}; GRANT SELECT ON pg_catalog.pg_authid TO {role}",
    ),
    above("AM446", "role {role}", "CREATE ROLE {role} LOGIN BYPASSRLS"),
    above(
        "AM447",
        "role {role}, setting statement_timeout",
        "CREATE ROLE {role} LOGIN IN ROLE {app}; ALTER ROLE {role} SET statement_timeout = '1ms'",
    ),
    owners("AM511", "publication {here}", "CREATE PUBLICATION {here} FOR TABLE base"),
    above(
        "AM512",
        "{here}.far",
        "CREATE FOREIGN DATA WRAPPER {here}; CREATE SERVER {here} FOREIGN DATA WRAPPER {here};
         CREATE FOREIGN TABLE far (p_body text) SERVER {here}; GRANT SELECT ON far TO {app}",
    ),
    above(
        "AM513",
        "server {here}",
        "CREATE FOREIGN DATA WRAPPER {here}; CREATE SERVER {here} FOREIGN DATA WRAPPER {here};
         GRANT USAGE ON FOREIGN SERVER {here} TO {app}",
    ),
];
