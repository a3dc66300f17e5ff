//! Violations that are seeded in a sandbox one at a time, so that the battery shows that it would
//! find them.

mod kept;
mod planted;
mod rules;

use std::collections::HashSet;

use kernel::{Clock, Finding, Rng};
use store::{Db, Protected, Table, ident};

use crate::attack::{self, Quarry, Report, SESSION, guard};
use crate::canary::{self, PLAIN};
use crate::{BindingKey, Census, CurrentKey, Held, Result, register};

/// How many rows of a shared table are copied into the sandbox, for canaries to point at.
const LOOKUP_ROWS: usize = 20;

/// The name of a key that nobody here has made, and how it comes to be honoured.
const STRANGE: &str = "amanah-probe";
const STRANGE_KEY: &str = "
INSERT INTO amanah.binding_key (kid, inner_pad, outer_pad, not_before, not_after)
SELECT 'amanah-probe', p.pad, p.pad, pg_catalog.now() - '1 hour'::pg_catalog.interval,
       pg_catalog.now() + '1 hour'::pg_catalog.interval
  FROM (SELECT pg_catalog.decode(pg_catalog.repeat('00', 64), 'hex') AS pad) p";

/// One violation.
struct Violation {
    /// What it is, for the one who reads which was missed.
    name: &'static str,
    /// What a finding about it names.
    object: String,
    seed: Vec<String>,
    undo: Vec<String>,
    /// Words of that finding, where another about the same object would prove less: the attack must
    /// get through, not only the change be seen.
    told: &'static str,
    /// Whether it is one that keeps a table from being attacked: that is what is found then, and of
    /// no other violation.
    unattacked: bool,
    /// What takes a superuser before it.
    ground: Option<Ground>,
}

/// What a superuser makes and takes away again. It is nothing that the owner's code could be called by:
/// that would run with his rights.
struct Ground {
    lay: String,
    clear: &'static str,
}

impl Violation {
    const fn new(name: &'static str, object: String, seed: Vec<String>, undo: Vec<String>) -> Self {
        Self { name, object, seed, undo, told: "", unattacked: false, ground: None }
    }

    /// Seeds it: the ground by the superuser of `place`, if it takes some, and the rest by the owner.
    async fn sow(&self, place: &Protected) -> Result<()> {
        let (Some(superuser), Some(ground)) = (&place.superuser, &self.ground) else {
            return all(&place.owner, &self.seed).await;
        };
        all(superuser, std::slice::from_ref(&ground.lay)).await?;
        let sown = all(&place.owner, &self.seed).await;
        if sown.is_err() {
            all(superuser, &[ground.clear.to_owned()]).await?;
        }
        sown
    }

    /// Takes it away, the ground last.
    async fn weed(&self, place: &Protected) -> Result<()> {
        all(&place.owner, &self.undo).await?;
        match (&place.superuser, &self.ground) {
            (Some(superuser), Some(ground)) => all(superuser, &[ground.clear.to_owned()]).await,
            _ => Ok(()),
        }
    }

    /// The finding of `report` that gives it away, if it was not there before. An attack that could
    /// not be made tells nothing of what it would have come to.
    fn given_away(&self, report: &Report, before: &HashSet<String>) -> Option<Finding> {
        // A table that cannot be attacked makes the claim unknown; that is found too.
        let missed = report.missed.iter().filter(|_| self.unattacked);
        let missed = missed.map(|(object, why)| Finding::new(object, why));
        report.findings.iter().cloned().chain(missed).find(|finding| {
            finding.object == self.object
                && finding.what.contains(self.told)
                && !before.contains(&finding.to_string())
        })
    }

