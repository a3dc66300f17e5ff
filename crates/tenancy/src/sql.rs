//! This crate's statements that do not depend on a table: they read the catalogue.

/// Puts a key into `amanah.binding_key`: name, inner pad, outer pad, from, until.
pub(crate) const INSTALL_KEY: &str = "
INSERT INTO amanah.binding_key (kid, inner_pad, outer_pad, not_before, not_after)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kid) DO UPDATE
   SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad,
       not_before = least(binding_key.not_before, excluded.not_before),
       not_after = excluded.not_after";

/// Lets the key `$1` end at `$2`.
pub(crate) const END_KEY: &str = "
UPDATE amanah.binding_key SET not_after = $2
 WHERE kid = $1 AND not_after > $2 AND not_before < $2";

/// Removes the keys that have ended at `$1`, by both clocks.
pub(crate) const FORGET_KEYS: &str = "
DELETE FROM amanah.binding_key WHERE not_after <= least($1, pg_catalog.now())";

/// The keys: name, from, until.
pub(crate) const KNOWN_KEYS: &str = "
SELECT kid, greatest(not_before, '0001-01-01'), least(not_after, '9999-01-01')
  FROM amanah.binding_key ORDER BY not_before, kid";

/// The keys that are honoured now or later: name, inner pad, outer pad, until. Whoever puts a key there
/// may have taken the constraints away first.
pub(crate) const HONOURED_KEYS: &str = "
SELECT COALESCE(kid, ''), COALESCE(inner_pad, ''), COALESCE(outer_pad, ''),
       least(not_after, '9999-01-01')
  FROM amanah.binding_key
 WHERE (not_after > pg_catalog.now()) IS NOT FALSE ORDER BY kid";

/// Logins by which other installations than that of the login `$1` attack databases in which the
/// application's role is `$2`; the third word of such a name is the installation's.
pub(crate) const OTHER_INTRUDERS: &str = "
SELECT r.rolname::text FROM pg_catalog.pg_roles r
 WHERE pg_catalog.starts_with(r.rolname::text, 'amanah_intruder_')
   AND pg_catalog.split_part(r.rolname::text, '_', 3) <> pg_catalog.split_part($1::text, '_', 3)
   AND pg_catalog.pg_has_role(r.oid, $2::name, 'MEMBER')
 ORDER BY 1";

/// Whether the current user and the role `$2` may set the parameter `$1`, and the body of
/// `amanah.bind`, if it is there.
pub(crate) const FORM: &str = "
SELECT pg_catalog.has_parameter_privilege($1, 'SET'),
       pg_catalog.has_parameter_privilege($2::name, $1, 'SET'),
       (SELECT p.prosrc FROM pg_catalog.pg_proc p
         WHERE p.oid = pg_catalog.to_regprocedure('amanah.bind(text)'))";

/// Settings that sessions in this database begin with and that name the parameter `$1`, as people
/// name who has them. A login that may not come in does no harm here.
pub(crate) const PRESET: &str = "
SELECT CASE WHEN s.setrole = 0 THEN '' ELSE 'role ' || pg_catalog.pg_get_userbyid(s.setrole)::text
       END
       || CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN ' in ' ELSE '' END
       || CASE WHEN s.setdatabase <> 0 THEN 'database ' || pg_catalog.current_database()::text
               WHEN s.setrole = 0 THEN 'every database' ELSE '' END
  FROM pg_catalog.pg_db_role_setting s
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
   AND (s.setrole = 0 OR pg_catalog.has_database_privilege(s.setrole,
                             pg_catalog.current_database(), 'CONNECT'))
   AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) c
                WHERE pg_catalog.lower(pg_catalog.split_part(c, '=', 1)) = $1)
 ORDER BY 1";

