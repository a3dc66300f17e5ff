//! Violations that are seeded in a sandbox one at a time, so that the battery shows that it would
//! find them.

use std::collections::HashSet;

use kernel::{Clock, Finding, Rng};
use store::{Protected, Table, ident, literal, qualified};

use crate::canary::{self, PLAIN};
use crate::{BindingKey, Census, Held, Result, attack};

/// How many rows of a shared table are copied into the sandbox, for canaries to point at.
const LOOKUP_ROWS: usize = 20;

/// One violation.
struct Violation {
    /// What it is, for the one who reads which was missed.
    name: &'static str,
    /// What a finding about it names.
    object: String,
    seed: Vec<String>,
    undo: Vec<String>,
}

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Bites {
    /// How many were seeded.
    pub(crate) seeded: usize,
    /// One finding for each that was found.
    pub(crate) found: Vec<Finding>,
    /// Names of those that were not, with the reason.
    pub(crate) missed: Vec<String>,
    /// Why the sandbox is still there, if it is; it is swept at the next start.
    pub(crate) left: Option<String>,
}

/// Seeds every violation in a sandbox of `protected` and runs the battery on each.
///
/// # Errors
/// When the sandbox cannot be made or its canaries cannot be placed.
pub(crate) async fn run(
    protected: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<Bites> {
    let sandbox = protected.sandbox(rng).await?;
    let bites = inside(protected, sandbox.inside(), key, clock).await;
    // Removed whatever came of it. What was found stays true when that fails.
    let removed = sandbox.remove().await;
    let mut bites = bites?;
    bites.left = removed.err().map(|error| format!("the sandbox was left behind: {error}"));
    Ok(bites)
}

async fn inside(
    real: &Protected,
    sandbox: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
) -> Result<Bites> {
    let shape = canary::shape(real).await?;
    let census = Census::take(&shape, &real.tenant_column);
    lookups(real, sandbox, &census).await?;
    canary::ensure(sandbox, key, clock).await?;
    let mut bites = Bites::default();
    let Some((target, before)) = target(sandbox, key, clock, &census).await? else {
        bites.missed.push("no table in which both canaries have a row".to_owned());
        return Ok(bites);
    };
    let label = target.table.label();
    for violation in violations(sandbox, &census, target).await? {
        bites.seeded += 1;
        if let Err(error) = all(sandbox, &violation.seed).await {
            bites.missed.push(format!("{} (it could not be seeded: {error})", violation.name));
            continue;
        }
        let report = attack::run(sandbox, key, clock, Some(&label)).await;
        all(sandbox, &violation.undo).await?;
        let found = report?.findings.into_iter().find(|finding| {
            finding.object == violation.object && !before.contains(&finding.to_string())
        });
        match found {
            Some(finding) => bites.found.push(finding),
            None => bites.missed.push(violation.name.to_owned()),
        }
    }
    Ok(bites)
}

/// The first table on which every attack can be made, with what is found on it as it is.
async fn target<'a>(
    sandbox: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
    census: &'a Census,
) -> Result<Option<(&'a Held, HashSet<String>)>> {
    let tables = || census.held.iter().filter(|h| h.column().is_some() && !h.table.partition);
    // One with a foreign key that holds the tenant lets that be a violation too.
    let (tied, others): (Vec<_>, Vec<_>) = tables().partition(|h| tied_key(census, h).is_some());
    for held in tied.into_iter().chain(others) {
        let report = attack::run(sandbox, key, clock, Some(&held.table.label())).await?;
        if report.attacked == report.total && report.total > 0 {
            let before = report.findings.iter().map(ToString::to_string).collect();
            return Ok(Some((held, before)));
        }
    }
    Ok(None)
}

