//! Statements of the controls alone: who could reach the trail, and who reads it.

use store::Tx;

use super::LISTED;
use crate::Result;

/// Whether a superuser keeps the trail and the schema that it lies in.
pub(crate) const KEPT_ABOVE: &str = "
SELECT t.rolsuper AND s.rolsuper
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_roles t ON t.oid = c.relowner
  JOIN pg_catalog.pg_roles s ON s.oid = n.nspowner
 WHERE c.oid = 'audit.system_audit_logs'::regclass AND c.relkind = 'p'";

/// What a role has that leads to the trail: whether it is a superuser, whether it may make roles,
/// and which of the trail's keepers it is a member of. Also for those who may not enter the schema.
pub(crate) const REACH: &str = "
SELECT r.rolsuper, r.rolcreaterole,
       ARRAY(SELECT DISTINCT k.rolname::text
               FROM pg_catalog.pg_roles k
              WHERE k.oid <> r.oid AND NOT r.rolsuper
                AND pg_catalog.pg_has_role(r.oid, k.oid, 'MEMBER')
                AND k.oid IN (
                    SELECT c.relowner FROM pg_catalog.pg_class c
                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'audit' AND c.relname = 'system_audit_logs'
                    UNION
                    SELECT p.proowner FROM pg_catalog.pg_proc p
                      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                     WHERE n.nspname = 'audit'
                    UNION
                    SELECT e.oid FROM pg_catalog.pg_roles e
                     WHERE e.rolname = 'amanah_trail_eraser')
              ORDER BY 1)
  FROM pg_catalog.pg_roles r WHERE r.rolname = $1";

/// Who may read the trail without a record, or could: object, what. `$1` owns the application's
/// tables, and its policy shows it what its own transaction has left.
pub(crate) const READERS: &str = "
WITH tree AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS label, c.relacl, c.relowner, c.relrowsecurity,
           c.relforcerowsecurity
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = 'audit.system_audit_logs'::regclass
        OR c.oid IN (SELECT i.inhrelid FROM pg_catalog.pg_inherits i
                      WHERE i.inhparent = 'audit.system_audit_logs'::regclass)
), policy AS (
    SELECT p.polrelid, p.polname::text AS name, p.polcmd::text AS of,
           ARRAY(SELECT coalesce(r.rolname::text, 'PUBLIC') FROM pg_catalog.unnest(p.polroles) m
                   LEFT JOIN pg_catalog.pg_roles r ON r.oid = m) AS roles,
           coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') AS shows,
           coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS takes
      FROM pg_catalog.pg_policy p
), wanted (name, of, roles, shows, takes) AS (VALUES
    ('recording', 'a', ARRAY['PUBLIC'], '', 'true'),
    ('sealing', 'r', ARRAY['amanah_trail_reader'], 'true', ''),
    ('reading', 'r', ARRAY['amanah_trail_desk'], 'true', ''),
    ('proving', 'r', ARRAY[$1::text], '((xid = pg_current_xact_id_if_assigned()) AND (event_timestamp'
        || ' >= transaction_timestamp()) AND (db_user = (SESSION_USER)::text))', ''),
    ('erasing', '*', ARRAY['amanah_trail_erasing'], 'true', 'true')
)
SELECT t.label, 'its row-level security is off, or its owner is exempt' FROM tree t
 WHERE NOT t.relrowsecurity OR NOT t.relforcerowsecurity
UNION ALL
SELECT t.label, 'the policy ' || p.name || ' is none of its own' FROM tree t JOIN policy p
    ON p.polrelid = t.oid
 WHERE t.oid <> 'audit.system_audit_logs'::regclass
    OR NOT EXISTS (SELECT FROM wanted w WHERE (w.name, w.of, w.roles, w.shows, w.takes) =
                                              (p.name, p.of, p.roles, p.shows, p.takes))
UNION ALL
SELECT t.label, CASE a.grantee WHEN 0 THEN 'everybody'
                ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END || ' may read it without a record'
  FROM tree t, pg_catalog.aclexplode(t.relacl) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.privilege_type = 'SELECT' AND a.grantee <> t.relowner
   AND coalesce(r.rolname::text, '') NOT IN
       ('amanah_trail_reader', 'amanah_trail_desk', 'amanah_trail_erasing', $1)
UNION ALL
SELECT 'audit.' || p.proname, CASE a.grantee WHEN 0 THEN 'everybody'
       ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END || ' may call it'
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   AND n.nspname = 'audit', pg_catalog.aclexplode(p.proacl) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE p.proname IN ('ask', 'count', 'read', 'asked', 'record_reading', 'recorded_reading')
   AND a.grantee <> p.proowner AND NOT coalesce(r.rolsuper, false)
   AND coalesce(r.rolname::text, '') <> ALL (CASE WHEN p.proname IN ('ask', 'count', 'read')
       THEN ARRAY['amanah_admin', 'amanah_auditor'] ELSE ARRAY['amanah_trail_desk'] END)
