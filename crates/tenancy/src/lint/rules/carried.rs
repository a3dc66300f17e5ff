//! Rules about code that runs inside of what a foreign key does.
//!
//! PostgreSQL deletes and changes the rows that point to a row as the owner of their table, past FORCE
//! ROW LEVEL SECURITY. What of that table runs within the same statement runs there too: its triggers
//! BEFORE, its rules, and what it computes. Its triggers AFTER run as the caller again.

use super::Severity::Leak;
use super::Who::Owner;
use super::{Find, Rule};
use crate::lint::facts::or_declare;

const CARRIED: &str = "code inside of what a foreign key does";

/// Whether the words of a body are such that it may look into tables.
macro_rules! looks_into_tables {
    ($body:literal) => {
        concat!(
            "regexp_replace(",
            $body,
            ", '--[^\\n]*|/\\*.*?\\*/', '', 'g')
                 ~* '\\m(from|table|perform|execute|call|insert|update|delete|merge)\\M'"
        )
    };
}

/// Whether a trigger's function does nothing but set its own row, as one that keeps `updated_at` does:
/// its text has no word that reaches a table, as statement, in a text or in a comment, and names no
/// function that somebody has made; nor does the trigger's condition. The words that stand in other
/// places too are taken out first.
macro_rules! sets_its_own_row {
    () => {
        r"(f.prolang = (SELECT l.oid FROM pg_language l WHERE l.lanname = 'plpgsql')
           AND regexp_replace(f.body,
                   'IS\s+(NOT\s+)?DISTINCT\s+FROM|''(INSERT|UPDATE|DELETE|TRUNCATE)''', '', 'gi')
               !~* '\m(from|table|perform|execute|call|insert|update|delete|merge|select|copy|truncate|open|lock)\M|_to_xml'
           AND NOT EXISTS (SELECT FROM pg_proc o
                            WHERE o.oid >= 16384 AND strpos(lower(f.body), lower(o.proname)) > 0)
           AND (g.tgqual IS NULL
                OR NOT EXISTS (SELECT FROM pg_depend d
                                WHERE d.classid = 'pg_trigger'::regclass AND d.objid = g.oid
                                  AND d.refclassid = 'pg_proc'::regclass
                                  AND d.refobjid <> g.tgfoid)))"
    };
}

