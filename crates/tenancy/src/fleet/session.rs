//! The attacks that are made from the attacker's own database, as data.

use store::{ident, literal};

use super::scene::{Scene, lock_of};
use crate::attack::Expect;

/// One attack.
pub(super) struct Attack {
    /// Its name in the matrix.
    pub(super) name: &'static str,
    /// What the reader is told when it got through.
    pub(super) told: &'static str,
    /// What to do then.
    pub(super) fix: &'static str,
    /// Its statements; each is made in a transaction of its own that is rolled back.
    pub(super) build: fn(&Scene<'_>) -> Vec<Shot>,
}

/// One statement, and what it must come to.
pub(super) struct Shot {
    /// Run before it, in the same transaction.
    pub(super) setup: Vec<String>,
    pub(super) sql: String,
    pub(super) expect: Expect,
}

const ROLE: &str =
    "take the role out of every other, with REVOKE, and its attributes with ALTER ROLE";
const OUT: &str =
    "drop what leads out of the database: foreign servers, dblink, untrusted languages";
const NAMES: &str = "take tenants' names out of the names and comments of databases and roles";

/// What is not there to be attacked is held: undefined function, undefined object, no such file,
/// an extension that is not installed, a feature that is switched off.
const ABSENT: [&str; 5] = ["42883", "42704", "58P01", "0A000", "55000"];
const DENIED: &[&str] = &["42501"];
const DENIED_OR_ABSENT: &[&str] = &["42501", ABSENT[0], ABSENT[1], ABSENT[2], ABSENT[3], ABSENT[4]];
/// A snapshot, a large object or a table of another database.
const ELSEWHERE: &[&str] = &["22023", "42704", "0A000", "58P01"];

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[Attack] = &[
    attack("set-role", "takes another tenant's role", ROLE, |s| {
        let (group, login) = (ident(s.victim.name()), ident(&s.theirs.url.user));
        vec![denied(format!("SET ROLE {group}")), denied(format!("SET ROLE {login}"))]
    }),
    attack("set-owner", "takes the role of the tables' owner", ROLE, |s| {
        let owner = ident(&s.cell.owner.user);
        vec![denied(format!("SET ROLE {owner}"))]
    }),
    attack("set-session", "becomes another tenant's login", ROLE, |s| {
        vec![denied(format!("SET SESSION AUTHORIZATION {}", ident(&s.theirs.url.user)))]
    }),
    attack("grant-role", "makes itself a member of another tenant's role", ROLE, |s| {
        let (group, me) = (ident(s.victim.name()), ident(&s.mine.url.user));
        both(&format!("GRANT {group} TO {me}"))
    }),
    attack("grant-connect", "lets itself into another tenant's database", ROLE, |s| {
        let (database, me) = (ident(s.victim.name()), ident(&s.mine.url.user));
        both(&format!("GRANT CONNECT ON DATABASE {database} TO {me}"))
    }),
    attack("change-password", "gives another tenant's login a password", ROLE, |s| {
        both(&format!("ALTER ROLE {} PASSWORD 'amanah'", ident(&s.theirs.url.user)))
    }),
    attack("create-role", "makes a role", ROLE, |_| both("CREATE ROLE amanah_attack")),
    attack("take-database", "takes another tenant's database", ROLE, |s| {
        let (database, me) = (ident(s.victim.name()), ident(&s.mine.url.user));
        vec![
            denied(format!("ALTER DATABASE {database} OWNER TO {me}")),
            denied(format!("ALTER DATABASE {database} SET search_path = pg_temp")),
            denied(format!("ALTER DATABASE {database} CONNECTION LIMIT 0")),
            denied(format!("COMMENT ON DATABASE {database} IS 'amanah'")),
        ]
    }),
    attack("read-passwords", "reads the server's password verifiers", ROLE, |_| {
        let tables = ["pg_authid", "pg_shadow"].map(|t| format!("pg_catalog.{t}"));
        tables.iter().flat_map(|t| both(&format!("SELECT count(*) FROM {t}"))).collect()
    }),
    attack("read-file", "reads files of the server", ROLE, |_| {
        let calls = [
            "pg_read_file('PG_VERSION')",
            "pg_read_binary_file('PG_VERSION')",
            "pg_stat_file('PG_VERSION')",
            "pg_ls_dir('base')",
            "pg_ls_logdir()",
            "pg_ls_waldir()",
            "pg_ls_tmpdir()",
            "lo_import('PG_VERSION')",
        ];
        calls.map(|call| denied(format!("SELECT pg_catalog.{call}"))).into()
    }),
    attack("plant", "makes objects that another session may run into", ROLE, |_| {
        vec![
            denied("CREATE TEMP TABLE amanah_attack (a text)".to_owned()),
            denied("CREATE TABLE public.amanah_attack (a text)".to_owned()),
            denied("CREATE SCHEMA amanah_attack".to_owned()),
            denied(
                "CREATE EVENT TRIGGER amanah ON ddl_command_start EXECUTE FUNCTION now()"
                    .to_owned(),
            ),
            denied("CREATE PUBLICATION amanah FOR ALL TABLES".to_owned()),
            denied("DELETE FROM amanah.applied".to_owned()),
        ]
    }),
    attack("write-file", "writes files of the server", ROLE, |s| {
        vec![
            denied("COPY (SELECT 1) TO '/tmp/amanah-attack'".to_owned()),
            denied(format!("SELECT pg_catalog.lo_export({}, '/tmp/amanah-attack')", s.blob)),
        ]
    }),
    attack("run-program", "runs programs on the server", ROLE, |_| {
        // One that does not read to the end would fail by itself when it was let through.
        vec![denied("COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'".to_owned())]
    }),
    attack("load-code", "brings code into the server", OUT, |_| {
        let c = "CREATE FUNCTION public.amanah_attack() RETURNS integer LANGUAGE c \
                 AS '/tmp/amanah', 'x'";
        let internal = "CREATE FUNCTION public.amanah_attack() RETURNS integer LANGUAGE internal \
                        AS 'pg_backend_pid'";
        vec![
            denied("LOAD '/tmp/amanah.so'".to_owned()),
            denied("SET session_preload_libraries = '/tmp/amanah.so'".to_owned()),
            absent(c),
            absent(internal),
            absent("DO LANGUAGE plpython3u 'pass'"),
            absent("DO LANGUAGE plperlu '1'"),
        ]
    }),
    attack("see-statements", "sees the statements of other tenants' sessions", ROLE, |s| {
        let mark = literal(&format!("%{}%", s.mark));
        let other = literal(s.victim.name());
        vec![
            nothing(format!(
                "SELECT count(*) FROM pg_catalog.pg_stat_activity \
                 WHERE datname = {other} AND query LIKE {mark}"
            )),
            nothing(format!(
                "SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) \
                 WHERE pid = {} AND query LIKE {mark}",
                s.pid
            )),
            nothing(format!(
                "SELECT count(*) FROM pg_catalog.pg_stat_get_backend_idset() b \
                 WHERE pg_catalog.pg_stat_get_backend_pid(b) <> pg_catalog.pg_backend_pid() \
                   AND pg_catalog.pg_stat_get_backend_activity(b) LIKE {mark}"
            )),
        ]
    }),
    attack("end-session", "ends another tenant's session", ROLE, |s| {
        let calls = ["pg_terminate_backend", "pg_cancel_backend"];
        calls.map(|call| denied(format!("SELECT pg_catalog.{call}({})", s.pid))).into()
    }),
    attack("read-object", "reads another tenant's large object", ROLE, |s| {
        vec![elsewhere(&[], format!("SELECT pg_catalog.lo_get({})", s.blob))]
    }),
    attack("use-snapshot", "reads with another tenant's snapshot", ROLE, |s| {
        let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        vec![elsewhere(&[level], format!("SET TRANSACTION SNAPSHOT {}", literal(&s.snapshot)))]
    }),
    attack("name-database", "names another database in a statement", ROLE, |s| {
        let table = format!("{}.pg_catalog.pg_class", ident(s.victim.name()));
        vec![elsewhere(&[], format!("SELECT count(*) FROM {table}"))]
    }),
    attack("meet-lock", "meets another tenant's advisory lock", ROLE, |s| {
        vec![nothing(format!(
            "SELECT count(*) FROM (SELECT {} AS free) l WHERE NOT free",
            lock_of(&s.mark)
        ))]
    }),
    attack("prepared", "sees another tenant's prepared transactions", ROLE, |_| {
        vec![nothing(
            "SELECT count(*) FROM pg_catalog.pg_prepared_xacts \
             WHERE database <> pg_catalog.current_database()"
                .to_owned(),
        )]
    }),
    attack("foreign-server", "connects to elsewhere from inside the database", OUT, |s| {
        let to = literal(&format!("dbname={}", s.victim.name()));
        vec![
            absent("CREATE EXTENSION dblink"),
            absent("CREATE EXTENSION postgres_fdw"),
            absent("CREATE EXTENSION file_fdw"),
            absent("CREATE SERVER amanah FOREIGN DATA WRAPPER postgres_fdw"),
            absent(&format!("SELECT dblink_connect({to})")),
        ]
    }),
    attack("user-mapping", "reads passwords of foreign servers", OUT, |_| {
        vec![nothing(
            "SELECT count(*) FROM pg_catalog.pg_user_mappings WHERE umoptions IS NOT NULL"
                .to_owned(),
        )]
    }),
    attack("subscribe", "subscribes to another database", ROLE, |s| {
        let to = literal(&format!("dbname={}", s.victim.name()));
        both(&format!(
            "CREATE SUBSCRIPTION amanah CONNECTION {to} PUBLICATION p WITH (connect = false)"
        ))
    }),
    attack("replicate", "reads the log of the whole server", ROLE, |_| {
        let slot = "SELECT pg_catalog.pg_create_logical_replication_slot('amanah_attack', \
                    'pgoutput', true)";
        let mut all = both(slot);
        all.push(denied_or_absent(
            "SELECT pg_catalog.pg_logical_slot_peek_binary_changes('amanah', NULL, NULL)",
        ));
        all.extend(both("SELECT pg_catalog.pg_drop_replication_slot('amanah')"));
        all
    }),
    attack("change-server", "changes the server's settings", ROLE, |_| {
        vec![
            denied("SELECT pg_catalog.pg_reload_conf()".to_owned()),
            denied("SELECT pg_catalog.pg_rotate_logfile()".to_owned()),
            denied("SET session_replication_role = replica".to_owned()),
            denied("SET log_statement = 'all'".to_owned()),
            denied("SELECT pg_catalog.pg_switch_wal()".to_owned()),
        ]
    }),
    attack("read-rules", "reads who may connect from where", ROLE, |_| {
        let calls =
            ["pg_hba_file_rules()", "pg_show_all_file_settings()", "pg_ident_file_mappings()"];
        calls.map(|call| denied(format!("SELECT count(*) FROM pg_catalog.{call}"))).into()
    }),
    attack("names", "reads another tenant's name off the server", NAMES, |s| {
        let names: Vec<String> = s.names.iter().map(|name| literal(name)).collect();
        let names = format!("ARRAY[{}]::text[]", names.join(", "));
        let count = |from: &str, column: &str| {
            nothing(format!(
                "SELECT count(*) FROM pg_catalog.{from} f \
                 WHERE EXISTS (SELECT FROM pg_catalog.unnest({names}) n \
                                WHERE pg_catalog.strpos({column}, n) > 0)"
            ))
        };
        vec![
            count("pg_database", "f.datname::text"),
            count("pg_roles", "f.rolname::text"),
            count("pg_shdescription", "f.description"),
            count("pg_shseclabel", "f.label"),
            count("pg_tablespace", "f.spcname::text"),
            count("pg_db_role_setting", "f.setconfig::text"),
        ]
    }),
];

const fn attack(
    name: &'static str,
    told: &'static str,
    fix: &'static str,
    build: fn(&Scene<'_>) -> Vec<Shot>,
) -> Attack {
    Attack { name, told, fix, build }
}

/// As the tenant's role, which sessions begin as, and as the login itself: a role's attributes are
/// not inherited, and the login has its own.
fn both(sql: &str) -> Vec<Shot> {
    let mut as_login = denied_or_absent(sql);
    as_login.setup = vec!["SET LOCAL ROLE NONE".to_owned()];
    vec![denied_or_absent(sql), as_login]
}

fn shot(sql: String, expect: Expect) -> Shot {
    Shot { setup: Vec::new(), sql, expect }
}

fn denied(sql: String) -> Shot {
    shot(sql, Expect::Refused(DENIED))
}

fn denied_or_absent(sql: &str) -> Shot {
    shot(sql.to_owned(), Expect::Refused(DENIED_OR_ABSENT))
}

fn absent(sql: &str) -> Shot {
    denied_or_absent(sql)
}

fn nothing(sql: String) -> Shot {
    shot(sql, Expect::Nothing(&[]))
}

fn elsewhere(setup: &[&str], sql: String) -> Shot {
    let setup = setup.iter().map(|&sql| sql.to_owned()).collect();
    Shot { setup, sql, expect: Expect::Refused(ELSEWHERE) }
}
