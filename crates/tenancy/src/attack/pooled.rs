//! Further attacks on the session: what another tenant's turn leaves in it, what sessions of one
//! role can do to each other, and other ways around the binding.

use store::literal;

use super::forge::forgeries;
use super::session::{BINDING, ROLE, SUPERUSER, denied, prepared, read, session, strike};
use super::victim::{Bound, Victim};
use super::{Binding, Expect, GONE, OnSession, Scene, Strike};
use crate::canary::Values;
use crate::census::ROW;

const POOL: &str = "let the pool run DISCARD ALL between two tenants";
const OWNER: &str = "revoke this right from the application's role";
const COUNTS: &str =
    "run the SQL of `amanah tenant lint`, or accept that it counts all tenants' rows";
const LEFT: &str =
    "what one tenant leaves in a pooled session is there for the next, as the card says";
const PLANTED: &str = "a statement that one tenant prepares in a pooled session, in the place of one \
                       that the driver keeps there, is run for the next, as the card says";
const COUNTING: &str = "it counts the rows of all tenants together, as the card says";
const SHARED: &str =
    "sessions of one database share it whatever their tenants are, as the card says";
const ENDING: &str = "sessions of the application can end each other; a superuser can close that, \
                      and none is known";
/// What the witness locks, as everybody can work it out who knows the mark.
const LOCKED: &str = "l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) | \
                      l.objid::bigint = pg_catalog.hashtextextended($1::text, 0)";

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[OnSession] = &[
    session("bind-in-block", "binds itself anew in a block that hides errors", BINDING, |s| {
        let tokens = forgeries(s).into_iter();
        tokens
            .map(|token| {
                let body = format!(
                    "BEGIN PERFORM amanah.bind({}); EXCEPTION WHEN OTHERS THEN NULL; END",
                    literal(&token)
                );
                prepared(read(s, Binding::Own, None), &[&format!("DO {}", literal(&body))])
            })
            .collect()
    }),
    session("set-in-savepoint", "sets a token that it made in a savepoint", BINDING, |s| {
        let tokens = forgeries(s).into_iter();
        tokens
            .map(|token| {
                let set = format!(
                    "SAVEPOINT amanah_probe; SELECT pg_catalog.set_config('amanah.token', {}, \
                     true); RELEASE SAVEPOINT amanah_probe",
                    literal(&token)
                );
                prepared(read(s, Binding::Own, None), &[&set])
            })
            .collect()
    }),
    session("set-in-function", "sets a token that it made for one function", BINDING, in_function),
    session("reset-role", "reads rows after giving its role up", ROLE, |s| {
        ["RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "SET LOCAL ROLE NONE"]
            .map(|setup| prepared(read(s, Binding::Own, None), &[setup]))
            .into()
    }),
    session("kept-plan", "has a statement run that was planned for the other", BINDING, kept_plan),
    session("left-cursor", "reads a cursor that the other left open", POOL, |s| {
        let Some(query) = theirs(s) else { return Vec::new() };
        let open = format!("DECLARE amanah_probe CURSOR WITH HOLD FOR {query}");
        vec![after(&open, "FETCH 1 FROM amanah_probe")]
    }),
    session("left-table", "reads a temporary table that the other left", POOL, |s| {
        let Some(query) = theirs(s) else { return Vec::new() };
        let make = format!("CREATE TEMPORARY TABLE amanah_probe AS {query}");
        vec![after(&make, "SELECT count(*) FROM pg_temp.amanah_probe")]
    }),
    session("left-statements", "reads the statements that the other prepared", POOL, |s| {
        let prepare = format!("PREPARE amanah_probe AS SELECT {}::text", literal(&s.mark()));
        let mut strike = after(
            &prepare,
            "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE statement LIKE $1::text",
        );
        strike.bound = vec![Some(format!("%{}%", s.mark()))];
        vec![strike]
    }),
    session("replaced-statement", "has a statement of its own run for the other", POOL, |s| {
        let Some(query) = mine(s) else { return Vec::new() };
        // By the name that a driver gives, and the other's next request executes it.
        let planted = format!("PREPARE amanah_probe AS SELECT count(*) FROM ({query}) AS x");
        vec![Strike { expect: Expect::Told(PLANTED), ..after(&planted, "EXECUTE amanah_probe") }]
    }),
    session("replication-role", "puts triggers and foreign keys to sleep", ROLE, |_| {
        vec![denied("SET LOCAL session_replication_role = replica")]
    }),
    session("signals", "ends another tenant's statement", SUPERUSER, signals),
    session("advisory-locks", "sees and takes what another locks", OWNER, |s| {
        vec![told(s, &format!("SELECT count(*) FROM pg_catalog.pg_locks l WHERE {LOCKED}"), SHARED)]
    }),
    session("listen", "listens on a channel of the others", OWNER, |_| {
        vec![shared("LISTEN amanah_probe".to_owned(), SHARED)]
    }),
    session("sequences", "counts rows by sequences", COUNTS, |_| {
        let sql = "SELECT count(*) FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL";
        vec![shared(sql.to_owned(), COUNTING)]
    }),
    session("set-sequences", "may set the sequences that all tenants draw from", OWNER, |s| {
        let mut bound = Bound::default();
        let owner = bound.add(Some(&s.protected.owner.url().user));
        // What its owner does with a sequence counts where somebody else's table draws from it.
        let sql = format!(
            "SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relkind = 'S' \
             AND c.oid >= 16384 AND c.relpersistence <> 't' \
             AND pg_catalog.has_sequence_privilege(current_user, c.oid, 'UPDATE') \
             AND (NOT pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER') \
                  OR pg_catalog.pg_get_userbyid(c.relowner) = {owner} \
                  OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
                       JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid \
                       JOIN pg_catalog.pg_class t ON t.oid = f.adrelid \
                      WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
                        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                        AND d.refobjid = c.oid AND t.relowner <> c.relowner))"
        );
        vec![strike(Binding::Own, sql, bound, Expect::Nothing(&[]))]
    }),
    session("sizes", "counts rows by the sizes of files", COUNTS, |s| {
        let Some(victim) = s.victims.iter().find(|v| v.rows) else { return Vec::new() };
        let mut bound = Bound::default();
        let table = bound.add(Some(&victim.held.table.quoted()));
        let sql = format!("SELECT pg_catalog.pg_table_size({table}::regclass)");
        vec![strike(Binding::Own, sql, bound, Expect::Told(COUNTING))]
    }),
    session("change-database", "changes what every session begins with", ROLE, |s| {
        let name = store::ident(&s.protected.name);
        vec![denied(&format!("ALTER DATABASE {name} SET row_security = off"))]
    }),
    session("publish", "publishes tables to elsewhere", OWNER, |_| {
        vec![denied("CREATE PUBLICATION amanah_probe")]
    }),
    session("make-schema", "makes a schema of its own", OWNER, |_| {
        vec![denied("CREATE SCHEMA amanah_probe")]
    }),
];