    /// The battery in `place` until it gives it away, on the table `label`. What it has not come to
    /// by its end, it does not find.
    async fn hunted(
        &self,
        (place, key, clock): (&Protected, &BindingKey, &dyn Clock),
        label: &str,
        before: &HashSet<String>,
    ) -> Result<Option<Finding>> {
        let is_found = |report: &Report| self.given_away(report, before).is_some();
        let quarry = Quarry { told: self.told, is_found: &is_found };
        let report = attack::hunt(place, key, clock, Some(label), &quarry).await?;
        Ok(self.given_away(&report, before))
    }
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
    keys: &CurrentKey,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<Bites> {
    let sandbox = protected.sandbox(rng).await?;
    let bites = inside(protected, sandbox.inside(), keys, clock, rng).await;
    // Removed whatever came of it. What was found stays true when that fails.
    let removed = sandbox.remove().await;
    let mut bites = bites?;
    bites.left = removed.err().map(|error| format!("the sandbox was left behind: {error}"));
    Ok(bites)
}

async fn inside(
    real: &Protected,
    sandbox: &Protected,
    keys: &CurrentKey,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<Bites> {
    let key = &keys.get();
    let shape = canary::shape(real).await?;
    let census = Census::take(&shape, &real.tenant_column);
    lookups(real, sandbox, &census).await?;
    canary::ensure_canaries(sandbox, key, clock).await?;
    let mut bites = Bites::default();
    let Some((target, before)) = target(sandbox, key, clock, &census).await? else {
        bites.missed.push("no table in which both canaries have a row".to_owned());
        return Ok(bites);
    };
    let label = target.table.label();
    for violation in violations(sandbox, &census, target).await? {
        bites.seeded += 1;
        if let Err(error) = violation.sow(sandbox).await {
            bites.missed.push(format!("{} (it could not be seeded: {error})", violation.name));
            continue;
        }
        let found = violation.hunted((sandbox, key, clock), &label, &before).await;
        violation.weed(sandbox).await?;
        match found? {
            Some(finding) => bites.found.push(finding),
            None => bites.missed.push(violation.name.to_owned()),
        }
    }
    kept::bite((sandbox, key, clock, rng), &label, &before, &mut bites).await?;
    rules::bite(sandbox, rng, &mut bites).await?;
    strange_key(sandbox, keys, &mut bites).await?;
    sleeping_guard(sandbox, &mut bites).await?;
    Ok(bites)
}

/// A guard over later tables that lets everything through: that of a sandbox does, for what it guards
/// was not copied.
async fn sleeping_guard(sandbox: &Protected, bites: &mut Bites) -> Result<()> {
    if !guard::is_installed(sandbox).await? {
        return Ok(());
    }
    bites.seeded += 1;
    match guard::examine(sandbox).await?.findings.into_iter().next() {
        Some(finding) => bites.found.push(finding),
        None => bites.missed.push("a guard over later tables that sleeps".to_owned()),
    }
    Ok(())
}

/// A row that lets the database honour a key of somebody else's.
async fn strange_key(sandbox: &Protected, keys: &CurrentKey, bites: &mut Bites) -> Result<()> {
    bites.seeded += 1;
    all(&sandbox.owner, &[STRANGE_KEY.to_owned()]).await?;
    let strangers = register::strangers(&sandbox.owner, keys).await?;
    match strangers.iter().find(|stranger| stranger.kid == STRANGE) {
        Some(stranger) => bites.found.push(stranger.finding()),
        None => bites.missed.push("a key of bindings that nobody here has made".to_owned()),
    }
    Ok(())
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
        let label = held.table.label();
        let in_the_way = |(object, _): &(String, String)| *object == label || object == SESSION;
        if report.attacked > 0 && !report.missed.iter().any(in_the_way) {
            let before = report.findings.iter().map(ToString::to_string).collect();
            return Ok(Some((held, before)));
        }
    }
    Ok(None)
}

async fn violations(sandbox: &Protected, census: &Census, held: &Held) -> Result<Vec<Violation>> {
    let (table, label) = (held.table.quoted(), held.table.label());
    let (own, writing) = (held.policy(), held.writing_policy());
    let one = |name, seed: String, undo: String| {
        Violation::new(name, label.clone(), vec![seed], vec![undo])
    };
    let told = |told, violation| Violation { told, ..violation };
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
        told(
            "(read-",
            one(
                "a policy that lets every row be read",
                format!(
                    "GRANT SELECT ON {table} TO {app}; \
                     ALTER POLICY amanah_select ON {table} USING (true)"
                ),
                format!("ALTER POLICY amanah_select ON {table} USING ({own})"),
            ),
        ),
        told(
            "(insert-as-other: ",
            one(
                "a policy that lets every row be added",
                format!(
                    "GRANT INSERT ON {table} TO {app}; \
                     ALTER POLICY amanah_insert ON {table} WITH CHECK (true)"
                ),
                format!(
                    "ALTER POLICY amanah_insert ON {table} \
                     WITH CHECK ({writing})"
                ),
            ),
        ),
        one(
            "a policy with a back door for one tenant",
            format!(
                "ALTER POLICY amanah_select ON {table} USING \
                 ({own} OR (SELECT amanah.reading_tenant()) = 'amanah-probe')"
            ),
            format!("ALTER POLICY amanah_select ON {table} USING ({own})"),
        ),
        one(
            "the right to empty a table",
            format!("GRANT TRUNCATE ON {table} TO {app}"),
            format!("REVOKE TRUNCATE ON {table} FROM {app}"),
        ),
    ];
    all.extend(planted::beside(held, sandbox));
    all.extend(loosened(census, held, &app));
    all.extend(planted::in_binding(sandbox).await?);
    Ok(all)
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
    Some(Violation::new(
        "a foreign key without the tenant",
        held.table.label(),
        vec![
            format!("GRANT UPDATE ON {table} TO {app}"),
            format!("ALTER TABLE {table} DROP CONSTRAINT {}", ident(&key.name)),
            // In a sandbox the rows are few, and none of two canaries has the same key.
            format!("ALTER TABLE {above} ADD CONSTRAINT amanah_probe_key UNIQUE ({theirs})"),
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT amanah_probe_reference FOREIGN KEY ({own}) \
                 REFERENCES {above} ({theirs})"
            ),
        ],
        vec![
            format!("ALTER TABLE {table} DROP CONSTRAINT amanah_probe_reference"),
            format!("ALTER TABLE {above} DROP CONSTRAINT amanah_probe_key"),
        ],
    ))
}

