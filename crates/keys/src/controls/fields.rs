//! `rest.fields`: secrets in the databases are sealed or hashed, and open with their key alone.

mod columns;
mod keeper;
mod needles;
mod planted;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Custody, Cx, Finding, Fut, Params, Planted, Proof};
use store::{Db, Programs, Protected};

pub use self::keeper::Keeper;
use self::needles::{Hit, Needles};
use super::{Seen, Tenants};
use crate::Keys;

static CARD: Card = Card {
    id: "rest.fields",
    title: "Secret fields are never stored in clear",
    attack: "Stores canary passwords, tokens, seeds and keys the way that real ones go, tries to \
             open each with a wrong key, in a wrong context and changed, and searches a full dump \
             of the control database and of every protected one for them; counts in each column \
             that is declared sealed what is not, in the tenants' own databases too, and looks for \
             columns that have the name of a secret and are not declared.",
    bite: "In a copy of the control database: a canary in clear and in base64, a clear value in a \
           sealed column, a sealed value of an unknown key, an undeclared api_key and pin; and \
           sealings that ignore the context, the key, or a change.",
    cadence: Duration::from_hours(24),
    deadline: Duration::from_mins(30),
    not_covered: &[
        "secrets in columns without a telling name that nobody declared, and inside documents, \
         composite values and notes",
        "whether a value in a sealed column opens: it is known by its form and by the id of its key",
        "columns that are declared hashed or clear: somebody looked at them, and is believed",
        "canaries that are compressed, split, hashed, or encoded twice or by another key",
        "protected databases get no canaries, for the application alone knows how it stores a \
         secret: only values in columns that are declared sealed are tested there",
        "the tenants' own databases are looked at by their columns and not dumped: no canary can be \
         there",
        "views, foreign tables and large objects by their columns; the search reads them as far as \
         the dump does",
        "the keys of bindings in schema amanah, which the database itself must be able to read",
        "files, logs and backups outside the databases",
    ],
};

const OF: &str = "secret fields (columns with values, canaries) and dumps with canaries";
const THRESHOLD: &str = "none in clear; each opens with its own key alone";

/// The control.
pub(super) struct Fields {
    pub(super) keys: Keys,
    /// Owns the control database.
    pub(super) owner: Db,
    pub(super) programs: Programs,
    pub(super) custodians: Vec<Arc<dyn Custody>>,
    pub(super) protected: Vec<Protected>,
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) scratch: PathBuf,
}

impl Control for Fields {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let mut seen = Seen::default();
            let mut canaries = Vec::new();
            for custodian in &self.custodians {
                match custodian.plant(cx).await {
                    Ok(planted) if planted.is_empty() => {
                        seen.open(format!("{}: it planted no canary", custodian.name()));
                    }
                    Ok(planted) => canaries.extend(planted),
                    Err(why) => seen.open(format!("{}: {why}", custodian.name())),
                }
            }
            if self.custodians.is_empty() {
                seen.open("nobody that keeps secrets was handed over");
            }
            seen.add(self.look(&canaries).await);
            for custodian in &self.custodians {
                if let Err(why) = custodian.clear(cx).await {
                    let name = custodian.name();
                    seen.notes.push(format!("{name}: canaries are left behind: {why}"));
                }
            }
            seen.proof(at, OF, THRESHOLD)
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let scratch = match self.owner.scratch(&self.programs, &*cx.rng).await {
                Ok(scratch) => scratch,
                Err(error) => return Proof::unknown(at, format!("no sandbox: {error}")),
            };
            let bitten = planted::bite(scratch.db(), &self.programs, &self.scratch, cx).await;
            let left = scratch.remove().await.err();
            let proof = match bitten {
                Ok(bitten) => bitten.proof(at),
                Err(why) => Proof::unknown(at, why),
            };
            match left {
                Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
                None => proof,
            }
        })
    }
}

