//! Rules about rights of the application that reach past row security.

use super::Severity::{Leak, Note, Weak};
use super::Who::{Owner, Superuser};
use super::{Find, Rule};
use crate::lint::facts::or_declare;
use crate::sql::meant;

const PAST: &str = "rights that no policy binds";
const SESSIONS: &str = "what sessions of one role see of each other";
const LARGE: &str = "large objects";
const MAKING: &str = "objects of the application's own";

/// Schemas in which the application makes objects.
macro_rules! makers {
    () => {
        concat!(
            "  FROM (
                SELECT 'schema ' || n.nspname AS label,
                       CASE WHEN w.oid IS NULL THEN 'the application may make objects in it'
                            ELSE 'it belongs to ' || w.rolname || ', so the application may make \
                                  objects in it' END AS what,
                       concat_ws(';' || chr(10),
                           format('ALTER SCHEMA %I OWNER TO ', n.nspname)
                               || CASE WHEN w.oid IS NOT NULL THEN
                                      (SELECT h.relowner::regrole::text FROM held h
                                        GROUP BY h.relowner ORDER BY count(*) DESC LIMIT 1) END,
                           format('GRANT USAGE ON SCHEMA %I TO ', n.nspname) || w.oid::regrole,
                           format('REVOKE CREATE ON SCHEMA %I FROM ', n.nspname) || g.names) AS fix,
                       encode(sha256(convert_to(concat_ws(chr(10), 'schema',
                           pg_get_userbyid(n.nspowner), n.nspacl::text), 'UTF8')), 'hex') AS digest,
                       n.oid IN (SELECT h.space FROM held h) OR ",
            meant!("o.owner NOT IN (SELECT m.oid FROM mine m)"),
            " AS meant
                  FROM pg_namespace n
                  -- Whoever owns the tables is another rule's.
                  LEFT JOIN pg_roles w ON w.oid = n.nspowner AND w.oid IN (SELECT m.oid FROM mine m)
                                      AND w.oid NOT IN (SELECT h.relowner FROM held h)
                  LEFT JOIN LATERAL (
                       SELECT string_agg(DISTINCT m.name, ', ') AS names
                         FROM aclexplode(n.nspacl) x JOIN mine m ON m.oid = x.grantee
                        WHERE x.privilege_type = 'CREATE' AND x.grantee <> n.nspowner) g ON true
                 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                   AND (w.oid IS NOT NULL OR g.names IS NOT NULL)) s"
        )
    };
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM401",
        title: "The application may empty a table, or hang something on it",
        channel: PAST,
        severity: Leak,
        why: "TRUNCATE is not subject to row security and takes the rows of every tenant. With \
              TRIGGER or REFERENCES a role can have its own code or its own key see the rows of \
              others. GRANT ALL gives all three.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'table', h.label,
                    'the application may do this to it: '
                        || string_agg(DISTINCT x.privilege_type, ', '),
                    format('REVOKE %s ON %s FROM %s',
                           string_agg(DISTINCT x.privilege_type, ', '), h.quoted,
                           string_agg(DISTINCT m.name, ', '))
               FROM held h JOIN pg_class c ON c.oid = h.oid
              CROSS JOIN LATERAL aclexplode(c.relacl) x JOIN mine m ON m.oid = x.grantee
              WHERE x.grantee <> c.relowner
                AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
              GROUP BY h.label, h.quoted ORDER BY 2",
        ),
    },
    Rule {
        id: "AM402",
        title: "New tables or sequences will give the application rights that no policy binds",
        channel: PAST,
        severity: Weak,
        why: "Default privileges are given with every table and sequence that is made: the next one \
              comes with TRUNCATE, REFERENCES or TRIGGER, or with UPDATE on a sequence.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'default privileges', lower(o.what) || ' of ' || w.rolname
                        || COALESCE(' in schema ' || n.nspname, ''),
                    'each new one lets the application do this: '
                        || string_agg(DISTINCT x.privilege_type, ', '),
                    format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s',
                           w.rolname, COALESCE(' IN SCHEMA ' || quote_ident(n.nspname), ''),
                           string_agg(DISTINCT x.privilege_type, ', '), o.what,
                           string_agg(DISTINCT m.name, ', '))
                        || CASE o.kind WHEN 'S' THEN chr(59) || chr(10) || format(
                           'ALTER DEFAULT PRIVILEGES FOR ROLE %I%s GRANT USAGE ON %s TO %s',
                           w.rolname, COALESCE(' IN SCHEMA ' || quote_ident(n.nspname), ''), o.what,
                           string_agg(DISTINCT m.name, ', ')) ELSE '' END
               FROM pg_default_acl d JOIN pg_roles w ON w.oid = d.defaclrole
               JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES')) o(kind, what)
                 ON o.kind = d.defaclobjtype::text
               LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
              CROSS JOIN LATERAL aclexplode(d.defaclacl) x JOIN mine m ON m.oid = x.grantee
              WHERE x.grantee <> d.defaclrole
                AND CASE o.kind WHEN 'S' THEN x.privilege_type = 'UPDATE'
                    ELSE x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') END
              GROUP BY d.oid, w.rolname, n.nspname, o.kind, o.what ORDER BY 2",
        ),
    },
    Rule {
        id: "AM403",
        title: "The application may make objects where others look for theirs",
        channel: MAKING,
        severity: Leak,
        why: "Whoever makes objects can put a view, a function or an operator in the place of one that \
              others mean: in public, in a schema that bears a role's name or that a setting puts into \
              a search path, and where somebody else's objects are. It stays there: each later request \
              of every tenant runs it. An owner of a schema can always give itself the right again.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'schema', s.label, s.what, s.fix",
            makers!(),
            " WHERE s.meant ORDER BY 2"
        )),
    },
    Rule {
        id: "AM404",
        title: "The application may make schemas",
        channel: MAKING,
        severity: Weak,
        why: "In a schema of its own it can keep functions and operators and put them before those \
              of the server, for every later session of the pool.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'database', 'database ' || d.datname, 'the application may make schemas in it',
                    format('REVOKE CREATE ON DATABASE %I FROM %s', d.datname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_database d
              CROSS JOIN LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE d.datname = current_database() AND x.privilege_type = 'CREATE'
                AND x.grantee <> d.datdba
              GROUP BY d.datname",
        ),
    },
    Rule {
        id: "AM405",
        title: "The application may make temporary objects",
        channel: MAKING,
        severity: Weak,
        why: "Types and functions of a session's own are what attacks on policies are built from, \
              and a temporary table stays in a pooled session for the next tenant.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'database', 'database ' || d.datname,
                    'the application may make temporary tables, types and functions',
                    format('REVOKE TEMPORARY ON DATABASE %I FROM %s', d.datname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_database d
              CROSS JOIN LATERAL aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE d.datname = current_database() AND x.privilege_type = 'TEMPORARY'
                AND x.grantee <> d.datdba
              GROUP BY d.datname",
        ),
    },
    Rule {
        id: "AM406",
        title: "The application may make objects in a schema of its own",
        channel: MAKING,
        severity: Weak,
        why: "Everything in it is the application's, as in the schema of a queue that changes its own \
              tables, and no search path in the catalogue names it. One that the application sets by \
              itself is not in the catalogue: where it names the schema, one tenant's request leaves \
              code there that the requests of all run. Where it does not, declare it.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'schema', s.label, s.what || ', and all that is there is its own', s.fix",
            or_declare!("s.label", "s.digest"),
            makers!(),
            " WHERE NOT s.meant
                AND NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = s.label AND v.sha256 = s.digest)
              ORDER BY 2"
        )),
    },
    Rule {
        id: "AM411",
        title: "Sessions see each other's statements",
        channel: SESSIONS,
        severity: Leak,
        why: "Every session of the application has one role, so each sees the statements of the \
              others with the values that are written in them. The functions below the view answer \
              by themselves.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'view', 'pg_catalog.pg_stat_activity',
                    'the application sees the statements of its other sessions',
                    format('REVOKE SELECT ON pg_catalog.pg_stat_activity FROM %s',
                           string_agg(DISTINCT m.name, ', '))
                        || CASE WHEN bool_or(m.name = 'pg_monitor') THEN '' ELSE ';' || chr(10)
                           || 'GRANT SELECT ON pg_catalog.pg_stat_activity TO pg_monitor' END
               FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
               JOIN mine m ON m.oid = x.grantee
              WHERE c.oid = 'pg_stat_activity'::regclass AND x.privilege_type = 'SELECT'
                AND x.grantee <> c.relowner
             HAVING count(*) > 0
             UNION ALL
             SELECT 'function', 'pg_catalog.' || f.oid::regprocedure,
                    'the application sees the statements of its other sessions',
                    format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s', f.oid::regprocedure,
                           string_agg(DISTINCT m.name, ', '))
                        || CASE WHEN bool_or(m.name = 'pg_monitor') THEN '' ELSE ';' || chr(10)
                           || format('GRANT EXECUTE ON FUNCTION pg_catalog.%s TO pg_monitor',
                                     f.oid::regprocedure) END
               FROM pg_proc f
              CROSS JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND f.proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity')
              GROUP BY f.oid",
        ),
    },
    Rule {
        id: "AM412",
        title: "Sessions can end each other",
        channel: SESSIONS,
        severity: Weak,
        why: "Every session of the application has one role, so each may cancel or end those of the \
              others: one tenant can stop another's work.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'function', 'pg_catalog.' || f.oid::regprocedure,
                    'the application may call it on its other sessions',
                    format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s', f.oid::regprocedure,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_proc f
              CROSS JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND f.proname IN ('pg_cancel_backend', 'pg_terminate_backend')
              GROUP BY f.oid ORDER BY 2",
        ),
    },
    Rule {
        id: "AM413",
        title: "Statements of everybody are kept in pg_stat_statements",
        channel: SESSIONS,
        severity: Weak,
        why: "It shows each role its own statements, and the role is the same for every tenant. \
              Values in utility statements are kept as they were written.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'view', n.nspname || '.' || c.relname,
                    'the application sees the statements of all tenants',
                    format('REVOKE SELECT ON %I.%I FROM %s', n.nspname, c.relname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
                               AND d.deptype = 'e'
               JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_stat_statements'
              CROSS JOIN LATERAL aclexplode(c.relacl) x JOIN mine m ON m.oid = x.grantee
              WHERE x.privilege_type = 'SELECT' AND x.grantee <> c.relowner
              GROUP BY n.nspname, c.relname ORDER BY 2",
        ),
    },
    Rule {
        id: "AM414",
        title: "Sessions can hold each other up by advisory locks",
        channel: SESSIONS,
        severity: Note,
        why: "Advisory locks have no owner but the database: one tenant can take a lock that \
              another's request waits for, and pg_locks shows which are taken. Where the \
              application does not use them, take the right away.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'function', 'advisory locks', 'the application may take and see them',
                    'REVOKE EXECUTE ON FUNCTION '
                        || string_agg(DISTINCT 'pg_catalog.' || f.oid::regprocedure, ', ')
                        || ' FROM ' || string_agg(DISTINCT m.name, ', ')
               FROM pg_proc f
              CROSS JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND f.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
             HAVING count(*) > 0",
        ),
    },
    Rule {
        id: "AM415",
        title: "Sizes and counters tell how much all tenants have",
        channel: "sequences, sizes and counters",
        severity: Note,
        why: "pg_relation_size, n_live_tup and their like count the rows of all tenants together. \
              An ordinary application needs none of them.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'function', 'sizes and counters', 'the application may read them',
                    'REVOKE EXECUTE ON FUNCTION '
                        || string_agg(DISTINCT 'pg_catalog.' || f.oid::regprocedure, ', ')
                        || ' FROM ' || string_agg(DISTINCT m.name, ', ')
               FROM pg_proc f
              CROSS JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND f.proname IN ('pg_relation_size', 'pg_table_size', 'pg_total_relation_size',
                    'pg_indexes_size', 'pg_stat_get_live_tuples', 'pg_stat_get_dead_tuples',
                    'pg_stat_get_tuples_inserted', 'pg_stat_get_tuples_updated',
                    'pg_stat_get_tuples_deleted')
             HAVING count(*) > 0",
        ),
    },
    Rule {
        id: "AM421",
        title: "The application may make large objects",
        channel: LARGE,
        severity: Weak,
        why: "A large object belongs to a role and not to a tenant: what one session stores, every \
              other reads. Keep files outside the database, or in a bytea column.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'function', 'pg_catalog.' || f.oid::regprocedure,
                    'the application may make large objects with it',
                    format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s', f.oid::regprocedure,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_proc f
              CROSS JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE f.pronamespace = 'pg_catalog'::regnamespace AND x.grantee <> f.proowner
                AND f.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
              GROUP BY f.oid ORDER BY 2",
        ),
    },
    Rule {
        id: "AM422",
        title: "There are large objects that every tenant reads",
        channel: LARGE,
        severity: Leak,
        why: "They belong to the application's role, or are granted to it, so every session reads \
              all of them, whoever's tenant stored them.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'large object', 'large object ' || l.oid, 'every session of the application \
                    reads it', format('ALTER LARGE OBJECT %s OWNER TO %I;' || chr(10)
                        || 'REVOKE ALL ON LARGE OBJECT %s FROM %s', l.oid,
                        (SELECT w.rolname FROM pg_database d JOIN pg_roles w ON w.oid = d.datdba
                          WHERE d.datname = current_database()), l.oid,
                        concat_ws(', ', 'PUBLIC', quote_ident($1::text)))
               FROM pg_largeobject_metadata l
              WHERE l.lomowner IN (SELECT oid FROM mine)
                 OR EXISTS (SELECT FROM aclexplode(l.lomacl) x JOIN mine m ON m.oid = x.grantee
                             WHERE x.grantee <> l.lomowner)
              ORDER BY l.oid LIMIT 1000",
        ),
    },
];
