//! The claim `isolation.rows`: one tenant cannot reach another's rows in a shared database.

use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Proof};

use super::{Guarded, bitten};
use crate::attack::{self, Report, guard};
use crate::{bite, canary, lint, register};

static CARD: Card = Card {
    id: "isolation.rows",
    title: "Row-level security in a shared database",
    attack: "A synthetic tenant with a good binding and the application's rights goes for another \
             synthetic tenant's rows, in every table that has a tenant",
    bite: "In a sandbox, one at a time: a table without row-level security, open policies, a \
           policy with a back door, views, a materialised view and a function with their owner's \
           rights, a foreign table, a foreign key without the tenant, a table that points to \
           tenants' rows, the right to empty a table, a binding that is not verified, one that \
           uses its caller's types, one with a back door, one that takes the place of another, a \
           function beside it; where the server keeps bindings, one that does not expire, a \
           function that writes there for whoever asks and, with a superuser, a login that may; a \
           key of bindings that nobody here has made; with a superuser, a guard over later tables \
           that sleeps; and one violation of each rule of the \
           linter that can be made there",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "A superuser, the owner of the tables and whoever holds the binding key or a dump of \
         schema amanah",
        "Tables without the tenant column that point to no tenant's row: they are shared",
        "Whether a guessed primary key is taken, and names that must be unique over all tenants",
        "How many rows all tenants have together, as EXPLAIN, sequences and sizes of files tell, \
         and how long an answer takes",
        "What the planner expects, as EXPLAIN tells it: whether a frequent value is anybody's, and the \
         greatest and the least in an index that does not begin with the tenant column",
        "What one injected ALTER ROLE leaves: PostgreSQL lets every role change its own password, \
         which shuts the application out, and its own settings, which are found and counted as a \
         finding, but last until then",
        "What somebody has declared as reviewed: the proof names it",
        "What an application leaves in a pooled session: temporary tables, open cursors, prepared \
         statements",
        "What injected SQL leaves there: a statement that it prepares in the place of one that the \
         driver keeps by its name is run for the next tenant, and can hand on what it reads",
        "A good token that was stolen, until it expires within a minute, and what a statement that \
         began before goes on to do",
        "A second tenant in one transaction, where somebody holds good tokens of both and empties the \
         binding in between by RESET ALL",
        "Cancelling and ending other sessions of the application's own role, where no superuser is \
         known who could close it; where one is, it is attacked",
        "What sessions of one role share: locks on tables that they may write, advisory locks, and \
         what the application itself sends by NOTIFY",
        "The bite where several databases are protected: its violations are seeded in a sandbox of \
         the first one alone, the others are only attacked",
    ],
};

/// The control for every protected database.
pub(super) struct Rows {
    pub(super) databases: Vec<Guarded>,
}

impl Control for Rows {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(self.attack(cx))
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(self.seed(cx))
    }
}

impl Rows {
    async fn attack(&self, cx: &Cx) -> Proof {
        let now = cx.clock.now();
        let databases = &self.databases;
        if databases.is_empty() {
            return Proof::unknown(now, "no database is protected");
        }
        let (mut all, mut told, mut errors) = (Report::default(), Vec::new(), Vec::new());
        for guarded in databases {
            match examine(guarded, cx).await {
                Ok(report) => told.extend(merge(&mut all, report, guarded, databases.len() > 1)),
                Err(error) => errors.push(format!("{}: {error}", guarded.protected.name)),
            }
        }
        // What gave way is not made undone by a database that did not answer.
        if !errors.is_empty() && all.findings.is_empty() {
            return Proof::unknown(now, errors.join("; "));
        }
        let proof = all.weigh(now, "tables");
        errors.iter().chain(&told).fold(proof, |proof, note| proof.note(note))
    }

    async fn seed(&self, cx: &Cx) -> Proof {
        let now = cx.clock.now();
        let Some(guarded) = self.databases.first() else {
            return Proof::unknown(now, "no database is protected");
        };
        let (clock, rng) = (cx.clock.as_ref(), cx.rng.as_ref());
        let bites = match bite::run(&guarded.protected, &guarded.key, clock, rng).await {
            Ok(bites) => bites,
            Err(error) => return Proof::unknown(now, format!("the sandbox failed: {error}")),
        };
        bitten(now, bites)
    }
}

/// One database: its server's version, its canaries, the battery.
async fn examine(guarded: &Guarded, cx: &Cx) -> crate::Result<Report> {
    let (protected, key) = (&guarded.protected, &guarded.key.get());
    let clock = cx.clock.as_ref();
    let canaries = canary::ensure_canaries(protected, key, clock).await?;
    let mut report = attack::run(protected, key, clock, None).await?;
    for (table, why) in &mut report.missed {
        if let Some((_, refused)) = canaries.missing.iter().find(|(label, _)| label == table) {
            *why = format!("no canary could be placed: {refused}");
        }
    }
    report.notes.extend(lint::walls(protected).await?);
    let honoured = register::examine(protected, &guarded.key).await?;
    let watched = guard::examine(protected).await?;
    report.findings.extend(honoured.findings.into_iter().chain(watched.findings));
    if let Some(unsure) = honoured.unsure {
        report.attacked = 0;
        report.missed.push((protected.name.clone(), unsure));
    }
    // The tables that are not there yet count as one that was not attacked; those that are there were.
    if let Some(unsure) = watched.unsure {
        report.total += 1;
        report.missed.push((guard::GUARD.to_owned(), unsure));
    }
    // An old server can keep an outdated policy in force, which no attack from here would show.
    if let Err(old) = protected.owner.version().await?.check() {
        report.attacked = 0;
        report.missed.push((protected.name.clone(), old.to_string()));
    }
    Ok(report)
}

/// Adds what was found in one database and returns what is declared of it; names are told apart
/// where there are several.
fn merge(all: &mut Report, report: Report, guarded: &Guarded, several: bool) -> Vec<String> {
    let named = |object: String| {
        if several { format!("{}: {object}", guarded.protected.name) } else { object }
    };
    all.total += report.total;
    all.attacked += report.attacked;
    all.strikes += report.strikes;
    all.through += report.through;
    all.missed.extend(report.missed.into_iter().map(|(t, why)| (named(t), why)));
    all.findings.extend(report.findings.into_iter().map(|mut finding| {
        finding.object = named(finding.object);
        finding
    }));
    // What is the same for many tables is said once.
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for (object, note) in report.notes {
        match notes.iter_mut().find(|(said, _)| *said == note) {
            Some((_, objects)) if objects.contains(&object) => {}
            Some((_, objects)) => objects.push(object),
            None => notes.push((note, vec![object])),
        }
    }
    let each = notes.into_iter().map(|(note, objects)| {
        let rest = match objects.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more tables)", n - 1),
        };
        let first = objects.into_iter().next().unwrap_or_default();
        named(format!("{first}: {note}{rest}"))
    });
    each.collect()
}
