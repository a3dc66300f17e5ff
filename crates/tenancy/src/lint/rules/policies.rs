//! Rules about policies that somebody else has made. Those of `amanah protect` are compared with
//! its plan.

use super::Severity::{Leak, Weak};
use super::Who::Owner;
use super::{Find, Rule};
use crate::lint::body;

const FORGED: &str = "a tenant that a statement can change";
const WIDE: &str = "policies that let rows pass";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM121",
        title: "A permissive policy does not look at the tenant",
        channel: WIDE,
        severity: Leak,
        why: "Permissive policies are joined by OR: one that lets a row pass is enough, whatever \
              the others say, unless a restrictive policy for the same command looks at the \
              tenant.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'policy', p.label, 'it lets rows of every tenant pass, and no restrictive \
                    policy holds them back', format('DROP POLICY %I ON %s', p.polname, p.quoted)
               FROM policy p
              WHERE p.polpermissive AND NOT EXISTS (SELECT FROM tied t WHERE t.oid = p.oid)
                AND (COALESCE(p.using, 'false') <> 'false'
                     OR COALESCE(p.checking, 'false') <> 'false')
                AND EXISTS (
                    SELECT FROM unnest(CASE p.polcmd WHEN '*' THEN ARRAY['r', 'a', 'w', 'd']
                                       ELSE ARRAY[p.polcmd::text] END) c
                     WHERE NOT EXISTS (SELECT FROM tied t
                                        WHERE t.polrelid = p.relation AND NOT t.polpermissive
                                          AND t.polcmd::text IN (c, '*')))
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM122",
        title: "A policy takes the tenant from a plain setting",
        channel: FORGED,
        severity: Leak,
        why: "Any session can change a setting, and one injected SELECT does it in the middle of a \
              statement: SELECT set_config('app.tenant', '…', false). The tenant has to come from \
              something that the application cannot make, such as the token of amanah.bind().",
        who: Owner,
        find: Find::Sql(
            "SELECT 'policy', p.label, 'it takes the tenant from a setting, which any statement \
                    can change',
                    CASE WHEN to_regclass('amanah.binding_key') IS NULL OR p.attnum IS NULL THEN
                        '-- `amanah protect` ties the rows to a token that cannot be forged; \
                         without it, nobody should see them:' || chr(10)
                        || format('DROP POLICY %I ON %s', p.polname, p.quoted)
                    ELSE (SELECT format('ALTER POLICY %I ON %s', p.polname, p.quoted)
                              || CASE WHEN p.using IS NOT NULL THEN ' USING (' || c || ')'
                                      ELSE '' END
                              || CASE WHEN p.checking IS NOT NULL THEN ' WITH CHECK (' || w || ')'
                                      ELSE '' END
                            FROM (SELECT format('%s = (SELECT amanah.reading_tenant()%s)', p.qcol, cast_),
                                         format('%s = (SELECT amanah.writing_tenant()%s)', p.qcol, cast_)
                                    FROM (SELECT CASE
                                        WHEN p.base IN ('text', 'character varying') THEN ''
                                        ELSE '::' || p.base END) b(cast_)) s(c, w)) END
               FROM policy p
              WHERE NOT p.bound
                AND (concat(p.using, p.checking) ~* '\\mcurrent_setting\\s*\\('
                     OR EXISTS (SELECT FROM pg_depend d JOIN code f ON f.oid = d.refobjid
                                 WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                                   AND d.refclassid = 'pg_proc'::regclass
                                   AND f.body ~* '\\mcurrent_setting\\s*\\('))
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM123",
        title: "A policy depends on who is logged in",
        channel: FORGED,
        severity: Weak,
        why: "In a pool every session has one role, and SET ROLE is undone by RESET ROLE in the \
              same statement. Plans that were made for one role and used for another were behind \
              four of PostgreSQL's seven holes in row-level security. It holds only where each \
              tenant has a login and connections of its own.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'policy', p.label, 'it depends on the role of the session',
                    '-- `amanah protect` ties the rows to a token instead of a role:' || chr(10)
                        || format('DROP POLICY %I ON %s', p.polname, p.quoted)
               FROM policy p
              WHERE NOT p.bound
                AND concat(p.using, p.checking)
                    ~ '\\m(CURRENT_USER|SESSION_USER|CURRENT_ROLE|USER)\\M|\\mpg_has_role\\s*\\('
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM124",
        title: "A policy for writing has no WITH CHECK",
        channel: WIDE,
        severity: Weak,
        why: "Without it the condition for reading decides what may be written. As soon as that one \
              lets shared rows pass, a tenant can write rows for all, or give its own away.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'policy', p.label, 'it lets rows be written and has no WITH CHECK',
                    format('ALTER POLICY %I ON %s WITH CHECK (%s)', p.polname, p.quoted, p.using)
               FROM policy p
              WHERE p.polcmd IN ('*', 'w') AND p.checking IS NULL AND p.using IS NOT NULL
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM125",
        title: "A policy calls a function for each row",
        channel: "EXPLAIN counts the rows that a policy held back",
        severity: Weak,
        why: "A call that stands bare is made again for every row, of every tenant, and no index \
              is used for it. Inside (SELECT …) it is made once for each statement.",
        who: Owner,
        find: Find::Then(
            "SELECT 'policy', p.label, 'it calls a function for each row and not once for each \
                    statement',
                    ARRAY[format('ALTER POLICY %I ON %s', p.polname, p.quoted),
                          COALESCE(p.using, ''), COALESCE(p.checking, '')]
                    || ARRAY(SELECT DISTINCT f.proname::text
                               FROM regexp_matches(
                                        concat(p.polqual::text, p.polwithcheck::text),
                                        ':funcid (\\d+)', 'g') m
                               JOIN pg_proc f ON f.oid = m[1]::oid
                              WHERE f.provolatile <> 'i')
               FROM policy p ORDER BY 2",
            body::wrapped,
        ),
    },
];