/// Who may set the parameter `$1` and reaches tenants' rows in this database or has functions that
/// others run with its rights: superusers, whoever has the rights of the owner of `amanah.bind`, and
/// the role `$2` with its members left out, when that role may.
pub(crate) const SETTERS: &str = "
SELECT r.rolname::text
  FROM pg_catalog.pg_roles r
 CROSS JOIN pg_catalog.pg_proc b
 WHERE b.oid = pg_catalog.to_regprocedure('amanah.bind(text)')
   AND NOT r.rolsuper
   AND pg_catalog.has_parameter_privilege(r.oid, $1, 'SET')
   AND NOT pg_catalog.pg_has_role(r.oid, b.proowner, 'MEMBER')
   AND NOT (pg_catalog.pg_has_role(r.oid, $2::name, 'MEMBER')
            AND pg_catalog.has_parameter_privilege($2::name, $1, 'SET'))
   AND (EXISTS (SELECT FROM pg_catalog.pg_class c
                 WHERE c.relrowsecurity
                   AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
                        OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE')))
        OR EXISTS (SELECT FROM pg_catalog.pg_proc f
                    WHERE f.proowner = r.oid AND f.prosecdef))
 ORDER BY 1";

/// Who plans: the database, the login, whether row security does not bind it.
pub(crate) const SELF: &str = "
SELECT current_database()::text, current_user::text, r.rolsuper OR r.rolbypassrls
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// Whether a superuser has installed the guard over tables that are made later.
pub(crate) const GUARD_INSTALLED: &str =
    "SELECT pg_catalog.to_regclass('amanah_guard.isolation') IS NOT NULL";

/// What of that guard does not watch: event trigger, and the statements that wake it.
pub(crate) const GUARD_ASLEEP: &str = "
SELECT w.name,
       CASE WHEN e.oid IS NULL
            THEN format('CREATE EVENT TRIGGER %I ON %s EXECUTE FUNCTION amanah_guard.%I();' || chr(10),
                        w.name, w.moment, w.function)
            ELSE '' END || format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', w.name)
  FROM (VALUES ('amanah_isolation_ddl', 'ddl_command_end', 'after_ddl'),
               ('amanah_isolation_drop', 'sql_drop', 'after_drop')) w (name, moment, function)
  LEFT JOIN pg_catalog.pg_event_trigger e ON e.evtname = w.name
 WHERE e.oid IS NULL OR e.evtenabled <> 'A'";

/// A table with tenants' rows that the current user owns, in a schema where it may make more:
/// schema, and the type of the column `$1`.
pub(crate) const SPECIMEN: &str = "
SELECT n.nspname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid AND c.relkind = 'r'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $1 AND NOT a.attisdropped
 WHERE p.polname = 'amanah_select' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
   AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
 ORDER BY 1, 2 LIMIT 1";

/// Whether there is a table `$1`.
pub(crate) const IS_THERE: &str = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";

/// Whether the table `$1` is under forced policies of ours.
pub(crate) const UNDER_POLICIES: &str = "
SELECT c.relrowsecurity AND c.relforcerowsecurity
       AND (SELECT count(*) FROM pg_catalog.pg_policy p
             WHERE p.polrelid = c.oid AND p.polname IN
                   ('amanah_select', 'amanah_insert', 'amanah_update', 'amanah_delete')) = 4
  FROM pg_catalog.pg_class c WHERE c.oid = $1::text::pg_catalog.regclass";

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
pub(crate) const RIGHTS: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text, c.relkind::text, x.privilege_type,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x
 WHERE c.oid >= 16384
   AND (n.nspname, c.relname) NOT IN ",
    store::own_tables!(),
    " AND NOT ",
    store::own_partition!("c.oid"),
    "
   AND c.relpersistence <> 't'
   AND x.grantee <> c.relowner
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
   AND (c.relkind IN ('r', 'p') AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
        OR c.relkind = 'm')
 ORDER BY 1, 2, 5, 4"
);

/// Such rights on tables that are made later, and that to set a sequence, as [`RIGHTS`]: the role whose
/// tables, the schema or nothing, right, grantee, whether we may change it, of what.
pub(crate) const DEFAULT_RIGHTS: &str = "
SELECT pg_catalog.pg_get_userbyid(f.defaclrole)::text, COALESCE(n.nspname::text, ''),
       x.privilege_type,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
       pg_catalog.pg_has_role(f.defaclrole, 'USAGE'),
       CASE f.defaclobjtype WHEN 'S' THEN 'SEQUENCES' ELSE 'TABLES' END
  FROM pg_catalog.pg_default_acl f
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.defaclnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(f.defaclacl) x
 WHERE x.grantee <> f.defaclrole
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
   AND (f.defaclobjtype = 'r' AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
        OR f.defaclobjtype = 'S' AND x.privilege_type = 'UPDATE')
 ORDER BY 1, 2, 4, 3";

/// Who may set a sequence, as [`RIGHTS`]: schema, sequence, grantee, whether it is ours, whether the
/// grantee may draw from it by another right.
pub(crate) const SETTERS_OF_SEQUENCES: &str = "
SELECT n.nspname::text, c.relname::text,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) u
                WHERE u.grantee = x.grantee AND u.privilege_type = 'USAGE')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x
 WHERE c.relkind = 'S' AND c.oid >= 16384 AND c.relpersistence <> 't'
   AND x.privilege_type = 'UPDATE' AND x.grantee <> c.relowner
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
 ORDER BY 1, 2, 3";

