//! The battery: canary A, through a login with exactly the application's rights, goes for the rows
//! of canary B.
//!
//! Each attack runs in a transaction of its own that is rolled back. A refusal for a wrong reason,
//! a missing table or a timeout, is not a refusal: such an attack counts as not made.

mod change;
mod forge;
pub(crate) mod guard;
mod installed;
mod pooled;
mod quarry;
mod session;
mod shapes;
mod table;
mod victim;
mod write;

use kernel::{Clock, Finding, Scope, Secret, TenantId};
use store::{Db, Protected, ToSql, Tx};

use crate::canary::{self, PLAIN};
use crate::{BindingKey, Census, Result, lint, report};
pub(crate) use installed::{findings as installed, who_writes};
pub(crate) use quarry::Quarry;
use quarry::naming;
use victim::Victim;

/// Raised by our own functions inside an attack when they are shown what they should not see, or
/// run with rights that are not the attacker's.
pub(crate) const SEEN: &str = "AM001";
/// SQLSTATE: the right is missing, or row security refuses.
const DENIED: &str = "42501";
/// SQLSTATE: a cursor, a prepared statement or a table is not there.
const GONE: &[&str] = &["34000", "26000", "42P01"];
/// What a finding names that concerns no single table.
pub(crate) const SESSION: &str = "the application's sessions";
/// What is said of an object that somebody has read and answers for.
const REVIEWED: &str = "it is declared as reviewed, and no finding while it stays as it was then";
/// The class of SQLSTATE for violated constraints: the row was reached, and something else than
/// the separation of tenants stopped it.
const CONSTRAINT: &str = "23";

/// An attack that is made on every table.
pub(crate) type OnTable = Attack<fn(&Scene<'_>, &Victim<'_>) -> Vec<Strike>>;
/// An attack that is made once for each database.
pub(crate) type OnSession = Attack<fn(&Scene<'_>) -> Vec<Strike>>;

/// One attack, as data.
pub(crate) struct Attack<B> {
    /// Its name in the matrix.
    pub(crate) name: &'static str,
    /// What the reader is told when it got through, after the name of the table.
    pub(crate) told: &'static str,
    /// What to do then.
    pub(crate) fix: &'static str,
    /// Whether both canaries must have a row for it to mean anything.
    pub(crate) needs_rows: bool,
    /// Builds its statements for one target; none when it does not apply.
    pub(crate) build: B,
}

/// One statement of an attack.
pub(crate) struct Strike {
    /// What it goes for, when that is not the table.
    pub(crate) object: Option<String>,
    pub(crate) binding: Binding,
    /// What the other one does before, in a transaction of its own in the same session, as in a
    /// pool. The session is thrown away afterwards.
    pub(crate) earlier: Vec<String>,
    /// Statements before it, in the same transaction.
    pub(crate) setup: Vec<String>,
    pub(crate) sql: String,
    /// Its parameters; every one is a text in SQL.
    pub(crate) bound: Vec<Option<String>>,
    pub(crate) how: How,
    /// Whether it needs a session in which no function of ours has run yet: PostgreSQL looks the
    /// names in a function up once for each session.
    pub(crate) fresh: bool,
    pub(crate) expect: Expect,
}

/// How a statement is run, and what of its answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It returns rows, with a count in the first.
    Rows,
    /// It is `COPY … TO STDOUT`, which takes no parameters; what it writes counts.
    Copied,
    /// It returns no rows; those that it touched count.
    Touched,
}

/// What the attacker's transaction is bound with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Its own good token.
    Own,
    /// Its own good token for reading alone.
    OwnForReading,
    /// None.
    Missing,
}

/// What a statement must come to, or the attack got through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// It counts, and the count is 0; or it is refused for a lack of rights or with one of these.
    Nothing(&'static [&'static str]),
    /// It is refused with one of these. Any other violated constraint means that the row was
    /// reached.
    Refused(&'static [&'static str]),
    /// It is refused with one of these; another violated constraint tells nothing.
    Barred(&'static [&'static str]),
    /// It is not refused as a duplicate.
    NoConflict,
    /// It counts, and the count is 0; an error with this code would tell what it must not.
    Silent(&'static str),
    /// What it shows is declared in the card and counted in a note.
    Declared(&'static str),
    /// The same, for a statement that counts, or has no answer.
    Told(&'static str),
}

/// What a statement came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was held off.
    Held,
    /// It got through, with what it saw or did.
    Leaked(String),
    /// It saw what the card declares.
    Declared,
    /// It was not really made, and why.
    Unsure(String),
}

/// Where the battery runs.
pub(crate) struct Scene<'a> {
    pub(crate) protected: &'a Protected,
    pub(crate) key: &'a BindingKey,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) census: &'a Census,
    pub(crate) victims: Vec<Victim<'a>>,
    pub(crate) views: Vec<victim::View>,
    /// Every schema but the server's own.
    pub(crate) schemas: Vec<(String, bool)>,
    rights: victim::AllRights,
}