impl Fields {
    /// Looks at all databases for `canaries` and at their columns.
    async fn look(&self, canaries: &[Planted]) -> Seen {
        let mut seen = Seen::default();
        let needles = match Needles::new(canaries) {
            Ok(needles) => needles,
            Err(why) => {
                seen.open(why);
                return seen;
            }
        };
        let control = search(&self.owner, &self.programs, &needles).await;
        seen.add(weigh(canaries, "the control database", control, true));
        seen.add(declared(&self.owner, &self.keys, "the control database").await);
        for database in &self.protected {
            // The owner may be under its own policies; whoever is not sees every row.
            let reader = database.superuser.as_ref().unwrap_or(&database.owner);
            let hits = search(reader, &database.programs, &needles).await;
            seen.add(weigh(canaries, &database.name, hits, false));
            seen.add(declared(reader, &self.keys, &database.name).await);
        }
        seen.add(self.look_at_tenants().await);
        seen
    }

    /// The columns of every tenant's own database; what there is to note of them, once for all.
    async fn look_at_tenants(&self) -> Seen {
        let mut seen = Seen::default();
        let databases = match self.tenants.databases().await {
            Ok(databases) => databases,
            Err(why) => {
                seen.open(format!("the tenants' own databases: {why}"));
                return seen;
            }
        };
        let count = databases.len();
        for (name, db) in databases {
            seen.add(declared(&db, &self.keys, &name).await);
            db.close();
        }
        seen.notes.clear();
        if count > 0 {
            seen.notes.push(format!("the columns of {count} databases of tenants were looked at"));
        }
        seen
    }
}

async fn declared(db: &Db, keys: &Keys, name: &str) -> Seen {
    match columns::look(db, keys).await {
        Ok(seen) => seen.at(name),
        Err(error) => {
            let mut seen = Seen::default();
            seen.open(format!("the columns of {name}: {error}"));
            seen
        }
    }
}

/// What a dump of `db` holds of what is looked for.
async fn search(
    db: &Db,
    programs: &Programs,
    needles: &Needles,
) -> Result<(BTreeSet<Hit>, u64), String> {
    let mut search = needles.search();
    let mut take = |piece: &[u8]| search.take(piece);
    let read = db.dump(programs, &mut take).await.map_err(|e| e.to_string())?;
    Ok((search.found, read))
}

/// Weighs what was found in the dump of `database`. It is their `home` if the canaries were
/// stored in it.
fn weigh(
    canaries: &[Planted],
    database: &str,
    hits: Result<(BTreeSet<Hit>, u64), String>,
    home: bool,
) -> Seen {
    let mut seen = Seen::default();
    let (hits, bytes) = match hits {
        Ok(found) => found,
        Err(why) => {
            seen.open(format!("{database} could not be dumped: {why}"));
            return seen;
        }
    };
    let searched = format!("{database}: {} KiB searched", bytes / 1024);
    if home && !canaries.is_empty() {
        seen.good(searched);
    } else {
        // What can hold none of what is looked for proves nothing by not holding it.
        seen.notes.push(format!("{searched}, in which no canary was stored"));
    }
    for (n, canary) in canaries.iter().enumerate() {
        let ways: Vec<&str> = hits
            .iter()
            .filter_map(|hit| match hit {
                Hit::Secret(found, how) if *found == n => Some(*how),
                _ => None,
            })
            .collect();
        let fix = "Let it be sealed or hashed before it is stored, and overwrite what is there";
        if !ways.is_empty() {
            let what = format!("stands {} in {database}", ways.join(" and "));
            seen.findings.push(Finding::new(canary.what.clone(), what).fix(fix));
        }
        if !home {
            continue;
        }
        if let Some(problem) = &canary.problem {
            seen.findings.push(Finding::new(canary.what.clone(), problem.clone()));
        }
        if hits.contains(&Hit::Beside(n)) {
            seen.count(1);
        } else {
            seen.open(format!("{}: the dump does not hold the row it was stored in", canary.what));
        }
    }
    seen
}