/// Whether others than the application look for something in schema `n`: a search path that the
/// catalogue knows names it, or it holds what is somebody else's. The literal says of `o.owner`
/// that it is nobody of the application.
macro_rules! meant {
    ($else:literal) => {
        concat!(
            "(n.nspname = 'public'
              OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = n.nspname)
              OR EXISTS (SELECT FROM (SELECT c.relowner FROM pg_catalog.pg_class c
                                       WHERE c.relnamespace = n.oid AND c.relkind NOT IN ('i', 'I')
                                      UNION ALL
                                      SELECT f.proowner FROM pg_catalog.pg_proc f
                                       WHERE f.pronamespace = n.oid
                                      UNION ALL
                                      SELECT p.oprowner FROM pg_catalog.pg_operator p
                                       WHERE p.oprnamespace = n.oid) o(owner)
                          WHERE ",
            $else,
            ")
              OR EXISTS (SELECT FROM (SELECT c.line FROM pg_catalog.pg_db_role_setting s
                                       CROSS JOIN pg_catalog.unnest(s.setconfig) c(line)
                                       WHERE s.setdatabase = 0
                                          OR s.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database d
                                               WHERE d.datname = pg_catalog.current_database())
                                      UNION ALL
                                      SELECT c.line FROM pg_catalog.pg_proc f
                                       CROSS JOIN pg_catalog.unnest(f.proconfig) c(line)
                                      UNION ALL
                                      SELECT 'search_path=' || s.reset_val FROM pg_catalog.pg_settings s
                                       WHERE s.name = 'search_path') c
                          CROSS JOIN pg_catalog.regexp_matches(
                              pg_catalog.substr(c.line, 13),
                              '[[:space:]]*\"(?:[^\"]|\"\")*\"|[^,]+', 'g') m(part)
                          CROSS JOIN pg_catalog.btrim(m.part[1]) b(word)
                          WHERE c.line LIKE 'search_path=%'
                            AND n.nspname = CASE WHEN b.word LIKE '\"%'
                                THEN pg_catalog.replace(pg_catalog.btrim(b.word, '\"'), '\"\"', '\"')
                                ELSE pg_catalog.lower(b.word) END))"
        )
    };
}
pub(crate) use meant;

/// Who may make objects in a schema, as [`RIGHTS`]: schema, grantee, whether it is ours, whether the
/// schema is the grantee's own, to whom nothing can be refused there, whether others look for
/// something in it.
pub(crate) const MAKERS: &str = concat!(
    "
SELECT n.nspname::text,
       CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
       pg_catalog.pg_has_role(n.nspowner, 'USAGE'), x.own, ",
    meant!("NOT pg_catalog.pg_has_role($1, o.owner, 'MEMBER')"),
    "
  FROM pg_catalog.pg_namespace n
 CROSS JOIN LATERAL (
    SELECT e.grantee, false AS own FROM pg_catalog.aclexplode(n.nspacl) e
     WHERE e.privilege_type = 'CREATE' AND e.grantee <> n.nspowner
    UNION ALL
    SELECT n.nspowner, true) x
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND CASE WHEN x.grantee = 0 THEN true
            ELSE pg_catalog.pg_has_role($1, x.grantee, 'MEMBER') END
   AND NOT (x.own AND pg_catalog.pg_has_role($1, current_user::pg_catalog.regrole, 'MEMBER'))
 ORDER BY 1, 2"
);

/// Every schema but the server's own, and whether others than `$1` look for something in it.
pub(crate) const SCHEMAS: &str = concat!(
    "
SELECT n.nspname::text, ",
    meant!("NOT pg_catalog.pg_has_role($1, o.owner, 'MEMBER')"),
    " FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1"
);