/// What it found, over tables: an object and what the card declares of it in the notes; object, attack
/// and result in the matrix.
pub(crate) type Report =
    report::Report<(String, &'static str), (String, &'static str, &'static str)>;

/// Runs the battery on the canaries of `protected`; on the table `only`, when one is named.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn run(
    protected: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
    only: Option<&str>,
) -> Result<Report> {
    let everything = Quarry { told: "", is_found: &|_| false };
    hunt(protected, key, clock, only, &everything).await
}

/// As [`run`], until a finding has come up. What was found and missed before is in the report, and
/// its counts tell nothing.
///
/// # Errors
/// As [`run`].
pub(crate) async fn hunt(
    protected: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
    only: Option<&str>,
    quarry: &Quarry<'_>,
) -> Result<Report> {
    let shape = canary::shape(protected).await?;
    let census = Census::take(&shape, &protected.tenant_column);
    let findings = lint::leaks(protected, &shape, &census, only).await?;
    let mut report = Report { findings, ..Report::default() };
    let declared = lint::declared(protected).await?.into_iter();
    report.notes.extend(declared.map(|object| (object, REVIEWED)));
    for (table, why) in census.unfit.iter().chain(&census.vague) {
        report.total += 1;
        report.missed.push((table.clone(), why.clone()));
    }
    if (quarry.is_found)(&report) {
        return Ok(report);
    }
    let mut scene = Scene {
        protected,
        key,
        clock,
        census: &census,
        victims: Vec::new(),
        views: victim::views(protected).await?,
        schemas: victim::schemas(protected).await?,
        rights: victim::rights(protected).await?,
    };
    for held in &census.held {
        if only.is_some_and(|only| only != held.table.label()) {
            continue;
        }
        report.total += 1;
        match victim::find(&scene, held).await? {
            Ok(victim) => scene.victims.push(victim),
            Err(why) => report.missed.push((held.table.label(), why)),
        }
    }
    tables(&scene, &mut report, quarry).await?;
    if !(quarry.is_found)(&report) && on_sessions().any(|attack| quarry.is_named(attack.name)) {
        sessions(&scene, &mut report, quarry).await?;
    }
    Ok(report)
}

/// Every attack that is made on every table, in the order of the matrix.
pub(crate) fn on_tables() -> impl Iterator<Item = &'static OnTable> {
    table::BATTERY.iter().chain(shapes::BATTERY).chain(change::BATTERY)
}

/// Every attack that is made once for each database.
pub(crate) fn on_sessions() -> impl Iterator<Item = &'static OnSession> {
    session::BATTERY.iter().chain(pooled::BATTERY)
}

async fn tables(scene: &Scene<'_>, report: &mut Report, quarry: &Quarry<'_>) -> Result<()> {
    for victim in &scene.victims {
        let label = victim.held.table.label();
        let mut unsure = None;
        for attack in on_tables().filter(|attack| quarry.is_named(attack.name)) {
            let strikes = if victim.rows || !attack.needs_rows {
                (attack.build)(scene, victim)
            } else {
                Vec::new()
            };
            if let Some(why) = make(scene, report, attack, &label, strikes).await? {
                unsure = unsure.or(Some(why));
            }
            if (quarry.is_found)(report) {
                return Ok(());
            }
        }
        match unsure {
            None => report.attacked += 1,
            Some(why) => report.missed.push((label, why)),
        }
    }
    Ok(())
}