/// What a function is declared with as harmless there: another digest than that of being harmless with
/// its owner's rights.
macro_rules! digest {
    () => {
        "encode(sha256(convert_to(concat_ws(chr(10), 'in a foreign key', f.owner,
                                            pg_get_functiondef(f.oid)), 'UTF8')), 'hex')"
    };
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM241",
        title: "A trigger or rule runs inside of what a foreign key does",
        channel: CARRIED,
        severity: Leak,
        why: "What ON DELETE CASCADE, SET NULL and their like do, PostgreSQL does as the owner of the \
              table and past FORCE ROW LEVEL SECURITY. A BEFORE trigger or a rule of that table runs \
              inside, where each of its statements sees and changes the rows of every tenant. One whose \
              text plainly sets nothing but its own row is left out; another that is as harmless can be \
              declared. Triggers AFTER run as the caller again, and what they set is lost.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'trigger', i.label,
                    'a foreign key ' || i.does || ' rows of ' || i.relation
                        || ', and it runs inside of that, past row security',
                    format('-- One that is AFTER sets nothing: let a trigger of its own do that.'
                           || chr(10)
                           || 'DROP TRIGGER %I ON %s;' || chr(10) || 'CREATE TRIGGER %I AFTER%s',
                           i.tgname, i.quoted, i.tgname, i.rest)",
            or_declare!("i.declared", "i.digest"),
            "  FROM (
                SELECT n.nspname || '.' || c.relname || ', trigger ' || t.tgname AS label,
                       n.nspname || '.' || c.relname AS relation,
                       format('%I.%I', n.nspname, c.relname) AS quoted, t.tgname,
                       substr(pg_get_triggerdef(t.oid),
                              length(format('CREATE TRIGGER %I BEFORE', t.tgname)) + 1) AS rest,
                       f.label AS declared, ",
            digest!(),
            " AS digest,
                       string_agg(DISTINCT CASE a.event WHEN 'd' THEN 'deletes' ELSE 'changes' END,
                                  ' and ') AS does
                  FROM acted a
                  JOIN pg_class x ON x.oid = a.child
                  JOIN pg_trigger g ON g.tgrelid = x.oid
                  JOIN code f ON f.oid = g.tgfoid
                  -- A partition has the triggers of its parent, and they are changed there.
                  JOIN pg_trigger t
                    ON t.tgparentid = 0 AND t.tgname = g.tgname
                   AND (t.oid = g.oid
                        OR t.tgrelid IN (SELECT p.relid FROM pg_partition_ancestors(x.oid) p))
                  JOIN pg_class c ON c.oid = t.tgrelid
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype::int & 2 = 2
                   -- A row that leaves its partition is deleted there and added elsewhere.
                   AND g.tgtype::int & CASE WHEN a.event = 'd' THEN 8
                                            WHEN x.relispartition THEN 28 ELSE 16 END <> 0
                   AND (a.event = 'd' OR x.relispartition OR g.tgattr::text = ''
                        OR g.tgattr::int2[] && a.columns)
                   AND CASE WHEN f.prosecdef THEN f.proowner ELSE x.relowner END
                       IN (SELECT h.oid FROM hot h)
                   AND NOT ",
            sets_its_own_row!(),
            "
                 GROUP BY t.oid, t.tgname, n.nspname, c.relname, f.oid, f.label, f.owner) i
              WHERE NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = i.declared AND v.sha256 = i.digest)
             UNION ALL
             SELECT 'rule', i.label,
                    'a foreign key ' || i.does || ' rows of ' || i.relation
                        || ', and it runs inside of that, past row security',
                    format('DROP RULE %I ON %s', i.rulename, i.quoted)",
            or_declare!("i.label", "i.digest"),
            "  FROM (
                SELECT n.nspname || '.' || c.relname || ', rule ' || r.rulename AS label,
                       n.nspname || '.' || c.relname AS relation, r.rulename,
                       format('%I.%I', n.nspname, c.relname) AS quoted,
                       encode(sha256(convert_to(concat_ws(chr(10), 'in a foreign key', w.rolname,
                                                          pg_get_ruledef(r.oid)), 'UTF8')), 'hex')
                           AS digest,
                       string_agg(DISTINCT CASE a.event WHEN 'd' THEN 'deletes' ELSE 'changes' END,
                                  ' and ') AS does
                  FROM acted a JOIN pg_class c ON c.oid = a.child
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                  JOIN pg_roles w ON w.oid = c.relowner
                  JOIN pg_rewrite r ON r.ev_class = c.oid
                 WHERE r.ev_type::text = CASE a.event WHEN 'd' THEN '4' ELSE '2' END
                   AND r.ev_enabled <> 'D' AND c.relowner IN (SELECT h.oid FROM hot h)
                 GROUP BY r.oid, r.rulename, n.nspname, c.relname, w.rolname) i
              WHERE NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = i.label AND v.sha256 = i.digest)
              ORDER BY 2",
        )),
    },
    Rule {
        id: "AM242",
        title: "What is computed inside of what a foreign key does looks into tables",
        channel: CARRIED,
        severity: Leak,
        why: "A row that a foreign key changes is checked, computed and indexed anew as the owner of the \
              table and past FORCE ROW LEVEL SECURITY. A function that reads tables there answers with \
              the rows of every tenant, and the answer stays in the row or decides whether it is \
              refused.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT DISTINCT i.kind, i.label,
                    'it calls ' || i.declared || ', which looks into tables, past row security where a \
                     foreign key changes the row', i.fix",
            or_declare!("i.declared", "i.digest"),
            "  FROM (
                SELECT e.kind, n.nspname || '.' || c.relname || e.part AS label, e.fix,
                       f.label AS declared, ",
            digest!(),
            " AS digest
                  FROM acted a JOIN pg_class c ON c.oid = a.child
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 CROSS JOIN LATERAL (
                    SELECT 'constraint', ', constraint ' || k.conname, 'pg_constraint'::regclass, k.oid,
                           format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname,
                                  k.conname)
                      FROM pg_constraint k
                     WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conislocal
                    UNION ALL
                    SELECT 'column', ', column ' || t.attname, 'pg_attrdef'::regclass, d.oid,
                           format('ALTER TABLE %I.%I ALTER COLUMN %I DROP %s', n.nspname, c.relname,
                                  t.attname, CASE t.attgenerated WHEN '' THEN 'DEFAULT'
                                                                 ELSE 'EXPRESSION' END)
                      FROM pg_attrdef d
                      JOIN pg_attribute t ON t.attrelid = d.adrelid AND t.attnum = d.adnum
                      JOIN pg_constraint k ON k.oid = a.oid
                     WHERE d.adrelid = c.oid AND NOT c.relispartition
                       AND (t.attgenerated <> '' OR t.attnum = ANY (a.columns)
                            AND 'd' IN (k.confdeltype, k.confupdtype))
                    UNION ALL
                    SELECT 'index', ', index ' || x.relname, 'pg_class'::regclass, x.oid,
                           format('DROP INDEX %I.%I', n.nspname, x.relname)
                      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                     WHERE i.indrelid = c.oid AND NOT x.relispartition
                       AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
                 ) e(kind, part, class, oid, fix)
                  JOIN pg_depend d ON d.classid = e.class AND d.objid = e.oid
                                  AND d.refclassid = 'pg_proc'::regclass
                  JOIN code f ON f.oid = d.refobjid
                 WHERE a.event = 'u' AND ",
            looks_into_tables!("f.body"),
            "      AND CASE WHEN f.prosecdef THEN f.proowner ELSE c.relowner END
                       IN (SELECT h.oid FROM hot h)) i
              WHERE NOT EXISTS (SELECT FROM reviewed v
                                 WHERE v.object = i.declared AND v.sha256 = i.digest)
              ORDER BY 2",
        )),
    },
];