/// Which views read which tables, through other views too: schema, view, kind, whether it reads
/// with its reader's rights, whether its owner is not bound by row security, whether we may alter
/// it, schema and name of the table, whether `$1` may read the view, whether it may read the table,
/// whether a materialised view is in between.
pub(crate) const VIEWS: &str = "
WITH RECURSIVE reads AS (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
      FROM pg_catalog.pg_rewrite r
      JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
), closure AS (
    SELECT view, relation, false AS kept FROM reads
    UNION
    SELECT c.view, r.relation, c.kept OR m.relkind = 'm'
      FROM closure c
      JOIN reads r ON r.view = c.relation
      JOIN pg_catalog.pg_class m ON m.oid = c.relation
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
       pg_catalog.has_any_column_privilege($1, t.oid, 'SELECT'), c.kept
  FROM closure c
  JOIN pg_catalog.pg_class v ON v.oid = c.view AND v.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
  JOIN pg_catalog.pg_roles w ON w.oid = v.relowner
  JOIN pg_catalog.pg_class t ON t.oid = c.relation AND t.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
 WHERE v.oid >= 16384 AND v.relpersistence <> 't'
 ORDER BY 1, 2, 7, 8";

/// The functions in schema `amanah`: signature, result, body, whether it runs with its owner's
/// rights, language, volatility, parallel safety, settings, who but the owner may call it, whether
/// it is ours, whether it has a property that none of this room's has.
pub(crate) const FUNCTIONS: &str = "
SELECT p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
       COALESCE(pg_catalog.pg_get_function_result(p.oid), ''), p.prosrc, p.prosecdef,
       l.lanname::text, p.provolatile::text, p.proparallel::text,
       COALESCE(pg_catalog.array_to_string(p.proconfig, '; '), ''),
       ARRAY(SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC'
                         ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END
               FROM pg_catalog.aclexplode(
                        COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
              WHERE x.grantee <> p.proowner ORDER BY 1),
       pg_catalog.pg_get_userbyid(p.proowner) = current_user,
       p.proleakproof OR p.proisstrict OR p.proretset OR p.prokind <> 'f'
           OR p.prosupport::oid <> 0 OR p.prosqlbody IS NOT NULL OR p.protrftypes IS NOT NULL
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'amanah')
 ORDER BY 1";

/// What else is in schema `amanah`, or hangs on its tables, and is not this room's: object,
/// what it is.
pub(crate) const STRANGERS: &str = "
WITH ours AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'amanah' AND c.relkind NOT IN ('i', 'I')
)
SELECT 'amanah.' || c.relname::text, 'this relation is none of what is installed there'
  FROM ours c
 WHERE NOT (c.relkind = 'r' AND c.relname IN ('migration', 'binding_key', 'journal', 'reviewed'))
UNION ALL
SELECT 'amanah.' || c.relname::text, 'the trigger ' || t.tgname::text || ' was hung on it'
  FROM ours c JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'amanah.' || c.relname::text, 'the rule ' || r.rulename::text || ' was put on it'
  FROM ours c JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid
 WHERE c.relkind = 'r'
UNION ALL
SELECT 'amanah.binding_key', 'row-level security was switched on for it, which can hide a key'
  FROM ours c JOIN pg_catalog.pg_class k ON k.oid = c.oid
 WHERE c.relname = 'binding_key' AND k.relrowsecurity
UNION ALL
SELECT 'amanah.reviewed', 'it is missing'
 WHERE NOT EXISTS (SELECT FROM ours c WHERE c.relname = 'reviewed')
UNION ALL
SELECT 'amanah.' || c.relname::text,
       'it belongs to ' || pg_catalog.pg_get_userbyid(c.relowner)::text
  FROM ours c
 WHERE c.relname IN ('binding_key', 'reviewed') AND pg_catalog.pg_get_userbyid(c.relowner) <> current_user
UNION ALL
SELECT 'amanah.' || c.relname::text, x.privilege_type || ' on it was granted to '
       || CASE WHEN x.grantee = 0 THEN 'everybody'
               ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END
  FROM ours c
 CROSS JOIN LATERAL (
    SELECT c.relacl AS acl
    UNION ALL
    SELECT a.attacl FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid) g
 CROSS JOIN LATERAL pg_catalog.aclexplode(g.acl) x
 WHERE c.relname IN ('binding_key', 'reviewed') AND x.grantee <> c.relowner
 ORDER BY 1, 2";

/// Whether everybody may make temporary objects in this database, whether the database is ours.
pub(crate) const TEMPORARY: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.aclexplode(
                        COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) x
                WHERE x.grantee = 0 AND x.privilege_type = 'TEMPORARY'),
       pg_catalog.pg_has_role(d.datdba, 'USAGE')
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// What sessions of `$1` share whatever their tenants are: the view of their statements, the two
/// functions behind it, the right to make large objects, large objects, and whether everybody may
/// end another session of the same role.
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
       EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata),
       EXISTS (SELECT FROM pg_catalog.pg_proc p
                CROSS JOIN LATERAL pg_catalog.aclexplode(
                    COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
                WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
                  AND p.proname IN ('pg_cancel_backend', 'pg_terminate_backend')
                  AND x.grantee = 0)";

/// What `$1` may do with the columns of every table: schema, table, column, select, insert, update.
/// A column that is always generated takes no value, whatever the rights.
pub(crate) const COLUMN_RIGHTS: &str = concat!(
    "
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
   AND c.oid >= 16384 AND c.relpersistence <> 't'
   AND (n.nspname, c.relname) NOT IN ",
    store::own_tables!(),
    " AND NOT ",
    store::own_partition!("c.oid")
);
