//! Violations about who the application is, as [`SEEDS`](super::seeds::SEEDS).

use super::seeds::{Seed, seed};

pub(super) const ROLES: &[Seed] = &[
    seed("AM441", "role {app}", "SET LOCAL ROLE NONE; ALTER ROLE {app} BYPASSRLS"),
    seed(
        "AM441",
        "role {app}",
        "SET LOCAL ROLE NONE; CREATE ROLE {y} BYPASSRLS; GRANT {y} TO {app}",
    ),
    // A login of the application's beside its role.
    seed(
        "AM441",
        "role {y}",
        "SET LOCAL ROLE NONE; CREATE ROLE {x} IN ROLE {app}; CREATE ROLE {y} LOGIN BYPASSRLS IN ROLE {x}",
    ),
    seed("AM442", "role {y}", "SET LOCAL ROLE NONE; CREATE ROLE {y} LOGIN IN ROLE {app}, {owner}"),
    seed(
        "AM443",
        "role {y}",
        "SET LOCAL ROLE NONE; CREATE ROLE {y} LOGIN REPLICATION IN ROLE {app}",
    ),
    seed(
        "AM444",
        "setting session_replication_role",
        // The parameter has one row for the whole cluster; see `form::ONE_AT_A_TIME`.
        "SET LOCAL ROLE NONE; LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE;
         CREATE ROLE {y} LOGIN IN ROLE {app};
         GRANT SET ON PARAMETER session_replication_role TO {y}",
    ),
    seed(
        "AM445",
        "pg_catalog.pg_authid",
        "SET LOCAL ROLE NONE; CREATE ROLE {y} LOGIN IN ROLE {app};
         GRANT SELECT ON pg_catalog.pg_authid TO {y}",
    ),
    seed("AM442", "role {app}", "SET LOCAL ROLE NONE; GRANT {owner} TO {app}"),
    seed("AM442", "role {app}", "SET LOCAL ROLE NONE; ALTER TABLE base OWNER TO {app}"),
    seed("AM443", "role {app}", "SET LOCAL ROLE NONE; GRANT pg_read_server_files TO {app}"),
    seed("AM443", "role {app}", "SET LOCAL ROLE NONE; ALTER ROLE {app} CREATEROLE"),
    seed(
        "AM444",
        "setting session_replication_role",
        "SET LOCAL ROLE NONE; LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE;
         GRANT SET ON PARAMETER session_replication_role TO {app}",
    ),
    seed(
        "AM445",
        "pg_catalog.pg_statistic",
        "SET LOCAL ROLE NONE; GRANT SELECT ON pg_catalog.pg_statistic TO PUBLIC",
    ),
    seed(
        "AM445",
        "pg_catalog.pg_read_file(text)",
        "SET LOCAL ROLE NONE; GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO {app}",
    ),
    seed("AM446", "role {y}", "SET LOCAL ROLE NONE; CREATE ROLE {y} LOGIN BYPASSRLS"),
    seed(
        "AM447",
        "role {app}, setting statement_timeout",
        "SET LOCAL ROLE NONE; ALTER ROLE {app} SET statement_timeout = '1ms'",
    ),
    seed(
        "AM447",
        "role {y}, setting row_security here",
        "SET LOCAL ROLE NONE; CREATE ROLE {y} LOGIN IN ROLE {app};
         ALTER ROLE {y} IN DATABASE {db} SET row_security = off",
    ),
];
