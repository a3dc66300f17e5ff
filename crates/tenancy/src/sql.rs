//! This crate's statements that do not depend on a table: they read the catalogue.

/// Puts a key into `amanah.binding_key`: name, inner pad, outer pad, from, until.
pub(crate) const INSTALL_KEY: &str = "
INSERT INTO amanah.binding_key (kid, inner_pad, outer_pad, not_before, not_after)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kid) DO UPDATE
   SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad,
       not_before = least(binding_key.not_before, excluded.not_before),
       not_after = excluded.not_after";

/// Who plans: the database, the login, whether row security does not bind it.
pub(crate) const SELF: &str = "
SELECT current_database()::text, current_user::text, r.rolsuper OR r.rolbypassrls
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// The application's role `$1`: whether row security does not bind it, whether it has the rights
/// of the current user.
pub(crate) const APP_ROLE: &str = "
SELECT r.rolsuper OR r.rolbypassrls,
       pg_catalog.pg_has_role(r.oid, current_user::regrole, 'MEMBER')
  FROM pg_catalog.pg_roles r WHERE r.rolname = $1";

/// What `store`'s shape leaves out, for every table: schema, name, owner, whether it is ours,
/// whether it is partitioned.
pub(crate) const TABLES: &str = "
SELECT n.nspname::text, c.relname::text, pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relkind = 'p'
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')";

/// Columns whose collation calls different texts equal: schema, table, column.
pub(crate) const LENIENT: &str = "
SELECT n.nspname::text, c.relname::text, a.attname::text
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
 WHERE NOT k.collisdeterministic AND a.attnum > 0 AND NOT a.attisdropped";

/// Columns that an index begins with: schema, table, column.
pub(crate) const LEADING: &str = "
SELECT DISTINCT n.nspname::text, c.relname::text, a.attname::text
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
 WHERE i.indpred IS NULL AND n.nspname !~ '^pg_'";

/// Policies: schema, table, name, permissive, command, USING, WITH CHECK, for everybody.
pub(crate) const POLICIES: &str = "
SELECT n.nspname::text, c.relname::text, p.polname::text, p.polpermissive, p.polcmd::text,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid),
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
       p.polroles = '{0}'
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

/// Rights that reach past row security, held by role `$1` or a role that it belongs to or
/// everybody (empty): schema, relation, kind, right, grantee.
pub(crate) const RIGHTS: &str = "
SELECT n.nspname::text, c.relname::text, c.relkind::text, x.privilege_type,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'amanah', 'audit')
   AND x.grantee <> c.relowner
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
   AND (c.relkind IN ('r', 'p') AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
        OR c.relkind = 'm')
 ORDER BY 1, 2, 5, 4";

/// Who may make objects in a schema, as [`RIGHTS`]: schema, grantee, whether it is ours.
pub(crate) const MAKERS: &str = "
SELECT n.nspname::text,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
       pg_catalog.pg_has_role(n.nspowner, 'USAGE')
  FROM pg_catalog.pg_namespace n
 CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) x
 WHERE x.privilege_type = 'CREATE' AND x.grantee <> n.nspowner
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
 ORDER BY 1, 2";

/// Which views read which tables, through other views too: schema, view, kind, whether it reads
/// with its reader's rights, whether its owner is not bound by row security, whether we may alter
/// it, schema and name of the table, whether `$1` may read the view, whether it may read the table.
pub(crate) const VIEWS: &str = "
WITH RECURSIVE reads AS (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
), closure AS (
    SELECT view, relation FROM reads
    UNION
    SELECT c.view, r.relation FROM closure c JOIN reads r ON r.view = c.relation
)
SELECT vn.nspname::text, v.relname::text, v.relkind::text,
       COALESCE((SELECT o.option_value::boolean
                   FROM pg_catalog.pg_options_to_table(v.reloptions) o
                  WHERE o.option_name = 'security_invoker'), false),
       w.rolsuper OR w.rolbypassrls,
       pg_catalog.pg_has_role(v.relowner, 'USAGE'),
       tn.nspname::text, t.relname::text,
       pg_catalog.has_schema_privilege($1, vn.oid, 'USAGE')
           AND pg_catalog.has_any_column_privilege($1, v.oid, 'SELECT'),
       pg_catalog.has_any_column_privilege($1, t.oid, 'SELECT')
  FROM closure c
  JOIN pg_catalog.pg_class v ON v.oid = c.view AND v.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
  JOIN pg_catalog.pg_roles w ON w.oid = v.relowner
  JOIN pg_catalog.pg_class t ON t.oid = c.relation AND t.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
 WHERE vn.nspname !~ '^pg_' AND vn.nspname NOT IN ('information_schema', 'amanah', 'audit')
 ORDER BY 1, 2, 7, 8";

/// Functions that `$1` may call and that run with the rights of an owner: schema, signature, owner,
/// whether row security does not bind that owner. Extensions' functions are left out.
pub(crate) const DEFINERS: &str = "
SELECT n.nspname::text,
       p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
       w.rolname::text, w.rolsuper OR w.rolbypassrls
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_roles w ON w.oid = p.proowner
 WHERE p.prosecdef
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'amanah', 'audit')
   AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
   AND pg_catalog.has_function_privilege($1, p.oid, 'EXECUTE')
   AND pg_catalog.has_schema_privilege($1, n.oid, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
 ORDER BY 1, 2";

/// What sessions of `$1` share whatever their tenants are: the view of their statements, the two
/// functions behind it, the right to make large objects, and large objects.
pub(crate) const SHARES: &str = "
SELECT pg_catalog.has_table_privilege($1, 'pg_catalog.pg_stat_activity', 'SELECT'),
       pg_catalog.has_function_privilege($1, 'pg_catalog.pg_stat_get_activity(integer)',
                                         'EXECUTE'),
       pg_catalog.has_function_privilege($1,
           'pg_catalog.pg_stat_get_backend_activity(integer)', 'EXECUTE'),
       pg_catalog.has_function_privilege($1, 'pg_catalog.lo_create(oid)', 'EXECUTE')
           OR pg_catalog.has_function_privilege($1, 'pg_catalog.lo_creat(integer)', 'EXECUTE')
           OR pg_catalog.has_function_privilege($1, 'pg_catalog.lo_from_bytea(oid, bytea)',
                                                'EXECUTE'),
       EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)";

/// What `$1` may do with the columns of every table: schema, table, column, select, insert, update.
/// A column that is always generated takes no value, whatever the rights.
pub(crate) const COLUMN_RIGHTS: &str = "
SELECT n.nspname::text, c.relname::text, a.attname::text,
       pg_catalog.has_column_privilege($1, c.oid, a.attnum, 'SELECT'),
       pg_catalog.has_column_privilege($1, c.oid, a.attnum, 'INSERT')
           AND a.attidentity <> 'a' AND a.attgenerated = '',
       pg_catalog.has_column_privilege($1, c.oid, a.attnum, 'UPDATE')
           AND a.attidentity <> 'a' AND a.attgenerated = ''
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'amanah', 'audit')";
