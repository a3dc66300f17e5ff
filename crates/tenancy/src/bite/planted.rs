//! Violations that somebody plants beside the policies: in the functions of the binding, in schema
//! `amanah`, and in relations that no policy binds.

use store::{Protected, Tx, ident, literal, qualified};

use super::{Ground, Violation};
use crate::form::{self, Form};
use crate::{Held, Result, attack};

/// A binding whose MAC is not looked at, which is what a plain setting is.
const UNVERIFIED: &str = "
CREATE OR REPLACE FUNCTION amanah.open_token(token text) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    part text[] := pg_catalog.string_to_array(token, '.');
BEGIN
    RETURN part;
END $$";

/// A binding that looks its types up where the caller has put some.
const UNPINNED: &str = "
CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
DECLARE
    tenant text := 'nobody';
BEGIN
    tenant := pg_catalog.convert_from(pg_catalog.decode((amanah.binding())[3], 'hex'), 'UTF8');
    RETURN tenant;
END $$";

/// A binding that holds for everybody but one, whom no attack knows.
const BACK_DOOR: &str = "
CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (amanah.binding())[4] = '616d616e61682d70726f6265' THEN
        RETURN pg_catalog.current_setting('amanah.probe', true);
    END IF;
    RETURN pg_catalog.convert_from(pg_catalog.decode((amanah.binding())[3], 'hex'), 'UTF8');
END $$";

/// What is kept of a binding counts for as long as the transaction lasts.
const NEVER_ENDING: &str = "
CREATE OR REPLACE FUNCTION amanah.reading_tenant() RETURNS pg_catalog.text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN pg_catalog.convert_from(pg_catalog.decode(CASE
        WHEN pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'amb1_')
        THEN pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), '_', 4)
        ELSE (amanah.binding())[3] END, 'hex'), 'UTF8');
END $$";

/// What `bind` compares the tenants by, in both forms.
const OTHER_TENANT: &str = "OPERATOR(pg_catalog.<>) wanted[3]";

/// What is planted in the binding itself.
pub(super) async fn in_binding(sandbox: &Protected) -> Result<Vec<Violation>> {
    let tx = sandbox.owner.operator().await?;
    let bind = definition(&tx, "amanah.bind(text)").await?;
    let form = form::installed(&tx, &sandbox.app_role).await?;
    let open_token = definition(&tx, "amanah.open_token(text)").await?;
    let reading_tenant = definition(&tx, "amanah.reading_tenant()").await?;
    tx.rollback().await?;
    let one = |name, object: &str, told, seed: &str, undo: &str| Violation {
        told,
        ..Violation::new(name, object.to_owned(), vec![seed.to_owned()], vec![undo.to_owned()])
    };
    let session = attack::SESSION;
    let mut all = vec![
        one("a binding that is not verified", session, "(bind-forged: ", UNVERIFIED, &open_token),
        one(
            "a binding that uses the caller's types",
            session,
            "(shadow-type: ",
            UNPINNED,
            &reading_tenant,
        ),
        one(
            "a binding with a back door",
            "amanah.reading_tenant()",
            "body",
            BACK_DOOR,
            &reading_tenant,
        ),
        one(
            "another function beside the binding",
            "amanah.amanah_probe()",
            "",
            "CREATE FUNCTION amanah.amanah_probe() RETURNS text LANGUAGE sql AS 'SELECT NULL'",
            "DROP FUNCTION amanah.amanah_probe()",
        ),
        careless(bind),
    ];
    if form == Some(Form::VerifyOnce) {
        all.push(one(
            "a kept binding that does not expire",
            "amanah.reading_tenant()",
            "its body was changed",
            NEVER_ENDING,
            &reading_tenant,
        ));
    }
    Ok(all)
}

/// A `bind` that verifies the token, and binds a transaction anew that is bound to another tenant.
fn careless(bind: String) -> Violation {
    let seed = bind.replace(OTHER_TENANT, "IS NULL AND false");
    let name = "a binding that takes the place of another";
    let made = Violation::new(name, attack::SESSION.to_owned(), vec![seed], vec![bind]);
    Violation { told: "(bind-again: ", ..made }
}

