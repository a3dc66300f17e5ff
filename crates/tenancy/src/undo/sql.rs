//! The statements of undoing: they read what can be changed, and the journal of what was.

/// The state of what a plan's steps can change, for the relations with the labels `$1`, and of
/// every right on schemas, on the database and by default: kind, schema, name, part, number of the
/// relation, state, whether it is a partition. With an empty `search_path` each name in an
/// expression is printed with its schema.
pub(super) const STATES: &str = "
WITH rel AS (
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind,
           c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relacl,
           c.relowner
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
       AND n.nspname::text || '.' || c.relname::text = ANY ($1::text[])
), item AS (
    SELECT 'acl' AS kind, r.schema, r.name, '' AS part, r.oid AS relation, r.relispartition,
           COALESCE(r.relacl, CASE r.relkind WHEN 'S' THEN pg_catalog.acldefault('s', r.relowner)
                              ELSE pg_catalog.acldefault('r', r.relowner) END) AS acl
      FROM rel r
    UNION ALL
    SELECT 'acl', r.schema, r.name, a.attname::text, r.oid, r.relispartition, a.attacl
      FROM rel r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
     WHERE a.attnum > 0 AND a.attacl IS NOT NULL
    UNION ALL
    SELECT 'schema acl', '', n.nspname::text, '', NULL, false,
           COALESCE(n.nspacl, pg_catalog.acldefault('n', n.nspowner))
      FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('amanah', 'amanah_guard', 'audit')
    UNION ALL
    SELECT 'database acl', '', d.datname::text, '', NULL, false,
           COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))
      FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'default acl', COALESCE(n.nspname::text, ''),
           pg_catalog.pg_get_userbyid(f.defaclrole)::text, f.defaclobjtype::text, NULL, false,
           f.defaclacl
      FROM pg_catalog.pg_default_acl f
      LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.defaclnamespace
     WHERE f.defaclobjtype IN ('r', 'S')
)
SELECT 'row security', schema, name, '', oid,
       pg_catalog.json_build_object('enabled', relrowsecurity, 'forced', relforcerowsecurity)::text,
       relispartition
  FROM rel WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'policy', r.schema, r.name, p.polname::text, r.oid,
       pg_catalog.json_build_object('permissive', p.polpermissive, 'command', p.polcmd::text,
           'roles', ARRAY(SELECT CASE WHEN u = 0 THEN NULL
                                      ELSE pg_catalog.pg_get_userbyid(u)::text END
                            FROM pg_catalog.unnest(p.polroles) u ORDER BY 1),
           'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
           'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
           'comment', pg_catalog.obj_description(p.oid, 'pg_policy'))::text, r.relispartition
  FROM rel r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'not null', r.schema, r.name, a.attname::text, r.oid, a.attnotnull::text, r.relispartition
  FROM rel r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
 WHERE r.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'default', r.schema, r.name, a.attname::text, r.oid,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), r.relispartition
  FROM rel r
  JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attgenerated = ''
  JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
 WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint', r.schema, r.name, k.conname::text, r.oid,
       pg_catalog.json_build_object('type', k.contype::text,
           'definition', pg_catalog.pg_get_constraintdef(k.oid),
           'comment', pg_catalog.obj_description(k.oid, 'pg_constraint'))::text, r.relispartition
  FROM rel r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
 WHERE k.contype IN ('f', 'u') AND k.conparentid = 0 AND k.conislocal
UNION ALL
SELECT 'options', r.schema, r.name, '', r.oid, pg_catalog.to_json(r.reloptions)::text, false
  FROM rel r WHERE r.relkind = 'v' AND r.reloptions IS NOT NULL
UNION ALL
SELECT i.kind, i.schema, i.name, i.part, i.relation,
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                   CASE WHEN x.grantee = 0 THEN NULL
                        ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
                   pg_catalog.pg_get_userbyid(x.grantor)::text, x.privilege_type, x.is_grantable)
                   ORDER BY x.grantee, x.grantor, x.privilege_type)
          FROM pg_catalog.aclexplode(i.acl) x)::text, i.relispartition
  FROM item i";