UNION ALL
SELECT 'audit.system_audit_logs', pg_catalog.pg_get_userbyid(m.member)::text || ' is a member of '
       || k.rolname || ', and reads without a record'
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles k ON k.oid = m.roleid
   AND k.rolname IN ('amanah_trail_reader', 'amanah_trail_desk', 'amanah_trail_erasing')
  JOIN pg_catalog.pg_roles r ON r.oid = m.member AND NOT r.rolsuper
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
 -- Anybody who makes roles can give one this name, and nobody else's grant says that a superuser made it.
 WHERE k.rolname <> 'amanah_trail_reader' OR NOT coalesce(g.rolsuper, false)
    OR NOT pg_catalog.starts_with(r.rolname::text, 'amanah_reader_')
UNION ALL
SELECT n.nspname || '.' || p.proname, 'it runs with the rights of ' || r.rolname
       || ', who may ask for the trail'
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner AND NOT r.rolsuper AND r.rolname <> $1
 WHERE p.prosecdef
   AND EXISTS (SELECT FROM pg_catalog.pg_roles k
                WHERE k.rolname IN ('amanah_admin', 'amanah_auditor')
                  AND pg_catalog.pg_has_role(r.oid, k.oid, 'MEMBER'))
UNION ALL
SELECT 'audit.system_audit_logs', r.rolname::text || ' passes by row-level security (BYPASSRLS)'
  FROM pg_catalog.pg_roles r
 WHERE r.rolbypassrls AND NOT r.rolsuper
   AND (r.rolname = $1 OR pg_catalog.pg_has_role(r.oid, $1::text::name, 'USAGE')
        OR pg_catalog.pg_has_role(r.oid, 'pg_read_all_data', 'USAGE'))
UNION ALL
SELECT 'the database', CASE s.setrole WHEN 0 THEN 'its owner' ELSE 'somebody' END
       || ' has set ' || name || ' for its sessions, which ends recordings and readings, or hides them'
  FROM pg_catalog.pg_db_role_setting s
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) c,
       LATERAL (SELECT pg_catalog.split_part(c, '=', 1), pg_catalog.substr(c,
                       pg_catalog.strpos(c, '=') + 1)) of (name, value)
 WHERE (d.datname = pg_catalog.current_database() AND s.setrole = 0 AND (
        (name = 'row_security' AND value NOT IN ('on', 'true', 'yes', '1'))
     OR (name = 'default_transaction_read_only' AND value NOT IN ('off', 'false', 'no', '0'))
     OR (name = 'statement_timeout' AND value !~ '^0+(ms|s|min|h|d)?$'
         AND value !~ '^([3-9][0-9]|[0-9]{3,})s$|^[1-9][0-9]*(min|h|d)$|^([3-9][0-9]|[0-9]{3,})[0-9]{3}(ms)?$')))
    OR (name = 'session_replication_role' AND value <> 'origin'
        AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database()))
 ORDER BY 1, 2";

/// Logins that can enter every role but a superuser's: those that may make roles, or become one that may,
/// before PostgreSQL 16.
pub(crate) const MAKERS: &str = "
SELECT l.rolname::text FROM pg_catalog.pg_roles l
 WHERE l.rolcanlogin AND NOT l.rolsuper
   AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000
   AND EXISTS (SELECT FROM pg_catalog.pg_roles r
                WHERE r.rolcreaterole AND pg_catalog.pg_has_role(l.oid, r.oid, 'MEMBER'))
 ORDER BY 1";

/// Which logins those are, for people; nothing where there is none.
///
/// # Errors
/// When the catalogue cannot be read.
pub(crate) async fn makers(tx: &Tx) -> Result<Option<String>> {
    let rows = tx.query(MAKERS, &[]).await?;
    let names: Vec<String> = rows.iter().take(LISTED).map(|row| row.get(0)).collect();
    let more = rows.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok((!names.is_empty()).then(|| {
        format!(
            "the logins {}{more} may make roles, so that before PostgreSQL 16 they can enter those of the \
             trail: take CREATEROLE from whoever does not need it",
            names.join(", ")
        )
    }))
}

/// What the row about a reading says, by its ticket: login, whether the filter is `$2`, how many
/// rows, why.
pub(crate) const ABOUT: &str = "
SELECT db_user, new_data -> 'filter' = $2::text::jsonb, new_data ->> 'rows', new_data ->> 'purpose'
  FROM audit.system_audit_logs
 WHERE action = 'READ' AND row_key = pg_catalog.jsonb_build_object('ticket', $1::text)";

/// Whether a role may enter this database.
pub(crate) const ENTERS: &str = "
SELECT pg_catalog.has_database_privilege($1::text::name, pg_catalog.current_database(), 'CONNECT')";

/// Logins that were made for a proof whose run was killed.
pub(crate) const EXPIRED_PROBES: &str = "
SELECT r.rolname::text FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1) AND r.rolvaliduntil < now()";