async fn definition(tx: &Tx, function: &str) -> Result<String> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_functiondef({}::pg_catalog.regprocedure)",
        literal(function)
    );
    Ok(tx.query_one(&sql, &[]).await?.get(0))
}

/// Relations and functions beside the table that show what is in it.
pub(super) fn beside(held: &Held, sandbox: &Protected) -> Vec<Violation> {
    let app = &ident(&sandbox.app_role);
    let (schema, table) = (&held.table.schema, held.table.quoted());
    let place = |name: &str| qualified(schema, name);
    let label = |name: &str| format!("{schema}.{name}");
    let usage = format!("GRANT USAGE ON SCHEMA {} TO {app}", ident(schema));
    let (view, kept, function) =
        (place("amanah_probe_view"), place("amanah_probe_kept"), place("amanah_probe_function"));
    let mut all = vec![
        Violation::new(
            "a view with its owner's rights",
            label("amanah_probe_view"),
            vec![
                usage.clone(),
                format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
                format!("CREATE VIEW {view} AS SELECT * FROM {table}"),
                format!("GRANT SELECT ON {view} TO {app}"),
            ],
            vec![
                format!("DROP VIEW {view}"),
                format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
            ],
        ),
        Violation::new(
            "a materialised view",
            label("amanah_probe_kept"),
            vec![
                usage.clone(),
                format!("CREATE MATERIALIZED VIEW {kept} AS SELECT * FROM {table}"),
                format!("GRANT SELECT ON {kept} TO {app}"),
            ],
            vec![format!("DROP MATERIALIZED VIEW {kept}")],
        ),
        Violation::new(
            "a view of a materialised view",
            label("amanah_probe_view"),
            vec![
                usage.clone(),
                format!("CREATE MATERIALIZED VIEW {kept} AS SELECT * FROM {table} WITH NO DATA"),
                format!("CREATE VIEW {view} AS SELECT * FROM {kept}"),
                format!("GRANT SELECT ON {view} TO {app}"),
            ],
            vec![format!("DROP VIEW {view}"), format!("DROP MATERIALIZED VIEW {kept}")],
        ),
        // The policies are forced, and it could switch that off and on.
        Violation::new(
            "a function with its owner's rights",
            label("amanah_probe_function()"),
            vec![
                usage.clone(),
                format!(
                    "CREATE FUNCTION {function}() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS \
                     {}",
                    literal(&format!("SELECT count(*) FROM {table}"))
                ),
                format!("GRANT EXECUTE ON FUNCTION {function}() TO {app}"),
            ],
            vec![format!("DROP FUNCTION {function}()")],
        ),
    ];
    all.extend(pointing(held, app, usage.clone()));
    if sandbox.superuser.is_some() {
        all.push(foreign(held, app, usage, &ident(&sandbox.owner.url().user)));
    }
    all
}

