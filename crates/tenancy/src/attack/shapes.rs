//! Further attacks that are made on every table: other shapes of a statement that reads, each of
//! which PostgreSQL plans in its own way, and errors that tell.

use store::literal;

use super::table::{always, attack, from, own, reading};
use super::victim::{Bound, Victim};
use super::{Expect, How, OnTable, SEEN, Scene, Strike};
use crate::census::ROW;

const PROTECT: &str = "run `amanah protect` again and apply its plan";
/// A server without XML says so; nothing was shown then.
const NO_XML: &str = "0A000";

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[OnTable] = &[
    attack("read-in-sublink", "asks for a row below EXISTS", PROTECT, |s, v| {
        reading(s, v, |from, b| format!("(SELECT 1 WHERE EXISTS (SELECT 1 {from} WHERE {b}))"))
    }),
    attack("read-by-recursion", "reads rows below a recursive CTE", PROTECT, |s, v| {
        reading(s, v, |from, b| {
            format!(
                "(WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT r.n + 1 FROM r \
                 CROSS JOIN LATERAL (SELECT 1 {from} WHERE {b}) AS x WHERE r.n < 1) \
                 SELECT * FROM r WHERE n > 0)"
            )
        })
    }),
    attack("read-in-window", "reads rows in a window", PROTECT, |s, v| {
        reading(s, v, |from, b| {
            format!("(SELECT count(*) OVER (ORDER BY {ROW}::text) {from} WHERE {b})")
        })
    }),
    attack("read-in-aggregate", "reads rows joined to one text", PROTECT, |s, v| {
        reading(s, v, |from, b| {
            format!("(SELECT string_agg({ROW}::text, ',') {from} WHERE {b} HAVING count(*) > 0)")
        })
    }),
    attack("read-only", "reads rows of the table without its children", PROTECT, |s, v| {
        reading(s, v, |from, b| format!("{} WHERE {b}", from.replacen("FROM", "FROM ONLY", 1)))
    }),
    attack("read-in-parallel", "reads rows in a worker of its own", PROTECT, in_parallel),
    attack("read-in-function", "reads rows in a function that is inlined", PROTECT, in_function),
    attack("read-in-block", "finds a row in a block of code", PROTECT, in_block),
    attack("read-as-xml", "has a row written as XML", PROTECT, as_xml),
    attack("error-text", "is told a row by the words of an error", PROTECT, |s, v| {
        telling(s, v, &format!("{ROW}::text::integer > 0"), "22P02")
    }),
    attack("divide-by-zero", "is told of a row by an error", PROTECT, |s, v| {
        telling(s, v, &format!("1 / (length({ROW}::text) * 0) > 0"), "22012")
    }),
    always("statistics-of-columns", "reads samples of several columns", PROTECT, |_, v| {
        ["pg_stats_ext", "pg_stats_ext_exprs"].map(|view| samples(v, view)).into()
    }),
];

/// A worker takes over the transaction's state, and the binding with it.
fn in_parallel(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let mut strikes = reading(scene, victim, |from, b| format!("{from} WHERE {b}"));
    for strike in &mut strikes {
        // The setting that makes every plan parallel has another name since PostgreSQL 16.
        strike.setup.push(
            "SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_setup_cost = 0; \
             SET LOCAL parallel_tuple_cost = 0; SET LOCAL max_parallel_workers_per_gather = 2; \
             SELECT pg_catalog.set_config(name, 'on', true) FROM pg_catalog.pg_settings \
             WHERE name IN ('force_parallel_mode', 'debug_parallel_query')"
                .to_owned(),
        );
    }
    strikes
}

/// PostgreSQL has forgotten the policies of a table in such a function (CVE-2023-2455).
fn in_function(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let table = victim.held.table.quoted();
    let make = format!(
        "CREATE FUNCTION pg_temp.amanah_probe() RETURNS SETOF {table} LANGUAGE sql STABLE AS {}",
        literal(&format!("SELECT * FROM {table}"))
    );
    let mut strikes =
        reading(scene, victim, |_, b| format!("FROM pg_temp.amanah_probe() AS {ROW} WHERE {b}"));
    for strike in &mut strikes {
        strike.setup.push(make.clone());
    }
    strikes
}

/// A block takes no parameters and returns nothing: it says what it saw.
fn in_block(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let is_b = victim.is(&victim.b, &mut Bound::spelled());
    let body = format!(
        "BEGIN IF EXISTS (SELECT 1 {} WHERE {is_b}) THEN RAISE EXCEPTION USING ERRCODE = \
         '{SEEN}'; END IF; END",
        from(victim)
    );
    let sql = format!("DO {}", literal(&body));
    vec![Strike { how: How::Touched, ..own(sql, Bound::default(), Expect::Nothing(&[])) }]
}

fn as_xml(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let is_b = victim.is(&victim.b, &mut Bound::spelled());
    let mut bound = Bound::default();
    let query = bound.add(Some(&format!("SELECT {ROW}.* {} WHERE {is_b}", from(victim))));
    let sql = format!(
        "SELECT (pg_catalog.strpos(pg_catalog.query_to_xml({query}, true, true, '')::text, \
         '<row') > 0)::int::bigint"
    );
    vec![own(sql, bound, Expect::Nothing(&[NO_XML]))]
}

/// Fails on B's row with `code`, if it comes to ask that one.
fn telling(scene: &Scene<'_>, victim: &Victim<'_>, fails: &str, code: &'static str) -> Vec<Strike> {
    let mark = scene.mark();
    if !victim.b.iter().flatten().any(|value| value.contains(&mark)) {
        return Vec::new();
    }
    let mut bound = Bound::default();
    let place = bound.add(Some(&format!("%{mark}%")));
    let sql = format!(
        "SELECT count(*) {} WHERE CASE WHEN {ROW}::text LIKE {place} THEN {fails} ELSE false END",
        from(victim)
    );
    vec![own(sql, bound, Expect::Silent(code))]
}

fn samples(victim: &Victim<'_>, view: &str) -> Strike {
    let mut bound = Bound::default();
    let schema = bound.add(Some(&victim.held.table.schema));
    let name = bound.add(Some(&victim.held.table.name));
    let sql = format!(
        "SELECT count(*) FROM pg_catalog.{view} WHERE schemaname = {schema} AND tablename = {name}"
    );
    own(sql, bound, Expect::Nothing(&[]))
}
