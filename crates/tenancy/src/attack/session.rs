//! The attacks that are made on the binding and on the session, once for each database.

use kernel::Scope;

use super::forge::forgeries;
use super::victim::Bound;
use super::{Attack, Binding, Expect, How, OnSession, SEEN, Scene, Strike};
use crate::canary;
use crate::census::ROW;
use crate::form::PARAMETER;

const REFUSED: &str = "28000";
const BIND: &str = "SELECT amanah.bind($1::text)";
pub(super) const BINDING: &str =
    "restore schema amanah: the binding must be verified at every statement";
const KEPT: &str = "REVOKE SET ON PARAMETER backtrace_functions from the application's role";
pub(super) const ROLE: &str =
    "let the application log in as an ordinary role that belongs to no other";
pub(super) const SUPERUSER: &str = "run the superuser's steps of `amanah protect`";
const OWNER: &str = "revoke this right from the application's role";

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[OnSession] = &[
    session("no-binding", "reads rows without a binding", BINDING, |s| {
        vec![read(s, Binding::Missing, None)]
    }),
    session("empty-binding", "reads rows with an empty binding", BINDING, |s| {
        vec![read(s, Binding::Own, Some(("amanah.token", String::new())))]
    }),
    session("bind-forged", "binds itself with a token that it made", BINDING, |s| {
        forgeries(s).into_iter().map(|token| bind(Binding::Missing, &token)).collect()
    }),
    session("bind-again", "binds itself anew in its own transaction", BINDING, bind_again),
    session("inject-setting", "reads rows after one injected SELECT", BINDING, |s| {
        let tokens = forgeries(s).into_iter();
        tokens.map(|token| read(s, Binding::Own, Some(("amanah.token", token)))).collect()
    }),
    session("inject-other-setting", "reads rows by a setting's name", BINDING, |s| {
        let b = s.protected.canaries.1.as_str();
        ["amanah.tenant", "app.tenant_id", "app.current_tenant", "request.jwt.claims"]
            .map(|name| read(s, Binding::Own, Some((name, b.to_owned()))))
            .into()
    }),
    session("forge-kept", "writes what the server keeps of a binding", KEPT, forge_kept),
    session("reset-setting", "reads rows after resetting its binding", BINDING, |s| {
        ["RESET amanah.token", "RESET ALL", "SET amanah.token TO DEFAULT"]
            .map(|setup| prepared(read(s, Binding::Own, None), &[setup]))
            .into()
    }),
    session("shadow-functions", "puts its own functions before the server's", BINDING, shadow),
    session("shadow-type", "runs its own code with the owner's rights", BINDING, shadow_type),
    session("row-security-off", "reads rows with row_security off", BINDING, |s| {
        vec![prepared(read(s, Binding::Own, None), &["SET LOCAL row_security = off"])]
    }),
    session("write-for-reading", "writes with a binding for reading", BINDING, write_for_reading),
    session("read-keys", "reads the keys of bindings", BINDING, |_| {
        vec![denied("SELECT count(*)::text FROM amanah.binding_key")]
    }),
    session("call-inner", "calls the functions below the binding", BINDING, |_| {
        vec![denied("SELECT amanah.open_token('x')")]
    }),
    session("key-in-source", "finds a key in a function's source", BINDING, |_| {
        let sql = "SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n \
                   ON n.oid = p.pronamespace WHERE n.nspname = 'amanah' \
                   AND p.prosrc ~* '[0-9a-f]{64}'";
        vec![nothing(sql)]
    }),
    session("replace-binding", "replaces a function of the binding", BINDING, |_| {
        vec![
            denied(
                "CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS text LANGUAGE sql \
                 AS $$SELECT 'x'$$",
            ),
            denied("ALTER FUNCTION amanah.open_token(text) OWNER TO CURRENT_USER"),
            denied("ALTER FUNCTION amanah.current_tenant() SECURITY INVOKER"),
            denied("CREATE TABLE amanah.probe ()"),
        ]
    }),
    session("become-owner", "becomes the owner of the tables", ROLE, become_owner),
    session("privileged-role", "belongs to a role that no policy binds", ROLE, |_| {
        vec![nothing(PRIVILEGED)]
    }),
    session("role-attributes", "may make roles or replicate the database", ROLE, |_| {
        let sql = "SELECT count(*) FROM pg_catalog.pg_roles r \
                   WHERE pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER') \
                   AND (r.rolreplication OR r.rolcreaterole)";
        vec![nothing(sql)]
    }),
    // Some rights of the application's role are not passed on to members: BYPASSRLS is one.
    session("as-the-role", "reads rows as the application's role itself", ROLE, |s| {
        let role = store::ident(&s.protected.app_role);
        let become_it = format!("SET LOCAL ROLE {role}");
        vec![prepared(read(s, Binding::Own, None), &[&become_it])]
    }),
    session("read-server", "reads the server's own tables and files", ROLE, |_| {
        vec![
            denied("SELECT count(*)::text FROM pg_catalog.pg_authid"),
            denied("SELECT count(*)::text FROM pg_catalog.pg_statistic"),
            denied("SELECT count(*)::text FROM pg_catalog.pg_largeobject"),
            denied("SELECT pg_catalog.pg_read_file('postgresql.conf')"),
            denied("SELECT pg_catalog.lo_import('/dev/null')::text"),
            denied("COPY (SELECT 1) TO PROGRAM 'true'"),
            denied("COPY (SELECT 1) TO '/dev/null'"),
        ]
    }),
    session("foreign-servers", "may use a foreign server", ROLE, |_| {
        let sql = "SELECT count(*) FROM pg_catalog.pg_foreign_server s \
                   WHERE pg_catalog.has_server_privilege(s.oid, 'USAGE')";
        vec![nothing(sql)]
    }),
    session("make-objects", "may make objects in a schema", OWNER, make_objects),
    session("other-sessions", "sees another session's statement", SUPERUSER, other_sessions),
    session("change-own-settings", "changes how later sessions begin", ROLE, |_| {
        ["statement_timeout = '1ms'", "row_security = off", "standard_conforming_strings = off"]
            .map(|set| told(&format!("ALTER ROLE CURRENT_USER SET {set}"), OWN_SETTINGS))
            .into()
    }),
    session("change-own-password", "changes the password of its login", ROLE, |_| {
        vec![told("ALTER ROLE CURRENT_USER PASSWORD 'x'", OWN_PASSWORD)]
    }),
    session(
        "large-objects",
        "reads large objects, which belong to no tenant",
        "keep files outside the database, or in a bytea column",
        |_| vec![nothing("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")],
    ),
    session(
        "views",
        "reads rows through a view",
        "ALTER VIEW … SET (security_invoker = true); revoke materialised views",
        views,
    ),
];