/// A table that points to tenants' rows by columns that may be NULL.
fn pointing(held: &Held, app: &str, usage: String) -> Option<Violation> {
    let table = &held.table;
    let key: Vec<_> = table.primary_key.iter().filter_map(|name| table.column(name)).collect();
    if key.is_empty() {
        return None;
    }
    let columns = |with_type: bool| -> String {
        let each = key.iter().enumerate().map(|(n, column)| {
            if with_type { format!("r{n} {}", column.sql_type) } else { format!("r{n}") }
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let theirs: Vec<String> = key.iter().map(|column| ident(&column.name)).collect();
    let probe = qualified(&table.schema, "amanah_probe_pointing");
    let seed = format!(
        "CREATE TABLE {probe} ({}, body text, FOREIGN KEY ({}) REFERENCES {} ({}))",
        columns(true),
        columns(false),
        table.quoted(),
        theirs.join(", ")
    );
    let made = Violation::new(
        "a table that points to tenants' rows, or to none",
        format!("{}.amanah_probe_pointing", table.schema),
        vec![usage, seed, format!("GRANT SELECT ON {probe} TO {app}")],
        vec![format!("DROP TABLE {probe}")],
    );
    Some(Violation { unattacked: true, ..made })
}

/// A foreign table, for which only a superuser can lay the ground. The table is the owner's, as all is
/// that lies in a schema of the owner's.
fn foreign(held: &Held, app: &str, usage: String, owner: &str) -> Violation {
    let schema = &held.table.schema;
    let probe = qualified(schema, "amanah_probe_foreign");
    let violation = Violation::new(
        "a foreign table",
        format!("{schema}.amanah_probe_foreign"),
        vec![
            usage,
            format!("CREATE FOREIGN TABLE {probe} (body text) SERVER amanah_probe"),
            format!("GRANT SELECT ON {probe} TO {app}"),
        ],
        vec![format!("DROP FOREIGN TABLE {probe}")],
    );
    let lay = format!(
        "CREATE FOREIGN DATA WRAPPER amanah_probe; \
         CREATE SERVER amanah_probe FOREIGN DATA WRAPPER amanah_probe; \
         GRANT USAGE ON FOREIGN SERVER amanah_probe TO {owner}"
    );
    let clear = "DROP SERVER amanah_probe; DROP FOREIGN DATA WRAPPER amanah_probe";
    Violation { ground: Some(Ground { lay, clear }), ..violation }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::beside;
    use crate::tests::fixture;
    use crate::{Census, canary};

    /// Relations, functions and schemas of somebody else than `$1`, beside what is the server's own and
    /// the schema public; and servers and wrappers of a probe.
    const OTHERS: &str = "
        WITH owner AS (SELECT r.oid FROM pg_roles r WHERE r.rolname = $1)
        SELECT c.oid::regclass::text FROM pg_class c, owner
         WHERE c.oid >= 16384 AND c.relnamespace <> 'pg_toast'::regnamespace
           AND c.relowner <> owner.oid
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc p, owner
         WHERE p.oid >= 16384 AND p.proowner <> owner.oid
        UNION ALL
        SELECT n.nspname::text FROM pg_namespace n, owner
         WHERE n.oid >= 16384 AND n.nspowner <> owner.oid AND n.nspname !~ '^pg_'";
    const LEFT: &str = "
        SELECT c.relname::text FROM pg_class c WHERE c.relname ~ 'amanah_probe'
        UNION ALL SELECT p.proname::text FROM pg_proc p WHERE p.proname ~ 'amanah_probe'
        UNION ALL SELECT w.fdwname::text FROM pg_foreign_data_wrapper w WHERE w.fdwname ~ 'amanah_probe'
        UNION ALL SELECT s.srvname::text FROM pg_foreign_server s WHERE s.srvname ~ 'amanah_probe'";

    /// Whatever is planted belongs to the owner and was made by that login, though a superuser is there:
    /// what stands in the owner's tables is never run by somebody with more rights. Nothing is left.
    #[tokio::test]
    async fn what_is_planted_is_the_owners() {
        let guarded = fixture::protected(fixture::DJANGO, "company_id", fixture::NUMBERS).await;
        let sandbox = guarded.protected.sandbox(&SystemRng).await.unwrap();
        let inside = sandbox.inside();
        let shape = canary::shape(inside).await.unwrap();
        let census = Census::take(&shape, "company_id");
        let held = census.held.iter().find(|h| h.table.label() == "public.invoice").unwrap();
        let planted = beside(held, inside);
        let grounds = planted.iter().filter(|violation| violation.ground.is_some()).count();
        assert!(grounds == 1 && planted.len() > 5, "{} of {}", grounds, planted.len());
        let owner = &inside.owner.url().user;
        let names = async |sql: &str, bound: store::Bound<'_>| -> Vec<String> {
            let tx = inside.owner.operator().await.unwrap();
            let rows = tx.query(sql, bound).await.unwrap();
            tx.rollback().await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        for violation in planted {
            violation.sow(inside).await.unwrap();
            assert_eq!(names(OTHERS, &[owner]).await, [""; 0], "{}", violation.name);
            violation.weed(inside).await.unwrap();
            assert_eq!(names(LEFT, &[]).await, [""; 0], "{}", violation.name);
        }
        sandbox.remove().await.unwrap();
    }
}
