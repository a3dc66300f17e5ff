//! The statements about what is asked of the recording, what of it was approved, and what would lead it
//! astray.

/// What comments ask of the recording: schema, table, column or nothing, what is asked; whether the
/// table can be written through others or by a subscription; and whether the column is in its key.
/// Temporary tables are their session's own affair, whatever it writes on them.
pub(crate) const ASKED: &str = "
SELECT n.nspname::text, c.relname::text, coalesce(a.attname::text, ''),
       (pg_catalog.regexp_match(d.description, '@audit[(]([^)]*)[)]'))[1],
       c.relkind = 'p'
       OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid))
       OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid),
       coalesce(a.attnum = ANY (p.indkey::pg_catalog.int2[]), false)
  FROM pg_catalog.pg_description d
  JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND c.relkind IN ('r', 'p')
       AND c.relpersistence <> 't'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
        AND d.objsubid > 0
  LEFT JOIN pg_catalog.pg_index p ON p.indrelid = c.oid AND p.indisprimary
 WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.description ~ '@audit[(]'
 ORDER BY 1, 2, d.objsubid";

/// Which columns may be hidden, as somebody has approved: schema, table, how, column.
pub(crate) const APPROVED: &str = "
SELECT n.nspname::text, c.relname::text, h.how, h.column_name
  FROM audit.hidden_columns h
  JOIN pg_catalog.pg_class c ON c.oid = h.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = h.attnum
       AND a.attname = h.column_name AND NOT a.attisdropped";

/// Whether columns can be approved here: a row, or none.
pub(crate) const APPROVES: &str = "SELECT FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'audit' AND c.relname = 'hidden_columns'";

/// How the rows of tables print: schema, table, what `form` says, which is the
/// text of `audit.printed_form`, since the plan may come before the trail.
pub(crate) fn printed_forms(form: &str) -> String {
    let form = form.replace("= relation", "= c.oid");
    format!(
        "SELECT n.nspname::text, c.relname::text, f.form FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          CROSS JOIN LATERAL (SELECT ({form}) AS form) f
          WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
            AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
    )
}

/// Casts to JSON by a function that is not PostgreSQL's own and not in C, which a superuser makes.
pub(crate) const CASTS: &str = "
SELECT pg_catalog.format('%s AS %s', k.castsource::pg_catalog.regtype,
                         k.casttarget::pg_catalog.regtype)
  FROM pg_catalog.pg_cast k
  JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE k.casttarget IN ('pg_catalog.json'::pg_catalog.regtype,
                        'pg_catalog.jsonb'::pg_catalog.regtype)
   AND l.lanname NOT IN ('internal', 'c')
 ORDER BY 1";

/// Partitions without a copy of the trigger for rows that their parent has.
pub(crate) const UNCOPIED: &str = "
WITH rows (place) AS (
    SELECT t.tgrelid FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'global_track_changes'
      JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace AND f.nspname = 'audit'
     WHERE t.tgname = 'amanah_audit_row'
)
SELECT n.nspname || '.' || c.relname
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent IN (SELECT place FROM rows) AND c.oid NOT IN (SELECT place FROM rows)
 ORDER BY 1";

/// Whether `audit.cipher`, a row `p` of `pg_proc`, is what we make: out of pgcrypto's library, or a call
/// of the extension where that is now.
macro_rules! own_cipher {
    () => {
        "CASE WHEN p.prolang = (SELECT l.oid FROM pg_catalog.pg_language l WHERE l.lanname = 'c')
              THEN p.probin = '$libdir/pgcrypto' AND p.prosrc = 'pg_encrypt_iv'
              ELSE p.prosrc IS NOT DISTINCT FROM (
                   SELECT pg_catalog.format('SELECT %I.encrypt_iv($1, $2, $3, $4)', s.nspname)
                     FROM pg_catalog.pg_extension e
                     JOIN pg_catalog.pg_namespace s ON s.oid = e.extnamespace
                    WHERE e.extname = 'pgcrypto') END"
    };
}

/// Whether values can be encrypted here, and whether the server has what that takes.
pub(crate) const CIPHER: &str = concat!(
    "
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
                WHERE p.proname = 'cipher' AND ",
    own_cipher!(),
    "),
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions e WHERE e.name = 'pgcrypto')"
);

/// Whether `audit.cipher` is something else than we make: a row, or none.
pub(crate) const CIPHER_CHANGED: &str = concat!(
    "
SELECT FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
 WHERE p.proname = 'cipher' AND NOT (NOT p.prosecdef AND p.proconfig IS NULL AND ",
    own_cipher!(),
    ")"
);

/// Lets an owner who keeps the trail by himself have pgcrypto, where it is not in this database yet. A
/// superuser needs none.
pub(crate) const PGCRYPTO: &str = "DO $$ BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
        CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;
    END IF;
    END $$;";

/// Whether the trail has a place for keys.
pub(crate) const KEEPS_KEYS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'audit' AND c.relname = 'cipher_key')";

/// Whether the values of any column are to be encrypted here: a row, or none.
pub(crate) const ENCRYPTS: &str =
    "SELECT FROM audit.hidden_columns h WHERE h.how = 'encrypted' LIMIT 1";

/// The keys that lie in the database, the newest first: number, key, the inner half of the HMAC.
pub(crate) const CIPHER_KEYS: &str =
    "SELECT k.number, k.key, k.inside FROM audit.cipher_key k ORDER BY k.number DESC";

/// Takes former keys out.
pub(crate) const FORGET_CIPHER_KEYS: &str = "DELETE FROM audit.cipher_key WHERE number <> $1";

/// Puts the key in: number, key, the halves of the HMAC.
pub(crate) const KEEP_CIPHER_KEY: &str = "
INSERT INTO audit.cipher_key (number, key, inside, outside) VALUES ($1, $2, $3, $4)
    ON CONFLICT (number) DO UPDATE SET key = $2, inside = $3, outside = $4";
