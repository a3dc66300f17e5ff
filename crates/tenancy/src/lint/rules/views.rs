//! Rules about views and what is copied out of tables.

use super::Severity::{Leak, Weak};
use super::Who::{Owner, Superuser};
use super::{Find, Rule};
use crate::lint::facts::or_declare;

const VIEWS: &str = "views with their owner's rights";
const KEPT: &str = "materialised views";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM201",
        title: "A view reads every tenant with its owner's rights",
        channel: VIEWS,
        severity: Leak,
        why: "A view reads with the rights of its owner, and row security does not bind this one: \
              a superuser, a role with BYPASSRLS, or the owner of a table where it is not forced.",
        who: Owner,
        find: Find::Sql(
            "SELECT DISTINCT 'view', v.label,
                    'it reads with the rights of its owner, whom row security does not bind',
                    'ALTER VIEW ' || v.quoted || ' SET (security_invoker = true)'
               FROM seen v
              WHERE NOT v.invoker AND NOT v.through AND NOT v.kept
                AND (v.above OR NOT v.forced)
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM202",
        title: "A view reads with its owner's rights",
        channel: VIEWS,
        severity: Weak,
        why: "Row security binds its owner as long as it is forced and the owner is an ordinary \
              role: two switches in two places, and each of them opens the view to everybody.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'view', v.label, 'it reads with the rights of its owner',
                    'ALTER VIEW ' || v.quoted || ' SET (security_invoker = true)'
               FROM seen v
              WHERE NOT v.invoker
              GROUP BY v.label, v.quoted
             HAVING NOT bool_or(v.kept OR NOT v.through AND (v.above OR NOT v.forced))
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM203",
        title: "A materialised view holds every tenant's rows",
        channel: KEPT,
        severity: Leak,
        why: "It is a copy that was made with the rights of its owner, and PostgreSQL knows no \
              policies for it. One with the tenant column, or over a function that somebody made, \
              counts too: what it was made from cannot be seen.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT DISTINCT 'materialised view', v.label,
                    CASE WHEN v.of_tenants
                         THEN 'it is a materialised view: it holds rows of every tenant and knows no \
                              policies'
                         ELSE 'it is a materialised view with the tenant column or over a function: \
                              whose rows it holds cannot be told, and it knows no policies' END,
                    format('REVOKE ALL ON %s FROM %s', v.quoted,
                           (SELECT string_agg(DISTINCT m.name, ', ')
                              FROM (SELECT v.relacl AS acl
                                    UNION ALL SELECT acldefault('r', v.relowner)
                                    UNION ALL SELECT a.attacl FROM pg_attribute a
                                     WHERE a.attrelid = v.oid) g
                             CROSS JOIN LATERAL aclexplode(g.acl) x
                              JOIN mine m ON m.oid = x.grantee))",
            or_declare!("v.label", "v.digest"),
            "  FROM copies v JOIN pg_class c ON c.oid = v.oid
              WHERE NOT v.trail
                AND EXISTS (SELECT FROM logins l
                             WHERE has_schema_privilege(l.oid, c.relnamespace, 'USAGE')
                               AND has_any_column_privilege(l.oid, v.oid, 'SELECT'))
              ORDER BY 2",
        )),
    },
    Rule {
        id: "AM204",
        title: "A view shows a materialised view",
        channel: KEPT,
        severity: Leak,
        why: "The copy below holds the rows of every tenant, and the view reads it with the rights \
              of its owner, so revoking the copy closes nothing.",
        who: Owner,
        find: Find::Sql(
            "SELECT DISTINCT 'view', v.label,
                    'it reads a materialised view, which holds rows of every tenant, with the \
                     rights of its owner',
                    'ALTER VIEW ' || v.quoted || ' SET (security_invoker = true)'
               FROM seen v WHERE NOT v.invoker AND NOT v.through AND v.kept ORDER BY 2",
        ),
    },
    Rule {
        id: "AM205",
        title: "The application may read the audit trail",
        channel: "copies of tenants' rows",
        severity: Leak,
        why: "The trail holds each row as it was before and after every change, whoever's it is, and \
              knows no policies.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'table', v.label, 'the application may read it: it holds rows of every tenant',
                    format('REVOKE ALL ON %s FROM %s', v.quoted, string_agg(DISTINCT m.name, ', '))
               FROM copies v
              CROSS JOIN LATERAL (SELECT v.relacl AS acl
                                  UNION ALL SELECT a.attacl FROM pg_attribute a
                                             WHERE a.attrelid = v.oid) g
              CROSS JOIN LATERAL aclexplode(g.acl) x JOIN mine m ON m.oid = x.grantee
              WHERE v.trail AND x.privilege_type = 'SELECT' AND x.grantee <> v.relowner
              GROUP BY v.label, v.quoted",
        ),
    },
];