async fn sessions(scene: &Scene<'_>, report: &mut Report, quarry: &Quarry<'_>) -> Result<()> {
    // B's session stands open with a statement that holds its mark, as another request's would.
    let witness = canary::bound(
        &scene.protected.intruder,
        scene.key,
        &scene.protected.canaries.1,
        scene.clock.now(),
    )
    .await?;
    let literal = store::literal(&scene.mark());
    // It holds a lock too, where it may: by that lock an attacker can know it.
    let lock = format!(
        "SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended({literal}, 0))"
    );
    witness.batch("SAVEPOINT amanah_witness").await?;
    if witness.batch(&lock).await.is_err() {
        witness.batch("ROLLBACK TO SAVEPOINT amanah_witness").await?;
    }
    witness.query(&format!("SELECT {literal}::text"), &[]).await?;
    for attack in on_sessions().filter(|attack| quarry.is_named(attack.name)) {
        let strikes = (attack.build)(scene);
        let unsure = make(scene, report, attack, SESSION, strikes).await?;
        if let Some(why) = unsure {
            // The whole database is not proven then, so every table is withdrawn.
            report.attacked = 0;
            report.missed.push((SESSION.to_owned(), why));
        }
        if (quarry.is_found)(report) {
            break;
        }
    }
    witness.rollback().await?;
    Ok(())
}

/// Makes one attack. Returns why it was not really made, if so.
async fn make<B>(
    scene: &Scene<'_>,
    report: &mut Report,
    attack: &Attack<B>,
    label: &str,
    strikes: Vec<Strike>,
) -> Result<Option<String>> {
    let (mut word, mut unsure) = (if strikes.is_empty() { "-" } else { "held" }, None);
    let mut leaks: Vec<(String, Vec<String>)> = Vec::new();
    for strike in strikes {
        let object = strike.object.clone().unwrap_or_else(|| label.to_owned());
        report.strikes += 1;
        match scene.strike(&strike).await? {
            Outcome::Held => {}
            Outcome::Leaked(what) => {
                word = "LEAKED";
                report.through += 1;
                match leaks.iter_mut().find(|(leaking, _)| *leaking == object) {
                    Some((_, whats)) if whats.contains(&what) => {}
                    Some((_, whats)) => whats.push(what),
                    None => leaks.push((object, vec![what])),
                }
            }
            Outcome::Declared => {
                word = if word == "LEAKED" { word } else { "declared" };
                let (Expect::Declared(note) | Expect::Told(note)) = strike.expect else {
                    continue;
                };
                report.notes.push((object, note));
            }
            Outcome::Unsure(why) => {
                word = if word == "LEAKED" { word } else { "unsure" };
                unsure = Some(format!("the attack {} could not be made: {why}", attack.name));
            }
        }
    }
    for (object, whats) in leaks {
        let (told, name, whats) = (attack.told, naming(attack.name), whats.join(", "));
        let told = format!("another tenant {told} {name}{whats})");
        report.findings.push(Finding::new(object, told).fix(attack.fix));
    }
    report.matrix.push((label.to_owned(), attack.name, word));
    Ok(unsure)
}

impl Scene<'_> {
    /// The text that recognises B's rows.
    pub(crate) fn mark(&self) -> String {
        self.key.mark(&self.protected.canaries.1)
    }

    async fn strike(&self, strike: &Strike) -> Result<Outcome> {
        let intruder = &self.protected.intruder;
        if !strike.fresh && strike.earlier.is_empty() {
            return self.strike_in(intruder, strike).await;
        }
        let alone = Db::lazy(intruder.url(), 1)?;
        let outcome = match self.turn(&alone, strike).await? {
            Some(ended) => ended,
            None => self.strike_in(&alone, strike).await?,
        };
        alone.close();
        Ok(outcome)
    }

    /// The other one's turn in the session, if it has one. Returns what came of it when that ends
    /// the attack.
    async fn turn(&self, alone: &Db, strike: &Strike) -> Result<Option<Outcome>> {
        if strike.earlier.is_empty() {
            return Ok(None);
        }
        let tx = alone.tenant(&self.token(&self.protected.canaries.1, Scope::ReadWrite)).await?;
        for sql in &strike.earlier {
            if let Err(error) = tx.batch(sql).await {
                tx.rollback().await?;
                return Ok(Some(unprepared(&error)));
            }
        }
        tx.commit().await?;
        Ok(None)
    }

    async fn strike_in(&self, db: &Db, strike: &Strike) -> Result<Outcome> {
        let scope = match strike.binding {
            Binding::Missing => {
                let tx = db.operator().await?;
                let outcome = hit(&tx, strike).await;
                tx.rollback().await?;
                return Ok(outcome);
            }
            Binding::Own => Scope::ReadWrite,
            Binding::OwnForReading => Scope::ReadOnly,
        };
        let tx = db.tenant(&self.token(&self.protected.canaries.0, scope)).await?;
        let outcome = hit(&tx, strike).await;
        tx.rollback().await?;
        Ok(outcome)
    }

    fn token(&self, canary: &TenantId, scope: Scope) -> Secret {
        let (database, now) = (&self.protected.name, self.clock.now());
        canary::token(self.key, canary, scope, database, now)
    }
}

