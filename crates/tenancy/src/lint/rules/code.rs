//! Rules about functions, triggers, rules and what else runs by itself.

use super::Severity::{Leak, Weak};
use super::Who::{Owner, Superuser};
use super::{Find, Rule};
use crate::lint::body;
use crate::lint::facts::or_declare;

const DEFINER: &str = "SECURITY DEFINER functions";
const HUNG: &str = "code that runs by itself";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM221",
        title: "A function runs with rights that reach past row security",
        channel: DEFINER,
        severity: Leak,
        why: "The application can have it called, by itself, by an operator or by another such \
              function, and it runs with the rights of somebody whom policies do not bind, who may \
              read a copy of tenants' rows, or who owns a table with them and can switch FORCE ROW \
              LEVEL SECURITY off and on within one call.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'function', f.label,
                    CASE WHEN f.callable THEN 'the application may call it'
                         ELSE 'the application can have it called' END
                        || ', and it runs with the rights of ' || f.owner
                        || ', who can reach past row security',
                    'ALTER ROUTINE ' || f.quoted || ' SECURITY INVOKER'",
            or_declare!("f.label", "f.digest"),
            " FROM called f WHERE f.past ORDER BY 2",
        )),
    },
    Rule {
        id: "AM222",
        title: "A SECURITY DEFINER function takes names from its caller",
        channel: DEFINER,
        severity: Weak,
        why: "Without a search_path of its own, its caller decides which tables, types and operators \
              its names mean: code of the caller can run with the rights of the owner.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'function', f.label, 'it is SECURITY DEFINER and has no search_path of its own',
                    format('ALTER ROUTINE %s SET search_path = pg_catalog, %I, pg_temp', f.quoted,
                           n.nspname)
               FROM code f JOIN pg_namespace n ON n.oid = f.pronamespace
              WHERE f.prosecdef
                AND NOT EXISTS (SELECT FROM unnest(f.proconfig) s WHERE s LIKE 'search\\_path=%')
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM223",
        title: "A SECURITY DEFINER function puts statements together",
        channel: DEFINER,
        severity: Weak,
        why: "Its body has EXECUTE: what it runs is made of text, and text of its caller can become \
              a statement with the rights of the owner.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'function', f.label,
                    'it is SECURITY DEFINER, and its body runs statements that it puts together',
                    format('REVOKE EXECUTE ON ROUTINE %s FROM %s', f.quoted,
                           (SELECT string_agg(DISTINCT m.name, ', ')
                              FROM aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
                              JOIN mine m ON m.oid = x.grantee))
               FROM code f
              WHERE f.prosecdef AND NOT f.hung AND f.callable
                AND regexp_replace(f.body, '--[^\\n]*|/\\*.*?\\*/', '', 'g') ~* '\\mexecute\\M'
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM224",
        title: "A function marked LEAKPROOF is run before the policies",
        channel: "leaky operators",
        severity: Leak,
        why: "PostgreSQL runs functions and operators that are marked LEAKPROOF below the security \
              barrier, on the rows of every tenant. Only what is known to tell nothing may be.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'function', f.label,
                    'it is marked LEAKPROOF: it is shown rows before the policies are asked',
                    'ALTER FUNCTION ' || f.quoted || ' NOT LEAKPROOF'
               FROM code f WHERE f.proleakproof AND f.prokind = 'f' ORDER BY 2",
        ),
    },
    Rule {
        id: "AM225",
        title: "A function is in a language that can do anything",
        channel: DEFINER,
        severity: Leak,
        why: "Functions in C, in the server's internals or in an untrusted language are not bound \
              by rights: they can read the files of the server.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'function', f.label,
                    'the application may call it, and it is in the language ' || l.lanname
                        || ', which knows no rights',
                    format('REVOKE EXECUTE ON ROUTINE %s FROM %s', f.quoted,
                           (SELECT string_agg(DISTINCT m.name, ', ')
                              FROM aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) x
                              JOIN mine m ON m.oid = x.grantee))
               FROM code f JOIN pg_language l ON l.oid = f.prolang
              WHERE f.callable AND NOT f.hung
                AND (NOT l.lanpltrusted AND l.lanname <> 'sql')
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM226",
        title: "A notification carries data",
        channel: "LISTEN and NOTIFY",
        severity: Weak,
        why: "Every role may LISTEN on every channel of its database, so what is in the payload is \
              told to all tenants. Send that something changed, and let the listener read it under \
              its own binding.",
        who: Owner,
        find: Find::Then(
            "SELECT 'function', f.label, 'it sends data with pg_notify(), and every session may \
                    listen', ARRAY[pg_get_functiondef(f.oid)]
               FROM code f WHERE f.prosrc ~* '\\mpg_notify\\s*\\(' ORDER BY 2",
            body::unsaid,
        ),
    },
    Rule {
        id: "AM227",
        title: "A trigger runs with rights that reach past row security",
        channel: HUNG,
        severity: Leak,
        why: "A statement of a tenant, on whatever table, starts a SECURITY DEFINER function of \
              somebody whom policies do not bind: what it reads or writes is of every tenant, and it \
              can put that into the row that is given back.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'trigger', n.nspname || '.' || c.relname || ', trigger ' || t.tgname,
                    'it calls ' || f.label || ', which runs with the rights of ' || f.owner,
                    'ALTER FUNCTION ' || f.quoted || ' SECURITY INVOKER'",
            or_declare!("f.label", "f.digest"),
            "  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN definer f ON f.oid = t.tgfoid
              WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND f.past
                AND EXISTS (SELECT FROM reach r WHERE r.kind = 'w' AND r.oid = c.oid)
              ORDER BY 2",
        )),
    },
    Rule {
        id: "AM228",
        title: "A rule rewrites statements",
        channel: HUNG,
        severity: Weak,
        why: "What a rule adds to a statement is run with the rights of the table's owner, and not \
              of who asked.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'rule', h.label || ', rule ' || r.rulename,
                    'it adds statements with the rights of the table''s owner',
                    format('DROP RULE %I ON %s', r.rulename, h.quoted)
               FROM pg_rewrite r JOIN held h ON h.oid = r.ev_class
              WHERE r.ev_type <> '1' ORDER BY 2",
        ),
    },
    Rule {
        id: "AM229",
        title: "A default or computed column runs with rights that reach past row security",
        channel: HUNG,
        severity: Weak,
        why: "Each row that a tenant adds calls a SECURITY DEFINER function, and the result stays \
              in the row.",
        who: Owner,
        find: Find::Sql(
            "SELECT DISTINCT 'column', h.label || ', column ' || a.attname,
                    'its value comes from ' || f.label || ', which runs with the rights of '
                        || f.owner,
                    'ALTER FUNCTION ' || f.quoted || ' SECURITY INVOKER'
               FROM pg_attrdef v JOIN held h ON h.oid = v.adrelid
               JOIN pg_attribute a ON a.attrelid = v.adrelid AND a.attnum = v.adnum
               JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = v.oid
                               AND d.refclassid = 'pg_proc'::regclass
               JOIN code f ON f.oid = d.refobjid
              WHERE f.prosecdef AND f.past ORDER BY 2",
        ),
    },
    Rule {
        id: "AM230",
        title: "An event trigger runs code of an ordinary role",
        channel: HUNG,
        severity: Weak,
        why: "It runs at every change of the structure, with the rights of whoever makes it: when a \
              superuser does, the owner of the function has its rights for that moment.",
        who: Superuser,
        find: Find::Sql(
            "SELECT 'event trigger', e.evtname, 'it runs ' || f.label || ' of ' || f.owner
                        || ' at each change of the structure',
                    format('ALTER EVENT TRIGGER %I DISABLE', e.evtname)
               FROM pg_event_trigger e JOIN code f ON f.oid = e.evtfoid
               JOIN pg_roles w ON w.oid = f.proowner
              WHERE e.evtenabled <> 'D' AND (f.prosecdef OR NOT w.rolsuper) ORDER BY 2",
        ),
    },
    Rule {
        id: "AM231",
        title: "The binding is not as it was installed",
        channel: "a tenant that a statement can change",
        severity: Leak,
        why: "The functions in schema amanah are compared with what was shipped, word by word. A \
              binding that somebody has rewritten can hold for the canaries and open a door for one \
              tenant.",
        who: Owner,
        find: Find::Installed,
    },
    Rule {
        id: "AM232",
        title: "A rule reads tenants' rows with rights that reach past row security",
        channel: HUNG,
        severity: Leak,
        why: "A rule on a table, whatever is in it, reads with the rights of the table's owner. A \
              statement that it turns into a query answers with the rows of every tenant.",
        who: Superuser,
        find: Find::Sql(concat!(
            "SELECT i.kind, i.label, i.what,
                    format('DROP RULE %I ON %s', i.rulename, i.quoted)",
            or_declare!("i.label", "i.digest"),
            "  FROM (
                SELECT 'rule' AS kind, n.nspname || '.' || c.relname || ', rule ' || r.rulename AS label,
                       'it reads tenants'' rows, or a copy of them, with the rights of ' || w.rolname
                           AS what,
                       r.rulename, format('%I.%I', n.nspname, c.relname) AS quoted,
                       encode(sha256(convert_to(w.rolname || chr(10) || pg_get_ruledef(r.oid),
                                                'UTF8')), 'hex') AS digest
                  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                  JOIN pg_roles w ON w.oid = c.relowner
                 WHERE r.ev_type <> '1'
                   AND EXISTS (SELECT FROM reach q WHERE q.kind = 'w' AND q.oid = c.oid)
                   AND EXISTS (
                       SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                          AND d.refclassid = 'pg_class'::regclass
                          AND (d.refobjid IN (SELECT p.oid FROM copies p)
                               OR d.refobjid IN (SELECT h.oid FROM held h
                                                  WHERE w.rolsuper OR w.rolbypassrls
                                                     OR NOT (h.rls AND h.forced))
                               OR d.refobjid IN (SELECT s.oid FROM shown s
                                                  WHERE NOT s.through
                                                    AND (s.kept OR s.above OR NOT s.forced))))) i
              WHERE NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = i.label AND v.sha256 = i.digest)
              ORDER BY 2",
        )),
    },
];
