//! Rules about tables with tenants' rows, and about the column that names the tenant.

use super::Severity::{Leak, Weak};
use super::Who::Owner;
use super::{Find, Found, Rule};
use crate::lint::facts::Facts;
use store::{Table, ident};

pub(super) const UNFIT: &str = "AM108";
pub(super) const VAGUE: &str = "AM109";

const NO_POLICY: &str = "tables without a policy";
const COLUMN: &str = "the column that names the tenant";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM101",
        title: "A table with tenants' rows has no row-level security",
        channel: NO_POLICY,
        severity: Leak,
        why: "Every statement reads and changes the rows of all tenants, and one forgotten WHERE \
              shows them. `amanah protect` plans the policies beside the switch; until there are \
              some, nobody but the owner sees a row.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'table', h.label, 'it has no row-level security: every tenant reads it whole',
                    'ALTER TABLE ' || h.quoted
                        || ' ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'
               FROM held h WHERE NOT h.rls AND NOT h.child",
        ),
    },
    Rule {
        id: "AM102",
        title: "Row-level security is not forced",
        channel: NO_POLICY,
        severity: Leak,
        why: "The owner of the table is not bound by its policies, and so are not its views and its \
              SECURITY DEFINER functions, whoever calls them.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'table', h.label,
                    'row-level security is not forced: the owner''s views and functions read \
                     every tenant',
                    'ALTER TABLE ' || h.quoted || ' FORCE ROW LEVEL SECURITY'
               FROM held h WHERE h.rls AND NOT h.forced",
        ),
    },
    Rule {
        id: "AM103",
        title: "A partition or a child can be reached past its parent's policies",
        channel: NO_POLICY,
        severity: Leak,
        why: "Policies of a parent hold for statements that name the parent. Whoever names the \
              partition, or the table that inherits, meets the policies of that one alone.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'table', h.label,
                    'it is part of another table and has no row-level security of its own: a \
                     statement that names it reads every tenant',
                    'ALTER TABLE ' || h.quoted
                        || ' ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'
               FROM held h WHERE NOT h.rls AND h.child",
        ),
    },
    Rule {
        id: "AM104",
        title: "The policies differ from what `amanah protect` made",
        channel: NO_POLICY,
        severity: Leak,
        why: "The conditions of the policies are compared with the plan, word by word: somebody has \
              changed or dropped one.",
        who: Owner,
        find: Find::Policies,
    },
    Rule {
        id: "AM105",
        title: "The tenant column may be empty",
        channel: COLUMN,
        severity: Weak,
        why: "A row without a tenant belongs to nobody. Foreign keys and unique keys that hold the \
              column are not checked for it, and a policy that lets such rows pass shows them to \
              all.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'column', h.label, 'its column ' || h.col || ' may be NULL',
                    format('ALTER TABLE %s ALTER COLUMN %s SET NOT NULL', h.quoted, h.qcol)
               FROM held h WHERE h.attnum IS NOT NULL AND NOT h.attnotnull AND NOT h.child",
        ),
    },
    Rule {
        id: "AM106",
        title: "The tenant column calls different texts equal",
        channel: COLUMN,
        severity: Leak,
        why: "Its collation is not deterministic: the name of one tenant can match another's, \
              which differs in case or accents alone.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'column', h.label,
                    'the collation of its column ' || h.col || ' calls different texts equal, so \
                     one tenant''s name can match another''s',
                    format('ALTER TABLE %s ALTER COLUMN %s TYPE %s COLLATE \"C\"', h.quoted,
                           h.qcol, h.coltype)
               FROM held h
               JOIN pg_collation k ON k.oid = h.attcollation AND NOT k.collisdeterministic
              WHERE NOT h.child",
        ),
    },
    Rule {
        id: "AM107",
        title: "No index begins with the tenant column",
        channel: "EXPLAIN counts the rows that a policy held back",
        severity: Weak,
        why: "Each statement reads the rows of all tenants to find those of one. It costs, its time \
              tells how much the others have, and EXPLAIN ANALYZE counts it: \"Rows Removed by \
              Filter\".",
        who: Owner,
        find: Find::Sql(
            "SELECT 'table', h.label, 'no index begins with ' || h.col,
                    format('CREATE INDEX ON %s (%s)', h.quoted, h.qcol)
               FROM held h
              WHERE h.attnum IS NOT NULL AND NOT h.child
                AND NOT EXISTS (SELECT FROM pg_index i
                                 WHERE i.indrelid = h.oid AND i.indkey[0] = h.attnum
                                   AND i.indpred IS NULL)",
        ),
    },
    Rule {
        id: UNFIT,
        title: "The tenant column has a type that cannot name a tenant",
        channel: COLUMN,
        severity: Leak,
        why: "Only uuid, smallint, integer, bigint, text and varchar are compared exactly with the \
              tenant of a binding. The table is not isolated until its column has one of them.",
        who: Owner,
        find: Find::Sql(concat!(
            "SELECT 'column', n.nspname || '.' || c.relname,
                    'its column ' || a.attname || ' has the type '
                        || format_type(a.atttypid, a.atttypmod)
                        || ', which cannot name a tenant: the table is not isolated',
                    format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE text USING %I::text',
                           n.nspname, c.relname, a.attname, a.attname)
               FROM named
               JOIN pg_attribute a ON a.attname = named.col AND a.attnum > 0
               JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
               JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_type t ON t.oid = a.atttypid
               JOIN pg_type b
                 ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
              WHERE NOT a.attisdropped AND NOT c.relispartition AND c.relpersistence <> 't'
                AND c.oid >= 16384
                AND (n.nspname, c.relname) NOT IN ",
            store::own_tables!(),
            "
                AND b.typname NOT IN ('uuid', 'int2', 'int4', 'int8', 'text', 'varchar')
              ORDER BY 2",
        )),
    },
    Rule {
        id: VAGUE,
        title: "A table points to tenants' rows, or to none",
        channel: "rows that belong to a tenant by their parents",
        severity: Leak,
        why: "It has no tenant column, and the columns by which its rows belong to a tenant may be \
              NULL. Whose such a row is cannot be told, so the table is not isolated.",
        who: Owner,
        find: Find::Shape(vague),
    },
    Rule {
        id: "AM110",
        title: "An index does not begin with the tenant column",
        channel: "EXPLAIN tells what the planner expects",
        severity: Weak,
        why: "For comparisons that tell nothing by themselves the planner looks at the ends of an index, \
              whatever the policies say, and EXPLAIN tells what it costs: the greatest value of all \
              tenants is found by halving. Behind the tenant column the ends are not looked at.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'index', h.label || ', index ' || x.relname,
                    'it does not begin with ' || h.col
                        || ': EXPLAIN tells the ends of what is in it, whoever''s they are',
                    format('DROP INDEX %s;' || chr(10) || 'CREATE INDEX %I ON %s (%s)%s',
                           x.oid::regclass, x.relname, h.quoted,
                           concat_ws(', ', h.qcol,
                               (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', '
                                                  ORDER BY k)
                                  FROM generate_series(1, i.indnkeyatts) k
                                 WHERE i.indkey[k - 1] <> h.attnum)),
                           COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid, true), ''))
               FROM pg_index i JOIN held h ON h.oid = i.indrelid
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
              WHERE NOT i.indisunique AND NOT x.relispartition
                AND h.attnum IS NOT NULL AND i.indkey[0] <> h.attnum
              ORDER BY 2",
        ),
    },
];

