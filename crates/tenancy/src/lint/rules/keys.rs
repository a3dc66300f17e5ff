//! Rules about keys that reach from one tenant into another.

use std::fmt::Write as _;

use store::{Table, ident};

use super::Severity::{Leak, Weak};
use super::Who::Owner;
use super::{Find, Found, Rule};
use crate::lint::facts::Facts;
use crate::{Belongs, Held, plan};

const FOREIGN: &str = "foreign keys without the tenant";
const UNIQUE: &str = "unique keys without the tenant";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AM301",
        title: "A foreign key leaves the tenant out",
        channel: FOREIGN,
        severity: Leak,
        why: "The check of a foreign key looks past row security. A row can point into another \
              tenant, and whether that is accepted tells if the other row is there.",
        who: Owner,
        find: Find::Shape(foreign_keys),
    },
    Rule {
        id: "AM302",
        title: "A foreign key points to a table that does not name its tenant",
        channel: FOREIGN,
        severity: Weak,
        why: "No foreign key can hold a tenant that the table it points to has no column for, so a \
              row can point into another tenant.",
        who: Owner,
        find: Find::Shape(nameless),
    },
    Rule {
        id: "AM303",
        title: "A unique key leaves the tenant out",
        channel: UNIQUE,
        severity: Leak,
        why: "\"Already taken\" tells one tenant what another has: an address, a name, a number.",
        who: Owner,
        find: Find::Shape(unique_keys),
    },
    Rule {
        id: "AM304",
        title: "A unique index on an expression, or an exclusion, leaves the tenant out",
        channel: UNIQUE,
        severity: Leak,
        why: "As a unique key does, it refuses a row for what another tenant has, and so tells it.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'index', h.label || ', index ' || x.relname,
                    'its unique index ' || x.relname || ' leaves the tenant out: \"already taken\" \
                     tells one tenant what another has',
                    format('DROP INDEX %s;' || chr(10) || 'CREATE UNIQUE INDEX %I ON %s USING %s \
                            (%s, %s)%s', x.oid::regclass, x.relname, h.quoted, m.amname, h.qcol,
                           (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', '
                                              ORDER BY k)
                              FROM generate_series(1, i.indnkeyatts) k),
                           COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid, true), ''))
               FROM pg_index i JOIN held h ON h.oid = i.indrelid
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_am m ON m.oid = x.relam
              WHERE i.indisunique AND NOT i.indisprimary AND NOT x.relispartition
                AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
                AND h.attnum IS NOT NULL AND h.attnum <> ALL (i.indkey::int2[])
                AND has_any_column_privilege($1::text, h.oid, 'INSERT, UPDATE')
             UNION ALL
             SELECT 'constraint', h.label || ', constraint ' || k.conname,
                    'its exclusion ' || k.conname || ' leaves the tenant out: a refusal tells one \
                     tenant what another has',
                    format('CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA %I;' || chr(10)
                           || 'ALTER TABLE %s DROP CONSTRAINT %I,' || chr(10)
                           || '  ADD CONSTRAINT %I %s', n.nspname, h.quoted, k.conname, k.conname,
                           regexp_replace(pg_get_constraintdef(k.oid), '\\(',
                                          '(' || replace(h.qcol, '\\', '\\\\') || ' WITH =, '))
               FROM pg_constraint k JOIN held h ON h.oid = k.conrelid
               JOIN pg_namespace n ON n.oid = h.space
              WHERE k.contype = 'x' AND k.conparentid = 0
                AND h.attnum IS NOT NULL AND h.attnum <> ALL (k.conkey)
                AND has_any_column_privilege($1::text, h.oid, 'INSERT, UPDATE')
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM305",
        title: "Deleting or changing a shared row reaches tenants' rows",
        channel: FOREIGN,
        severity: Leak,
        why: "The application may delete rows of a table that all tenants share, or change their keys, \
              and foreign keys carry that on, through other shared tables too, into the rows of \
              everybody: what a foreign key does looks past row security.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'constraint', h.label || ', foreign key ' || k.conname,
                    'when a row of ' || k.confrelid::regclass || ' '
                        || string_agg(CASE a.cause WHEN 'd' THEN 'goes' ELSE 'gets another key' END,
                                      ' or ' ORDER BY a.cause)
                        || ', and a tenant can bring that about, the rows of every tenant that point \
                           to it change',
                    format('ALTER TABLE %s DROP CONSTRAINT %I,' || chr(10)
                           || '  ADD CONSTRAINT %I %s', h.quoted, k.conname, k.conname,
                           regexp_replace(pg_get_constraintdef(k.oid),
                               ' ON (' || string_agg(CASE a.cause WHEN 'd' THEN 'DELETE'
                                                     ELSE 'UPDATE' END, '|')
                                   || ') (CASCADE|SET NULL|SET DEFAULT)( \\([^)]*\\))?', '', 'g'))
               FROM acted a JOIN held h ON h.oid = a.child
               JOIN pg_constraint k ON k.oid = a.oid
              WHERE k.conparentid = 0 AND a.parent NOT IN (SELECT oid FROM held)
              GROUP BY h.label, h.quoted, k.oid, k.conname, k.confrelid
              ORDER BY 2",
        ),
    },
    Rule {
        id: "AM306",
        title: "A sequence can be read",
        channel: "sequences",
        severity: Weak,
        why: "last_value tells how many rows all tenants have made together, and two looks tell how \
              fast. Using a sequence takes USAGE and not SELECT; keys that tell nothing are UUIDs.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'sequence', n.nspname || '.' || c.relname,
                    'the application may read it: it counts the rows of all tenants',
                    format('REVOKE SELECT ON SEQUENCE %I.%I FROM %s', n.nspname, c.relname,
                           string_agg(DISTINCT m.name, ', '))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              CROSS JOIN LATERAL aclexplode(COALESCE(c.relacl, acldefault('s', c.relowner))) x
               JOIN mine m ON m.oid = x.grantee
              WHERE c.relkind = 'S' AND x.privilege_type = 'SELECT' AND c.oid >= 16384
                AND c.relpersistence <> 't'
              GROUP BY 2, n.nspname, c.relname ORDER BY 2",
        ),
    },
    Rule {
        id: "AM307",
        title: "A sequence can be set",
        channel: "sequences",
        severity: Leak,
        why: "Sequences have no tenant. With setval() one tenant lets the numbers of all end, so that \
              nobody adds a row, or has them given out again. Drawing a number takes USAGE and not \
              UPDATE; GRANT ALL gives both.",
        who: Owner,
        find: Find::Sql(
            "SELECT 'sequence', n.nspname || '.' || c.relname,
                    'the application may set it: a tenant can stop or repeat the numbers of all',
                    concat_ws(';' || chr(10),
                        format('ALTER SEQUENCE %s OWNER TO ', c.oid::regclass)
                            || min(u.other::text) FILTER (WHERE x.grantee = c.relowner),
                        format('REVOKE UPDATE ON SEQUENCE %s FROM ', c.oid::regclass)
                            || string_agg(DISTINCT m.name, ', ')
                               FILTER (WHERE x.grantee <> c.relowner),
                        format('GRANT USAGE ON SEQUENCE %s TO ', c.oid::regclass)
                            || string_agg(DISTINCT m.name, ', ')
                               FILTER (WHERE x.grantee = c.relowner OR NOT u.uses))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              CROSS JOIN LATERAL aclexplode(COALESCE(c.relacl, acldefault('s', c.relowner))) x
               JOIN mine m ON m.oid = x.grantee
              CROSS JOIN LATERAL (
                    SELECT EXISTS (SELECT FROM aclexplode(c.relacl) y
                                    WHERE y.grantee = x.grantee AND y.privilege_type = 'USAGE'),
                           (SELECT t.relowner::regrole FROM pg_depend d
                              JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                              JOIN pg_class t ON t.oid = f.adrelid
                             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                               AND t.relowner NOT IN (SELECT o.oid FROM mine o)
                             LIMIT 1)) u(uses, other)
              WHERE c.relkind = 'S' AND x.privilege_type = 'UPDATE' AND c.oid >= 16384
                AND c.relpersistence <> 't'
                -- Its owner may do anything with it: that counts where somebody else draws from it.
                AND (x.grantee <> c.relowner OR u.other IS NOT NULL)
              GROUP BY c.oid, n.nspname, c.relname ORDER BY 2",
        ),
    },
];