async fn violations(sandbox: &Protected, census: &Census, held: &Held) -> Result<Vec<Violation>> {
    let (table, label) = (held.table.quoted(), held.table.label());
    let own = held.policy();
    let one = |name, seed: String, undo: String| Violation {
        name,
        object: label.clone(),
        seed: vec![seed],
        undo: vec![undo],
    };
    let app = ident(&sandbox.app_role);
    let mut all = vec![
        one(
            "row-level security switched off",
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        ),
        one(
            "row-level security not forced",
            format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        ),
        one(
            "a policy that lets every row be read",
            format!(
                "GRANT SELECT ON {table} TO {app}; \
                 ALTER POLICY amanah_select ON {table} USING (true)"
            ),
            format!("ALTER POLICY amanah_select ON {table} USING ({own})"),
        ),
        one(
            "a policy that lets every row be added",
            format!(
                "GRANT INSERT ON {table} TO {app}; \
                 ALTER POLICY amanah_insert ON {table} WITH CHECK (true)"
            ),
            format!(
                "ALTER POLICY amanah_insert ON {table} \
                 WITH CHECK ({own} AND (SELECT amanah.may_write()))"
            ),
        ),
        one(
            "the right to empty a table",
            format!("GRANT TRUNCATE ON {table} TO {app}"),
            format!("REVOKE TRUNCATE ON {table} FROM {app}"),
        ),
    ];
    all.extend(objects(held, &app));
    all.extend(loosened(census, held, &app));
    all.push(unverified(sandbox).await?);
    Ok(all)
}

/// Things beside the table that read it with its owner's rights.
fn objects(held: &Held, app: &str) -> Vec<Violation> {
    let (schema, table) = (&held.table.schema, held.table.quoted());
    let (force, no_force) = (
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
    );
    let view = qualified(schema, "amanah_probe_view");
    let kept = qualified(schema, "amanah_probe_kept");
    let function = qualified(schema, "amanah_probe_function");
    let label = |name: &str| format!("{schema}.{name}");
    let usage = format!("GRANT USAGE ON SCHEMA {} TO {app}", ident(schema));
    vec![
        Violation {
            name: "a view with its owner's rights",
            object: label("amanah_probe_view"),
            seed: vec![
                usage.clone(),
                no_force.clone(),
                format!("CREATE VIEW {view} AS SELECT * FROM {table}"),
                format!("GRANT SELECT ON {view} TO {app}"),
            ],
            undo: vec![format!("DROP VIEW {view}"), force.clone()],
        },
        Violation {
            name: "a materialised view",
            object: label("amanah_probe_kept"),
            seed: vec![
                usage.clone(),
                format!("CREATE MATERIALIZED VIEW {kept} AS SELECT * FROM {table}"),
                format!("GRANT SELECT ON {kept} TO {app}"),
            ],
            undo: vec![format!("DROP MATERIALIZED VIEW {kept}")],
        },
        Violation {
            name: "a function with its owner's rights",
            object: label("amanah_probe_function()"),
            seed: vec![
                usage,
                no_force,
                format!(
                    "CREATE FUNCTION {function}() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS \
                     {}",
                    literal(&format!("SELECT count(*) FROM {table}"))
                ),
                format!("GRANT EXECUTE ON FUNCTION {function}() TO {app}"),
            ],
            undo: vec![format!("DROP FUNCTION {function}()"), force],
        },
    ]
}

/// A foreign key that holds the tenant and would be possible without it.
struct Tied<'a> {
    key: &'a store::ForeignKey,
    parent: &'a Held,
    /// Its columns without the tenant's, here and there.
    rest: Vec<(&'a String, &'a String)>,
}

/// The first such foreign key of this table.
fn tied_key<'a>(census: &'a Census, held: &'a Held) -> Option<Tied<'a>> {
    held.table.foreign_keys.iter().find_map(|key| {
        let parent = census.find(&key.parent)?;
        let (own, theirs) = (held.column()?, parent.column()?);
        let pairs = || key.columns.iter().zip(&key.parent_columns);
        let rest: Vec<_> = pairs().filter(|(c, p)| *c != own || *p != theirs).collect();
        let tied = rest.len() + 1 == pairs().count() && !rest.is_empty();
        tied.then_some(Tied { key, parent, rest })
    })
}

