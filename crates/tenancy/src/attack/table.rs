//! The attacks that are made on every table with tenants' rows.

use super::session::strike;
use super::victim::{Bound, Victim};
use super::{Attack, Binding, Expect, How, OnTable, SEEN, Scene, Strike, write};
use crate::census::ROW;

/// The most rows that an attack counts: enough to see a leak, few enough not to be a load.
const COUNTED: usize = 1_000;
const PROTECT: &str = "run `amanah protect` again and apply its plan";
const NO_RIGHT: &str = "revoke this right from the application's role; `amanah protect` plans it";

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[OnTable] = &[
    attack("read-by-key", "reads a row whose key it knows", PROTECT, |s, v| {
        reading(s, v, |from, b| format!("{from} WHERE {b}"))
    }),
    always("read-others", "lists rows that are not its own", PROTECT, |s, v| {
        vec![others(s, v, "")]
    }),
    attack("read-by-text", "finds rows by a text in them", PROTECT, by_text),
    always("read-by-place", "reads rows by their place in the file", PROTECT, |s, v| {
        vec![others(s, v, &format!("{ROW}.ctid >= '(0,0)'::tid AND "))]
    }),
    always("read-sample", "reads rows by sampling", PROTECT, sample),
    attack("read-in-cte", "reads rows below a materialised CTE", PROTECT, |s, v| {
        reading(s, v, |from, b| {
            format!("(WITH x AS MATERIALIZED (SELECT * {from}) SELECT * FROM x AS {ROW} WHERE {b})")
        })
    }),
    attack("read-in-lateral", "reads rows below a lateral join", PROTECT, |s, v| {
        reading(s, v, |from, b| {
            format!("FROM (SELECT 1) AS o CROSS JOIN LATERAL (SELECT 1 {from} WHERE {b}) AS i")
        })
    }),
    always("copy", "copies rows that are not its own", PROTECT, copy),
    attack("lock", "locks a row", PROTECT, |s, v| {
        reading(s, v, |from, b| format!("(SELECT 1 {from} WHERE {b} FOR UPDATE)"))
    }),
    attack("show-to-function", "has rows shown to its own function", PROTECT, to_function),
    attack("update", "changes a row", PROTECT, write::update),
    attack("delete", "deletes a row", PROTECT, write::delete),
    attack("insert-as-other", "adds a row in the other's name", PROTECT, write::insert_as_other),
    attack("give-away", "moves its own row to the other", PROTECT, write::give_away),
    attack("overwrite", "overwrites a row by INSERT … ON CONFLICT", PROTECT, write::overwrite),
    attack(
        "point-at",
        "points a row of its own at one of the other's, past the foreign key",
        "let the foreign key hold the tenant column; `amanah protect` plans it where it can",
        write::point_at,
    ),
    attack(
        "taken",
        "learns from a unique key what the other has",
        "put the tenant column first into the unique key",
        write::taken,
    ),
    always("truncate", "may empty the table", NO_RIGHT, |_, v| vec![right(v, "TRUNCATE")]),
    always("references", "may hang a foreign key on the table", NO_RIGHT, |_, v| {
        vec![right(v, "REFERENCES")]
    }),
    always("trigger", "may hang a trigger on the table", NO_RIGHT, |_, v| {
        vec![right(v, "TRIGGER")]
    }),
    always("switch-off", "switches row security off", NO_RIGHT, |_, v| {
        vec![denied(v, "ALTER TABLE {} DISABLE ROW LEVEL SECURITY")]
    }),
    always("own-policy", "adds a policy", NO_RIGHT, |_, v| {
        vec![denied(v, "CREATE POLICY amanah_probe ON {} USING (true)")]
    }),
    always("statistics", "reads the planner's samples of the values", PROTECT, statistics),
    always("explain", "counts rows by EXPLAIN", PROTECT, explain),
];

pub(super) const fn attack(
    name: &'static str,
    told: &'static str,
    fix: &'static str,
    build: fn(&Scene<'_>, &Victim<'_>) -> Vec<Strike>,
) -> OnTable {
    Attack { name, told, fix, needs_rows: true, build }
}

/// An attack that can be made on a table in which the canaries have no row.
pub(super) const fn always(
    name: &'static str,
    told: &'static str,
    fix: &'static str,
    build: fn(&Scene<'_>, &Victim<'_>) -> Vec<Strike>,
) -> OnTable {
    Attack { needs_rows: false, ..attack(name, told, fix, build) }
}

pub(super) fn own(sql: String, bound: Bound, expect: Expect) -> Strike {
    strike(Binding::Own, sql, bound, expect)
}

pub(super) fn from(victim: &Victim<'_>) -> String {
    format!("FROM {} AS {ROW}", victim.held.table.quoted())
}

