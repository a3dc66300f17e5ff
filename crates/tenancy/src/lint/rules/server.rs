//! Rules about the server, and about ways out of the database.

use super::Severity::{Leak, Weak};
use super::Who::{Owner, Superuser};
use super::{Find, Rule};

const OUT: &str = "publications, foreign servers and other ways out";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM501",
        title: "The server has known holes in row-level security",
        channel: "versions of PostgreSQL",
        severity: Leak,
        why: "Older minor releases keep an outdated policy in force, let statistics tell what \
              policies hide, or forget policies under MERGE and below a CTE (CVE-2026-14666, \
              CVE-2025-8713, CVE-2024-10976, CVE-2023-39418, CVE-2023-2455).",
        who: Superuser,
        find: Find::Version,
    },
    Rule {
        id: "AM511",
        title: "A publication sends every tenant's rows elsewhere",
        channel: OUT,
        severity: Weak,
        why: "Logical replication sends rows whoever's they are: what the subscriber holds knows no \
              policies of this database.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'publication', 'publication ' || p.pubname,
                    'it publishes ' || string_agg(h.label, ', ' ORDER BY h.label),
                    CASE WHEN p.puballtables OR bool_or(r.prrelid IS NULL)
                         THEN format('DROP PUBLICATION %I', p.pubname)
                         ELSE format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname,
                                     string_agg(h.quoted, ', ' ORDER BY h.label)) END
               FROM pg_publication p
              CROSS JOIN LATERAL pg_get_publication_tables(p.pubname::text) t
               JOIN held h ON h.oid = t.relid
               LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = h.oid
              GROUP BY p.pubname, p.puballtables ORDER BY 2",
        ),
    },
    Rule {
        id: "AM512",
        title: "The application may use a foreign table",
        channel: OUT,
        severity: Leak,
        why: "What is behind it is read with one login of the other server, whose policies know no \
              tenant of this one, and there are no policies on foreign tables.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'foreign table', n.nspname || '.' || c.relname,
                    'it is a foreign table that the application may use: no policy binds it',
                    format('REVOKE ALL ON %I.%I FROM %s', n.nspname, c.relname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              CROSS JOIN LATERAL (
                    SELECT COALESCE(c.relacl, acldefault('r', c.relowner)) AS acl
                    UNION ALL
                    SELECT a.attacl FROM pg_attribute a WHERE a.attrelid = c.oid) g
              CROSS JOIN LATERAL aclexplode(g.acl) x JOIN mine m ON m.oid = x.grantee
              WHERE c.relkind = 'f' AND has_schema_privilege($1::text, n.oid, 'USAGE')
              GROUP BY n.nspname, c.relname ORDER BY 2",
        ),
    },
    Rule {
        id: "AM513",
        title: "The application may use a foreign server",
        channel: OUT,
        severity: Leak,
        why: "With it a session makes foreign tables of its own, or reads through dblink with the \
              password that is kept for the server.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'foreign server', 'server ' || s.srvname, 'the application may use it',
                    format('REVOKE USAGE ON FOREIGN SERVER %I FROM %s', s.srvname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_foreign_server s
              CROSS JOIN LATERAL aclexplode(COALESCE(s.srvacl, acldefault('S', s.srvowner))) x
               JOIN mine m ON m.oid = x.grantee
              GROUP BY s.srvname ORDER BY 2",
        ),
    },
    Rule {
        id: "AM514",
        title: "An extension leads out of the database",
        channel: OUT,
        severity: Weak,
        why: "Its functions connect to other databases, read files or look into pages of tables: \
              none of them asks a policy.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'extension', 'extension ' || e.extname, 'it leads past row security',
                    format('DROP EXTENSION %I', e.extname)
               FROM pg_extension e
              WHERE e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'adminpack', 'pageinspect',
                                  'pg_surgery', 'pg_walinspect')
              ORDER BY 2",
        ),
    },
];