fn loosened(census: &Census, held: &Held, app: &str) -> Option<Violation> {
    let Tied { key, parent, rest } = tied_key(census, held)?;
    let (table, above) = (held.table.quoted(), parent.table.quoted());
    let theirs: Vec<String> = rest.iter().map(|(_, p)| ident(p)).collect();
    let own: Vec<String> = rest.iter().map(|(c, _)| ident(c)).collect();
    let (theirs, own) = (theirs.join(", "), own.join(", "));
    Some(Violation {
        name: "a foreign key without the tenant",
        object: held.table.label(),
        seed: vec![
            format!("GRANT UPDATE ON {table} TO {app}"),
            format!("ALTER TABLE {table} DROP CONSTRAINT {}", ident(&key.name)),
            // In a sandbox the rows are few, and none of two canaries has the same key.
            format!("ALTER TABLE {above} ADD CONSTRAINT amanah_probe_key UNIQUE ({theirs})"),
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT amanah_probe_reference FOREIGN KEY ({own}) \
                 REFERENCES {above} ({theirs})"
            ),
        ],
        undo: vec![
            format!("ALTER TABLE {table} DROP CONSTRAINT amanah_probe_reference"),
            format!("ALTER TABLE {above} DROP CONSTRAINT amanah_probe_key"),
        ],
    })
}

/// A binding whose MAC is not looked at, which is what a plain setting is.
async fn unverified(sandbox: &Protected) -> Result<Violation> {
    let tx = sandbox.owner.operator().await?;
    let sql = "SELECT pg_catalog.pg_get_functiondef('amanah.open_token(text)'::regprocedure)";
    let restore: String = tx.query_one(sql, &[]).await?.get(0);
    tx.rollback().await?;
    let seed = "
CREATE OR REPLACE FUNCTION amanah.open_token(token text) RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    part text[] := pg_catalog.string_to_array(token, '.');
BEGIN
    RETURN ARRAY[pg_catalog.convert_from(pg_catalog.decode(part[3], 'hex'), 'UTF8'),
                 pg_catalog.convert_from(pg_catalog.decode(part[4], 'hex'), 'UTF8'),
                 part[6], NULL];
END $$";
    Ok(Violation {
        name: "a binding that is not verified",
        object: attack::SESSION.to_owned(),
        seed: vec![seed.to_owned()],
        undo: vec![restore],
    })
}

async fn all(sandbox: &Protected, statements: &[String]) -> Result<()> {
    let tx = sandbox.owner.operator().await?;
    for sql in statements {
        tx.batch(sql).await?;
    }
    Ok(tx.commit().await?)
}

/// Copies some rows of the shared tables: a canary's row may have to point at one. Again and again
/// while it helps, since shared tables may point at each other. What cannot be copied shows later,
/// as a table without canaries.
async fn lookups(real: &Protected, sandbox: &Protected, census: &Census) -> Result<()> {
    let mut left: Vec<&Table> = census.shared.iter().collect();
    loop {
        let before = left.len();
        let mut failed = Vec::new();
        for table in std::mem::take(&mut left) {
            if !copy(real, sandbox, table).await? {
                failed.push(table);
            }
        }
        if failed.is_empty() || failed.len() == before {
            return Ok(());
        }
        left = failed;
    }
}

async fn copy(real: &Protected, sandbox: &Protected, table: &Table) -> Result<bool> {
    let columns: Vec<_> = table.columns.iter().filter(|c| !c.generated).collect();
    if columns.is_empty() {
        return Ok(true);
    }
    let texts: Vec<String> = columns.iter().map(|c| format!("{}::text", ident(&c.name))).collect();
    let names: Vec<String> = columns.iter().map(|c| ident(&c.name)).collect();
    let casts: Vec<String> =
        (1..).zip(&columns).map(|(n, c)| format!("($1::text[])[{n}]::{}", c.sql_type)).collect();
    let quoted = table.quoted();
    let tx = real.owner.operator().await?;
    tx.batch(PLAIN).await?;
    let sql =
        format!("SELECT ARRAY[{}]::text[] FROM {quoted} LIMIT {LOOKUP_ROWS}", texts.join(", "));
    let rows = tx.query(&sql, &[]).await?;
    tx.rollback().await?;
    let tx = sandbox.owner.operator().await?;
    tx.batch(PLAIN).await?;
    let sql = format!(
        "INSERT INTO {quoted} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
        names.join(", "),
        casts.join(", ")
    );
    for row in rows {
        let values: Vec<Option<String>> = row.get(0);
        if tx.execute(&sql, &[&values]).await.is_err() {
            tx.rollback().await?;
            return Ok(false);
        }
    }
    tx.commit().await?;
    Ok(true)
}