/// Counts what `shape` makes of the table and of the condition that is B's row.
pub(super) fn reading(
    _: &Scene<'_>,
    victim: &Victim<'_>,
    shape: impl Fn(&str, &str) -> String,
) -> Vec<Strike> {
    let mut bound = Bound::default();
    let is_b = victim.is(&victim.b, &mut bound);
    let inner = shape(&from(victim), &is_b);
    let sql = if inner.starts_with('(') {
        format!("SELECT count(*) FROM {inner} AS x")
    } else {
        format!("SELECT count(*) {inner}")
    };
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

/// Counts rows that are not A's, with a condition before.
fn others(scene: &Scene<'_>, victim: &Victim<'_>, before: &str) -> Strike {
    let mut bound = Bound::default();
    bound.add(Some(scene.protected.canaries.0.as_str()));
    let mine = scene.census.owned(victim.held, ROW, 1);
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 {} WHERE {before}({mine}) IS NOT TRUE \
         LIMIT {COUNTED}) AS x",
        from(victim)
    );
    own(sql, bound, Expect::Nothing(&[]))
}

fn by_text(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mark = scene.mark();
    if !victim.b.iter().flatten().any(|value| value.contains(&mark)) {
        return Vec::new();
    }
    let mut bound = Bound::default();
    let place = bound.add(Some(&format!("%{mark}%")));
    let sql = format!("SELECT count(*) {} WHERE {ROW}::text LIKE {place}", from(victim));
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

/// COPY takes no parameters, so the attacker's own id is written into it.
fn copy(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let id = store::literal(scene.protected.canaries.0.as_str());
    let mine = scene.census.owned(victim.held, ROW, 1).replace("$1", &id);
    let sql = format!(
        "COPY (SELECT 1 {} WHERE ({mine}) IS NOT TRUE LIMIT {COUNTED}) TO STDOUT",
        from(victim)
    );
    vec![Strike { how: How::Copied, ..own(sql, Bound::default(), Expect::Nothing(&[])) }]
}

fn sample(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mut bound = Bound::default();
    bound.add(Some(scene.protected.canaries.0.as_str()));
    let mine = scene.census.owned(victim.held, ROW, 1);
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 {} TABLESAMPLE SYSTEM (100) WHERE ({mine}) IS NOT TRUE \
         LIMIT {COUNTED}) AS x",
        from(victim)
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

/// The cheapest function of all is asked first, unless the policy stands before it. The count is
/// made nought, since the function itself tells what it saw; but it has to be used, or the planner
/// leaves the table unread.
fn to_function(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mark = scene.mark();
    if !victim.b.iter().flatten().any(|value| value.contains(&mark)) {
        return Vec::new();
    }
    let body = format!(
        "BEGIN IF shown LIKE {} THEN RAISE EXCEPTION USING ERRCODE = '{SEEN}'; END IF; \
         RETURN true; END",
        store::literal(&format!("%{mark}%"))
    );
    let make = format!(
        "CREATE FUNCTION pg_temp.amanah_probe(shown text) RETURNS boolean LANGUAGE plpgsql \
         COST 0.0000001 AS {}",
        store::literal(&body)
    );
    let sql =
        format!("SELECT count(*) * 0 {} WHERE pg_temp.amanah_probe({ROW}::text)", from(victim));
    let mut strike = own(sql, Bound::default(), Expect::Nothing(&[]));
    strike.setup.push(make);
    vec![strike]
}

/// Asks for the right instead of using it: emptying a table would make everybody wait.
fn right(victim: &Victim<'_>, right: &str) -> Strike {
    let mut bound = Bound::default();
    let table = bound.add(Some(&victim.held.table.quoted()));
    let right = bound.add(Some(right));
    let sql = format!("SELECT has_table_privilege(current_user, {table}, {right})::int::bigint");
    own(sql, bound, Expect::Nothing(&[]))
}

/// A statement that only an owner may run; `{}` stands for the table.
pub(super) fn denied(victim: &Victim<'_>, sql: &str) -> Strike {
    let sql = sql.replace("{}", &victim.held.table.quoted());
    own(sql, Bound::default(), Expect::Refused(&["42501"]))
}

fn statistics(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mut bound = Bound::default();
    let schema = bound.add(Some(&victim.held.table.schema));
    let name = bound.add(Some(&victim.held.table.name));
    let sql = format!(
        "SELECT count(*) FROM pg_catalog.pg_stats WHERE schemaname = {schema} \
         AND tablename = {name}"
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

fn explain(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT 1 {}", from(victim));
    let note = "EXPLAIN tells how many rows all tenants have together, as the card says";
    vec![own(sql, Bound::default(), Expect::Declared(note))]
}