/// The key that may be empty can lie in a table above: it is mended there.
fn vague(facts: &Facts<'_>) -> Vec<Found> {
    let find = |label: &str| facts.tables.iter().find(|t| t.label() == *label);
    let each = facts.census.vague.iter().filter_map(|(label, why)| {
        let (_, fix) = mend(facts, find(label)?, facts.census.vague.len())?;
        let what = format!("it is not isolated: {why}");
        Some(Found { kind: "table".to_owned(), object: label.clone(), what, fix })
    });
    each.collect()
}

/// The table whose columns may be empty, and the statement. At most `depth` tables are climbed.
fn mend<'t>(facts: &Facts<'t>, table: &'t Table, depth: usize) -> Option<(&'t Table, String)> {
    let vague = |label: &String| facts.census.vague.iter().any(|(vague, _)| vague == label);
    let empty = |name: &&String| table.column(name).is_some_and(|c| !c.not_null);
    for key in &table.foreign_keys {
        let above = format!("{}.{}", key.parent.0, key.parent.1);
        if facts.census.find(&key.parent).is_none() && !vague(&above) {
            continue;
        }
        let each: Vec<String> = key
            .columns
            .iter()
            .filter(empty)
            .map(|c| format!("ALTER COLUMN {} SET NOT NULL", ident(c)))
            .collect();
        if !each.is_empty() {
            return Some((table, format!("ALTER TABLE {} {}", table.quoted(), each.join(", "))));
        }
        let parent = facts.tables.iter().find(|t| t.label() == above)?;
        if depth > 0
            && let Some(found) = mend(facts, parent, depth - 1)
        {
            return Some(found);
        }
    }
    None
}