async fn all(login: &Db, statements: &[String]) -> Result<()> {
    let tx = login.operator().await?;
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kernel::Finding;

    use super::{Report, SESSION, Violation};

    /// An attack that was not made has found nothing, whatever it was about.
    #[test]
    fn what_could_not_be_attacked_was_not_found() {
        let violation = |told, unattacked| {
            let made = Violation::new("x", SESSION.to_owned(), Vec::new(), Vec::new());
            Violation { told, unattacked, ..made }
        };
        let report = |what: &str, made: bool| {
            let mut report = Report::default();
            if made {
                report.findings.push(Finding::new(SESSION, what));
            } else {
                report.missed.push((SESSION.to_owned(), what.to_owned()));
            }
            report
        };
        let none = HashSet::new();
        let unmade = "the attack bind-forged could not be made: no connection";
        let through = "another tenant binds itself (bind-forged: it was accepted)";
        assert!(
            violation("(bind-forged: ", false).given_away(&report(unmade, false), &none).is_none()
        );
        assert!(violation("", false).given_away(&report(unmade, false), &none).is_none());
        assert!(violation("", true).given_away(&report(unmade, false), &none).is_some());
        assert!(
            violation("(bind-forged: ", false).given_away(&report(through, true), &none).is_some()
        );
        let before = HashSet::from([Finding::new(SESSION, through).to_string()]);
        assert!(violation("", false).given_away(&report(through, true), &before).is_none());
    }
}