/// What is declared of a schema in which everything is the application's.
const OWN_SCHEMA: &str = "it is the application's own, with all that is in it, and no search path in the \
                          catalogue names it: one that the application sets by itself may not either";

/// What is declared of two good tokens.
const BOTH: &str = "who holds good tokens of two tenants can empty the binding of the one by RESET ALL \
                    and bind the other, as the card says";
/// What is declared of a role's own settings.
const OWN_SETTINGS: &str = "PostgreSQL lets every role change its own settings: an injected \
                            statement can, and the next proof finds what it left (AM447)";
/// And of its own password.
const OWN_PASSWORD: &str = "PostgreSQL lets every role change its own password: an injected \
                            statement can, and shuts the application out until it is set again";

/// Roles that read past the policies, or reach the server's files or programs.
const PRIVILEGED: &str = "
SELECT count(*) FROM pg_catalog.pg_roles r
 WHERE pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
   AND (r.rolsuper OR r.rolbypassrls
        OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files',
                         'pg_execute_server_program', 'pg_read_all_stats', 'pg_monitor'))";

pub(super) const fn session(
    name: &'static str,
    told: &'static str,
    fix: &'static str,
    build: fn(&Scene<'_>) -> Vec<Strike>,
) -> OnSession {
    Attack { name, told, fix, needs_rows: false, build }
}

pub(super) fn strike(binding: Binding, sql: String, bound: Bound, expect: Expect) -> Strike {
    Strike {
        object: None,
        binding,
        earlier: Vec::new(),
        setup: Vec::new(),
        sql,
        bound: bound.0,
        how: How::Rows,
        fresh: false,
        expect,
    }
}

pub(super) fn denied(sql: &str) -> Strike {
    strike(Binding::Own, sql.to_owned(), Bound::default(), Expect::Refused(&["42501"]))
}

fn nothing(sql: &str) -> Strike {
    strike(Binding::Own, sql.to_owned(), Bound::default(), Expect::Nothing(&[]))
}

fn told(sql: &str, note: &'static str) -> Strike {
    strike(Binding::Own, sql.to_owned(), Bound::default(), Expect::Told(note))
}

pub(super) fn prepared(mut strike: Strike, setup: &[&str]) -> Strike {
    strike.setup.extend(setup.iter().map(|sql| (*sql).to_owned()));
    strike
}

fn bind(binding: Binding, token: &str) -> Strike {
    let mut bound = Bound::default();
    bound.add(Some(token));
    strike(binding, BIND.to_owned(), bound, Expect::Refused(&[REFUSED]))
}

/// Also after everything that a session can set is reset, and with it what is kept of the binding: then
/// a good token of another tenant binds anew, and no other does.
fn bind_again(scene: &Scene<'_>) -> Vec<Strike> {
    let emptied = |token: &str| prepared(bind(Binding::Own, token), &["RESET ALL"]);
    // A good token of another tenant too, as when one session serves two requests.
    let theirs = theirs(scene);
    let tokens = forgeries(scene);
    let plain = tokens.iter().chain([&theirs]).map(|token| bind(Binding::Own, token));
    let forged = tokens.iter().map(|token| emptied(token));
    let both = Strike { expect: Expect::Told(BOTH), ..emptied(&theirs) };
    plain.chain(forged).chain([both]).collect()
}

/// A good token of B.
fn theirs(scene: &Scene<'_>) -> String {
    let (b, database) = (&scene.protected.canaries.1, &scene.protected.name);
    let token = canary::token(scene.key, b, Scope::ReadWrite, database, scene.clock.now());
    token.expose().to_owned()
}

/// Counts B's rows in all tables at once, with a setting changed in the very same SELECT, as
/// injected SQL would.
pub(super) fn read(scene: &Scene<'_>, binding: Binding, setting: Option<(&str, String)>) -> Strike {
    let mut bound = Bound::default();
    let first = setting.map_or_else(
        || "SELECT ''::text AS s".to_owned(),
        |(name, value)| {
            let (name, value) = (bound.add(Some(name)), bound.add(Some(&value)));
            format!("SELECT set_config({name}, {value}, true) AS s")
        },
    );
    let counts: Vec<String> = scene
        .victims
        .iter()
        .filter(|v| v.rows && v.readable())
        .map(|v| {
            let is_b = v.is(&v.b, &mut bound);
            let table = v.held.table.quoted();
            format!(
                "(SELECT count(*) FROM {table} AS {ROW} WHERE (SELECT s FROM x) IS NOT NULL AND \
                 {is_b})"
            )
        })
        .collect();
    let counts = if counts.is_empty() { "0::bigint".to_owned() } else { counts.join(" + ") };
    let sql = format!("WITH x AS MATERIALIZED ({first}) SELECT {counts}");
    strike(binding, sql, bound, Expect::Nothing(&[REFUSED]))
}

/// Functions of the attacker's own in front of the server's would let an expired token pass, if the
/// verification trusted the search path.
fn shadow(scene: &Scene<'_>) -> Vec<Strike> {
    let setup = [
        "CREATE SCHEMA amanah_probe",
        "CREATE FUNCTION amanah_probe.statement_timestamp() RETURNS timestamptz LANGUAGE sql \
         AS $$SELECT '2000-01-01'::timestamptz$$",
        "CREATE FUNCTION amanah_probe.differ(bytea, bytea) RETURNS boolean LANGUAGE sql \
         AS $$SELECT false$$",
        "CREATE OPERATOR amanah_probe.<> (LEFTARG = bytea, RIGHTARG = bytea, \
         FUNCTION = amanah_probe.differ)",
        "SET LOCAL search_path = amanah_probe, pg_catalog",
    ];
    let tokens = forgeries(scene).into_iter();
    tokens.map(|token| prepared(bind(Binding::Own, &token), &setup)).collect()
}

/// A type of the attacker's own, whose check is code of its own, in the place where PostgreSQL
/// looks first when a path does not name it. If a function of the binding meant it, that code would
/// run with the owner's rights and could read the keys.
fn shadow_type(_: &Scene<'_>) -> Vec<Strike> {
    let leak = format!(
        "CREATE FUNCTION pg_temp.amanah_probe(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS \
         $$BEGIN IF current_user <> session_user THEN RAISE EXCEPTION USING ERRCODE = '{SEEN}'; \
         END IF; RETURN true; END$$"
    );
    let setup = [
        &leak,
        "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.amanah_probe(VALUE))",
        "SET LOCAL amanah.token = 'x'",
    ];
    let calls = [
        "current_tenant()",
        "current_actor()",
        "may_write()",
        "reading_tenant()",
        "writing_tenant()",
        "bind('x')",
    ];
    let each = calls.map(|call| {
        let sql = format!("SELECT amanah.{call}::pg_catalog.text");
        let refused = Expect::Refused(&[REFUSED]);
        let strike = strike(Binding::Missing, sql, Bound::default(), refused);
        Strike { fresh: true, ..prepared(strike, &setup) }
    });
    each.into()
}

/// Where the cluster allows it, the server keeps what a token says in a parameter. An attacker who
/// could write there would need no token; so each way to write is tried, whatever the form.
fn forge_kept(scene: &Scene<'_>) -> Vec<Strike> {
    let hex = kernel::hex(scene.protected.canaries.1.as_str().as_bytes());
    let value = format!("amb1_9999999999_rw_{hex}_78");
    let setting = Some((PARAMETER, value.clone()));
    let (mine, none) = (Binding::Own, Binding::Missing);
    let statements = [
        format!("SET LOCAL {PARAMETER} = {value}"),
        format!("RESET {PARAMETER}"),
        format!("ALTER ROLE CURRENT_USER SET {PARAMETER} = {value}"),
        format!("UPDATE pg_catalog.pg_settings SET setting = '{value}' WHERE name = '{PARAMETER}'"),
        format!(
            "CREATE FUNCTION pg_temp.amanah_kept() RETURNS pg_catalog.text LANGUAGE sql \
             SET {PARAMETER} = {value} AS 'SELECT amanah.current_tenant()'"
        ),
        "CREATE FUNCTION pg_temp.amanah_kept() RETURNS pg_catalog.text LANGUAGE sql \
         SET backtrace_functions FROM CURRENT AS 'SELECT amanah.current_tenant()'"
            .to_owned(),
    ];
    let mut all: Vec<Strike> = statements.iter().map(|sql| denied(sql)).collect();
    all.push(read(scene, none, setting.clone()));
    all.push(read(scene, mine, setting));
    all
}

fn write_for_reading(scene: &Scene<'_>) -> Vec<Strike> {
    let victims = scene.victims.iter().filter(|v| v.rows);
    victims
        .filter_map(|victim| {
            let column = victim.writable().filter(|c| victim.may_update(c)).map(store::ident)?;
            let mut bound = Bound::default();
            let is_a = victim.is(&victim.a, &mut bound);
            let table = victim.held.table.quoted();
            let sql = format!(
                "WITH hit AS (UPDATE {table} AS {ROW} SET {column} = {column} WHERE {is_a} \
                 RETURNING 1) SELECT count(*) FROM hit"
            );
            let expect = Expect::Refused(&["42501"]);
            let mut strike = strike(Binding::OwnForReading, sql, bound, expect);
            strike.object = Some(victim.held.table.label());
            Some(strike)
        })
        .collect()
}

fn become_owner(scene: &Scene<'_>) -> Vec<Strike> {
    let owner = store::ident(&scene.protected.owner.url().user);
    vec![
        denied(&format!("SET ROLE {owner}")),
        denied(&format!("SET SESSION AUTHORIZATION {owner}")),
        denied(&format!("GRANT {owner} TO CURRENT_USER")),
    ]
}

/// The right, or the schema itself, whose owner can give itself the right.
fn make_objects(scene: &Scene<'_>) -> Vec<Strike> {
    let each = scene.schemas.iter().map(|(schema, meant)| {
        let mut bound = Bound::default();
        let place = bound.add(Some(schema));
        let sql = format!(
            "SELECT count(*) FROM pg_catalog.pg_namespace n WHERE n.nspname = {place} \
             AND (pg_catalog.has_schema_privilege(current_user, n.oid, 'CREATE') \
                  OR pg_catalog.pg_has_role(current_user, n.nspowner, 'MEMBER'))"
        );
        let expect = if *meant { Expect::Nothing(&[]) } else { Expect::Told(OWN_SCHEMA) };
        let mut strike = strike(Binding::Own, sql, bound, expect);
        strike.object = Some(format!("schema {schema}"));
        strike
    });
    each.collect()
}

/// Another session of the same role stands open with a statement that holds B's mark.
fn other_sessions(scene: &Scene<'_>) -> Vec<Strike> {
    let statements = [
        "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE query LIKE $1::text \
         AND pid <> pg_catalog.pg_backend_pid()",
        "SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) WHERE query LIKE $1::text \
         AND pid <> pg_catalog.pg_backend_pid()",
        "SELECT count(*) FROM pg_catalog.pg_stat_get_backend_idset() AS s \
         WHERE pg_catalog.pg_stat_get_backend_activity(s) LIKE $1::text \
         AND pg_catalog.pg_stat_get_backend_pid(s) <> pg_catalog.pg_backend_pid()",
    ];
    let each = statements.map(|sql| {
        let mut bound = Bound::default();
        bound.add(Some(&format!("%{}%", scene.mark())));
        strike(Binding::Own, sql.to_owned(), bound, Expect::Nothing(&[]))
    });
    each.into()
}

fn views(scene: &Scene<'_>) -> Vec<Strike> {
    let each = scene.views.iter().map(|view| {
        let mut bound = Bound::default();
        let place = bound.add(Some(&format!("%{}%", scene.mark())));
        let sql =
            format!("SELECT count(*) FROM {} AS {ROW} WHERE {ROW}::text LIKE {place}", view.quoted);
        let mut strike = strike(Binding::Own, sql, bound, Expect::Nothing(&[]));
        strike.object = Some(view.label.clone());
        strike
    });
    each.collect()
}
