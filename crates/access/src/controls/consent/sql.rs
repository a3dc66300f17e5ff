//! What the attack says to the databases: statements, and nothing else. Every value is bound.

/// Parameters: grant, account, actor. As whoever asked, past the service.
pub(super) const APPROVE_AS: &str = "\
    UPDATE access.support_grants SET approved_by = $2::text::uuid, approved_as = $3, approved_at = now(), \
        ends_at = now() + interval '1 hour' WHERE id = $1::text::uuid RETURNING 1";

/// Parameters: tenant, asker, actor, asked at. A question from an hour ago.
pub(super) const ASK_BEFORE: &str = "\
    INSERT INTO access.support_grants (tenant, asked_by, asked_as, ticket, reason, scope, hours, asked_at) \
    VALUES ($1, $2::text::uuid, $3, 'canary', 'a proof', 'ro', 1, $4) RETURNING id::text";

/// Parameters: grant, account, approved at, end.
pub(super) const APPROVE_BEFORE: &str = "\
    UPDATE access.support_grants SET approved_by = $2::text::uuid, approved_as = 'canary', \
        approved_at = $3, ends_at = $4 WHERE id = $1::text::uuid";

/// Parameters: the binding.
pub(super) const BIND: &str = "SELECT amanah.bind($1)";

/// Parameters: actor. One row: how many rows of the trail this transaction wrote.
pub(super) const TRAIL: &str = "\
    SELECT count(*) FROM audit.system_audit_logs WHERE actor_id = $1 AND event_timestamp >= now()";

/// Around a write whose record must still be there afterwards.
pub(super) const BEGIN_TRY: &str = "SAVEPOINT amanah_try";
/// Takes it back.
pub(super) const END_TRY: &str = "ROLLBACK TO SAVEPOINT amanah_try";

/// The savepoint around each attempt takes back what it changed.
pub(super) fn count(table: &str, column: &str) -> String {
    format!("SELECT count(*) FROM {table} WHERE {column}::text = $1")
}

/// Parameters: tenant.
pub(super) fn update(table: &str, column: &str) -> String {
    format!("UPDATE {table} SET {column} = {column} WHERE {column}::text = $1 RETURNING 1")
}

/// Parameters: tenant.
pub(super) fn delete(table: &str, column: &str) -> String {
    format!("DELETE FROM {table} WHERE {column}::text = $1 RETURNING 1")
}

/// Parameters: tenant. A row that says nothing but whose it is: policies are asked before constraints.
/// `sql_type` is the column's.
pub(super) fn insert_bare(table: &str, column: &str, sql_type: &str) -> String {
    format!(
        "INSERT INTO {table} ({column}) OVERRIDING SYSTEM VALUE VALUES (CAST($1::text AS {sql_type})) RETURNING 1"
    )
}

/// Parameters: tenant. `columns` are all that take a value.
pub(super) fn insert(table: &str, column: &str, columns: &str) -> String {
    format!(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE \
         SELECT {columns} FROM {table} WHERE {column}::text = $1 LIMIT 1 RETURNING 1"
    )
}