/// A function brings its own settings along; one that counts B's rows brings a token.
fn in_function(scene: &Scene<'_>) -> Vec<Strike> {
    let Some(query) = theirs(scene) else { return Vec::new() };
    let body = literal(&format!("SELECT count(*) FROM ({query}) AS x"));
    let tokens = forgeries(scene).into_iter();
    tokens
        .map(|token| {
            let make = format!(
                "CREATE FUNCTION pg_temp.amanah_probe() RETURNS bigint LANGUAGE sql \
                 SET amanah.token = {} AS {body}",
                literal(&token)
            );
            let sql = "SELECT pg_temp.amanah_probe()".to_owned();
            let refused = Expect::Nothing(&["28000"]);
            prepared(strike(Binding::Own, sql, Bound::default(), refused), &[&make])
        })
        .collect()
}

/// A plan that was made under B's binding, and is not made anew, must not hold B's tenant in it.
fn kept_plan(scene: &Scene<'_>) -> Vec<Strike> {
    let Some(query) = theirs(scene) else { return Vec::new() };
    let earlier = [
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        format!("PREPARE amanah_probe AS SELECT count(*) FROM ({query}) AS x"),
        "EXECUTE amanah_probe".to_owned(),
    ];
    let sql = "EXECUTE amanah_probe".to_owned();
    let strike = strike(Binding::Own, sql, Bound::default(), Expect::Nothing(GONE));
    vec![Strike { earlier: earlier.into(), ..strike }]
}

/// Whether it may, and what comes of it: the witness is between two statements, where being
/// cancelled does nothing. Nobody else is touched, in whatever order the conditions are asked.
/// Without a superuser nobody could have closed it.
fn signals(scene: &Scene<'_>) -> Vec<Strike> {
    let expect = if scene.protected.superuser.is_some() {
        Expect::Nothing(&[])
    } else {
        Expect::Told(ENDING)
    };
    let may = |function: &str| {
        let sql = format!(
            "SELECT pg_catalog.has_function_privilege(current_user, 'pg_catalog.{function}', \
             'EXECUTE')::int::bigint"
        );
        strike(Binding::Own, sql, Bound::default(), expect)
    };
    let sql = format!(
        "SELECT count(*) FROM pg_catalog.pg_locks l WHERE CASE WHEN {LOCKED} \
         AND l.pid <> pg_catalog.pg_backend_pid() THEN pg_catalog.pg_cancel_backend(l.pid) END"
    );
    let mut cancel = told(scene, &sql, ENDING);
    cancel.expect = expect;
    vec![may("pg_terminate_backend(integer, bigint)"), may("pg_cancel_backend(integer)"), cancel]
}

/// B's row of the first table that the application may read, as a query without parameters.
fn theirs(scene: &Scene<'_>) -> Option<String> {
    let victim = readable(scene)?;
    Some(query(victim, &victim.b))
}

/// The attacker's own.
fn mine(scene: &Scene<'_>) -> Option<String> {
    let victim = readable(scene)?;
    Some(query(victim, &victim.a))
}

fn readable<'s, 'a>(scene: &'s Scene<'a>) -> Option<&'s Victim<'a>> {
    scene.victims.iter().find(|v| v.rows && v.readable())
}

fn query(victim: &Victim<'_>, row: &Values) -> String {
    let is_it = victim.is(row, &mut Bound::spelled());
    let table = victim.held.table.quoted();
    format!("SELECT 1::bigint AS n FROM {table} AS {ROW} WHERE {is_it}")
}

/// What B does first in the same session, and what A does then.
fn after(earlier: &str, sql: &str) -> Strike {
    Strike { earlier: vec![earlier.to_owned()], ..shared(sql.to_owned(), LEFT) }
}

fn shared(sql: String, note: &'static str) -> Strike {
    strike(Binding::Own, sql, Bound::default(), Expect::Told(note))
}

/// A statement about B's mark.
fn told(scene: &Scene<'_>, sql: &str, note: &'static str) -> Strike {
    let mut bound = Bound::default();
    bound.add(Some(&scene.mark()));
    strike(Binding::Own, sql.to_owned(), bound, Expect::Told(note))
}