fn found(kind: &str, object: String, what: String, fix: String) -> Found {
    Found { kind: kind.to_owned(), object, what, fix }
}

fn foreign_keys(facts: &Facts<'_>) -> Vec<Found> {
    let keys = facts.census.held.iter().flat_map(|held| {
        held.loose_keys(facts.census).map(move |(key, parent)| (held, key, parent))
    });
    keys.filter(|(held, key, _)| key.columns.iter().any(|c| facts.writes(held, c)))
        .map(|(held, key, parent)| {
            let what = format!(
                "its foreign key {} leaves the tenant out: a row can point into another tenant's \
                 {}",
                key.name,
                parent.table.label()
            );
            found("constraint", held.table.label(), what, plan::tying(held, key, parent))
        })
        .collect()
}

/// Keys to tables that belong to a tenant by their parents.
fn nameless(facts: &Facts<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    for held in &facts.census.held {
        for key in &held.table.foreign_keys {
            let Some(parent) = facts.census.find(&key.parent) else { continue };
            let itself = parent.table.label() == held.table.label();
            if parent.column().is_some() || (!itself && held.column().is_none()) {
                continue;
            }
            if let Some(fix) = naming(facts, parent) {
                let object = format!("{}, foreign key {}", held.table.label(), key.name);
                let what = format!(
                    "a row can point into another tenant, because {} has no column {}",
                    parent.table.label(),
                    facts.tenant_column
                );
                all.push(found("constraint", object, what, fix));
            }
        }
    }
    all
}