/// The rights that only a superuser changes, as [`STATES`] has them: on the relations, functions and
/// parameters of PostgreSQL's own that are named in `$1`, and on the database.
pub(super) const PRIVILEGED_STATES: &str = "
WITH item AS (
    SELECT 'acl' AS kind, c.relname::text AS name, c.oid AS relation,
           COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner)) AS acl
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
       AND c.relname::text = ANY ($1::text[])
    UNION ALL
    SELECT 'function acl',
           p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
           NULL, COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))
      FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind = 'f'
       AND p.proname::text = ANY ($1::text[])
    UNION ALL
    SELECT 'database acl', d.datname::text, NULL,
           COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))
      FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'parameter acl', s.name, NULL,
           COALESCE((SELECT p.paracl FROM pg_catalog.pg_parameter_acl p WHERE p.parname = s.name),
                    pg_catalog.acldefault('p', 10))
      FROM pg_catalog.pg_settings s WHERE s.name = ANY ($1::text[])
)
SELECT i.kind,
       CASE WHEN i.kind IN ('database acl', 'parameter acl') THEN '' ELSE 'pg_catalog' END,
       i.name, '',
       i.relation,
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                   CASE WHEN x.grantee = 0 THEN NULL
                        ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
                   pg_catalog.pg_get_userbyid(x.grantor)::text, x.privilege_type, x.is_grantable)
                   ORDER BY x.grantee, x.grantor, x.privilege_type)
          FROM pg_catalog.aclexplode(i.acl) x)::text, false
  FROM item i";

/// Whether the owner's journal is there.
pub(super) const HAS_JOURNAL: &str =
    "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'amanah' AND c.relname = 'journal' AND c.relkind = 'r'";

/// Whether the superuser's journal is there and nobody else could have written it.
pub(super) const HAS_VAULT: &str =
    "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'amanah_guard' AND c.relname = 'journal' AND c.relkind = 'r'
        AND n.nspowner = current_user::pg_catalog.regrole
        AND c.relowner = n.nspowner AND NOT c.relhastriggers AND NOT c.relhasrules";

/// Whether anything guards the database that only a superuser may switch off.
pub(super) const GUARDED: &str =
    "SELECT FROM pg_catalog.pg_event_trigger e WHERE starts_with(e.evtname::text, 'amanah_')
      LIMIT 1";

/// What a journal's rows say of relations that have another name by now is said of that name.
pub(super) const FOLLOW: &str = "
UPDATE amanah.journal j SET schema = n.nspname::text, name = c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = j.relation
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o
                     JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
                    WHERE s.nspname::text = j.schema AND o.relname::text = j.name)";

/// Tables with policies of ours that no journal knows, where there is a journal: schema, name, those
/// policies, whether there are others, columns that the binding fills.
pub(super) const LATER: &str = "
SELECT n.nspname::text, c.relname::text,
       ARRAY(SELECT p.polname::text FROM pg_catalog.pg_policy p
              WHERE p.polrelid = c.oid AND p.polname ~ '^amanah_' ORDER BY 1),
       EXISTS (SELECT FROM pg_catalog.pg_policy p
                WHERE p.polrelid = c.oid AND p.polname !~ '^amanah_'),
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_attrdef d
               JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
              WHERE d.adrelid = c.oid
                AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%amanah.current_tenant()%'
              ORDER BY 1)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relrowsecurity
   AND EXISTS (SELECT FROM amanah.journal)
   AND EXISTS (SELECT FROM pg_catalog.pg_policy p
                WHERE p.polrelid = c.oid AND p.polname = 'amanah_select')
   AND NOT EXISTS (SELECT FROM amanah.journal j
                    WHERE j.kind = 'policy' AND j.schema = n.nspname::text
                      AND j.name = c.relname::text)
 ORDER BY c.relispartition DESC, 1, 2";

/// In which other databases that are no sandboxes one of the roles `$1` owns functions; no row where
/// there is none.
pub(super) const ELSEWHERE: &str = "
SELECT pg_catalog.string_agg(DISTINCT d.datname::text, ', ')
  FROM pg_catalog.pg_shdepend s
  JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid
  JOIN pg_catalog.pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'o'
   AND s.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND r.rolname::text = ANY ($1::text[])
   AND d.datname <> pg_catalog.current_database()
   AND NOT pg_catalog.starts_with(d.datname::text, 'amanah_sandbox_')
HAVING pg_catalog.count(*) > 0";

/// Whether the role `$2` itself was given the right to set the parameter `$1`, and is no superuser.
pub(super) const HOLDS: &str = "
SELECT FROM pg_catalog.pg_parameter_acl p
 CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) x
  JOIN pg_catalog.pg_roles r ON r.oid = x.grantee AND NOT r.rolsuper
 WHERE p.parname = $1 AND r.rolname::text = $2 AND x.privilege_type = 'SET' LIMIT 1";

/// Roles that exist, out of `$1`.
pub(super) const ROLES: &str =
    "SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1::text[])";

/// Whether the role `$1` has a right over the server that no application's role is made with.
pub(super) const POWERFUL: &str =
    "SELECT r.rolsuper OR r.rolreplication OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls
       FROM pg_catalog.pg_roles r WHERE r.rolname::text = $1";