/// What a refused preparation comes to.
fn unprepared(error: &store::Error) -> Outcome {
    match error.sqlstate() {
        Some(DENIED) => Outcome::Held,
        _ => Outcome::Unsure(format!("its preparation failed: {error}")),
    }
}

async fn hit(tx: &Tx, strike: &Strike) -> Outcome {
    // Checks that wait for the end would never be made in a transaction that is rolled back.
    let mut before = vec![PLAIN.to_owned(), "SET CONSTRAINTS ALL IMMEDIATE".to_owned()];
    before.extend(strike.setup.iter().cloned());
    for sql in &before {
        if let Err(error) = tx.batch(sql).await {
            return unprepared(&error);
        }
    }
    let bound: Vec<&(dyn ToSql + Sync)> =
        strike.bound.iter().map(|b| b as &(dyn ToSql + Sync)).collect();
    match strike.how {
        How::Rows => judge(strike.expect, tx.query(&strike.sql, &bound).await),
        How::Copied => match tx.copy_out(&strike.sql).await {
            Ok(rows) if rows.is_empty() => Outcome::Held,
            Ok(rows) => Outcome::Leaked(format!("{} bytes copied", rows.len())),
            Err(error) => judge_refusal(strike.expect, &error),
        },
        How::Touched => match tx.execute(&strike.sql, &bound).await {
            Ok(0) => Outcome::Held,
            Ok(n) => Outcome::Leaked(format!("{n} touched")),
            Err(error) => judge_refusal(strike.expect, &error),
        },
    }
}

pub(crate) fn judge(expect: Expect, answer: store::Result<Vec<store::Row>>) -> Outcome {
    let rows = match answer {
        Ok(rows) => rows,
        Err(error) => return judge_refusal(expect, &error),
    };
    let count: Option<i64> = rows.first().and_then(|row| row.try_get(0).ok());
    match (expect, count) {
        (Expect::Declared(_), _) if shows_filtered(&rows) => Outcome::Declared,
        (Expect::NoConflict | Expect::Declared(_), _)
        | (Expect::Nothing(_) | Expect::Silent(_) | Expect::Told(_), Some(0)) => Outcome::Held,
        (Expect::Told(_), _) => Outcome::Declared,
        (Expect::Nothing(_) | Expect::Silent(_), Some(n)) => Outcome::Leaked(format!("{n} found")),
        (Expect::Nothing(_) | Expect::Silent(_), None) => {
            Outcome::Unsure("it did not count".to_owned())
        }
        (Expect::Refused(_) | Expect::Barred(_), Some(0)) => {
            Outcome::Unsure("there was nothing to attack".to_owned())
        }
        (Expect::Refused(_) | Expect::Barred(_), _) => {
            Outcome::Leaked("it was accepted".to_owned())
        }
    }
}

fn judge_refusal(expect: Expect, error: &store::Error) -> Outcome {
    let code = error.sqlstate().unwrap_or_default();
    let violated = code.starts_with(CONSTRAINT);
    let reached = || Outcome::Leaked(format!("only another constraint stopped it, {code}"));
    let held = match expect {
        _ if code == SEEN => {
            return Outcome::Leaked("the attacker's own function was called".to_owned());
        }
        Expect::Nothing(codes) => code == DENIED || codes.contains(&code),
        Expect::Refused(codes) | Expect::Barred(codes) => codes.contains(&code),
        Expect::NoConflict if code == "23505" => {
            return Outcome::Leaked("it is told that the value is taken".to_owned());
        }
        // A foreign key is checked after the unique ones, so there was no conflict.
        Expect::NoConflict => matches!(code, DENIED | "23503"),
        Expect::Silent(told) if code == told => {
            return Outcome::Leaked(format!("an error tells of it, {code}"));
        }
        Expect::Silent(_) | Expect::Declared(_) => code == DENIED,
        // Behind a pooler it can be another session, in which nothing was left.
        Expect::Told(_) => code == DENIED || GONE.contains(&code),
    };
    match expect {
        _ if held => Outcome::Held,
        Expect::Nothing(_) | Expect::Refused(_) if violated => reached(),
        _ => Outcome::Unsure(error.to_string()),
    }
}

/// Whether the answer of EXPLAIN counts rows that a policy held back.
fn shows_filtered(rows: &[store::Row]) -> bool {
    rows.iter()
        .filter_map(|row| row.try_get::<_, String>(0).ok())
        .any(|line| line.contains("Rows Removed by Filter"))
}