/// Gives a table the tenant of the rows that it points to.
fn naming(facts: &Facts<'_>, held: &Held) -> Option<String> {
    let Belongs::Parents(links) = &held.by else { return None };
    let (link, above, theirs) = links.iter().filter(|l| l.required).find_map(|link| {
        let above = facts.census.find(&link.parent)?;
        Some((link, above, above.column()?))
    })?;
    let kind = &above.table.column(theirs)?.sql_type;
    let (table, column) = (held.table.quoted(), ident(facts.tenant_column));
    let pairs = link.parent_columns.iter().zip(&link.columns);
    let joined: Vec<String> =
        pairs.map(|(p, c)| format!("p.{} = c.{}", ident(p), ident(c))).collect();
    let mut fix = format!("ALTER TABLE {table} ADD COLUMN {column} {kind};\n");
    // Writing to a `String` cannot fail. Where row security is forced, its owner would see no row.
    let _ = write!(
        fix,
        "{}UPDATE {table} c SET {column} = p.{} FROM {} p WHERE {};\n{}ALTER TABLE {table} ALTER \
         COLUMN {column} SET NOT NULL",
        switched(&[&held.table, &above.table], "NO FORCE"),
        ident(theirs),
        above.table.quoted(),
        joined.join(" AND "),
        switched(&[&held.table, &above.table], "FORCE"),
    );
    Some(fix)
}

fn switched(tables: &[&Table], word: &str) -> String {
    let forced = tables.iter().filter(|table| table.forced);
    forced.fold(String::new(), |mut all, table| {
        let _ = writeln!(all, "ALTER TABLE {} {word} ROW LEVEL SECURITY;", table.quoted());
        all
    })
}

fn unique_keys(facts: &Facts<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    for held in facts.census.held.iter().filter(|h| !h.table.partition) {
        for unique in held.loose_uniques(facts.census) {
            if !unique.columns.iter().any(|c| facts.writes(held, c)) {
                continue;
            }
            let Some(fix) = plan::widening(held, unique) else { continue };
            let what = format!(
                "its unique key {} leaves the tenant out: \"already taken\" tells one tenant what \
                 another has",
                unique.name
            );
            all.push(found("constraint", held.table.label(), what, fix));
        }
    }
    all
}
