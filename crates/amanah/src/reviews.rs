//! The monthly reviews of the trails: where their reports are kept, who signs for them, and telling when
//! one is due.
//!
//! It promises that a review which is due within a week, or overdue, is told: once in what `amanah up`
//! logs, and to `amanah doctor`. Whether the reviews are in order is for `audit.review` to say.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::review::{Duty, Reports, day};
use audit::{Reviewed, Watched};
use claims::Ledger;
use jiff::Timestamp;
use kernel::Rng;
use keys::Keys;
use serde::{Deserialize, Serialize};
use store::Db;

use crate::data::{Data, safe};
use crate::installation::Installation;
use crate::trail::Pen;
use crate::watched::watched;
use crate::{out, trail};

/// The folder of the reports in the data directory.
const FOLDER: &str = "reviews";
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Where a running process tells others what is due, in the folder of the logs.
const TOLD: &str = "trail/reviewing.json";
/// How many months a month may wait: what `audit.review?every=1mo` says.
const EVERY: u32 = 1;

/// A review that is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) database: String,
    pub(crate) what: String,
}

/// The reports of a trail.
pub(crate) fn reports(data: &Data, database: &str) -> Reports {
    Reports::at(data.root().join(FOLDER).join(safe(database)))
}

/// Where a report lies in the data directory.
pub(crate) fn document(database: &str, name: &str) -> String {
    format!("{FOLDER}/{}/{name}", safe(database))
}

/// Where what people vouch for is kept, and whose key signs it.
#[derive(Clone)]
pub(crate) struct Words {
    keys: Keys,
    db: Db,
    rng: Arc<dyn Rng>,
    /// Under which name the ring signs.
    name: String,
}

impl Words {
    pub(crate) fn of(house: &Installation) -> anyhow::Result<Self> {
        let installation = house.data.installation(&*house.cx.rng)?;
        Ok(Self {
            keys: house.ring.keys.clone(),
            db: house.ground.engine.clone(),
            rng: Arc::clone(&house.cx.rng),
            name: format!("amanah-{}/attestations", installation.expose()),
        })
    }

    /// The same of a house beside the running one, over its database.
    pub(crate) fn beside(keys: Keys, db: Db, rng: Arc<dyn Rng>) -> Self {
        Self { keys, db, rng, name: "amanah-sandbox/attestations".to_owned() }
    }

    fn by(&self, pen: Pen) -> Ledger {
        Ledger::new(self.db.clone(), Arc::new(pen), self.name.clone(), Arc::clone(&self.rng))
    }

    /// What people have vouched for.
    pub(crate) fn ledger(&self) -> anyhow::Result<Ledger> {
        Ok(self.by(Pen::of_words(&self.keys)?))
    }

    /// The same for somebody who is about to: with the key that signs it.
    pub(crate) async fn signing(&self) -> anyhow::Result<Ledger> {
        Ok(self.by(Pen::of_words(&self.keys)?.made().await?))
    }
}

/// What people have vouched for.
pub(crate) fn ledger(house: &Installation) -> anyhow::Result<Ledger> {
    Words::of(house)?.ledger()
}

/// The same for somebody who is about to: with the key that signs it.
pub(crate) async fn signing(house: &Installation) -> anyhow::Result<Ledger> {
    Words::of(house)?.signing().await
}

/// The reviews of the trail of `database`.
pub(crate) fn reviewed(house: &Installation, database: &str) -> anyhow::Result<Reviewed> {
    Ok(Reviewed {
        trail: database.to_owned(),
        reports: reports(&house.data, database),
        attestations: Arc::new(ledger(house)?),
        scratch: house.data.folder("scratch")?,
    })
}

/// Looks at what is due, until `stop` ends.
pub(crate) async fn keep(house: &Installation, stop: impl Future<Output = ()>) {
    let looking = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        loop {
            tick.tick().await;
            let all = watched(house, &house.known());
            let now = house.cx.clock.now();
            let mut told = Vec::new();
            for (database, what) in due(&all, now).await {
                if before.get(&database) != Some(&what) {
                    tracing::warn!(database, "{what}");
                    before.insert(database.clone(), what.clone());
                }
                told.push(Told { database, what });
            }
            before.retain(|database, _| told.iter().any(|one| one.database == *database));
            if let Err(error) = announce(&house.data, &told) {
                let why = out::words(&error);
                tracing::warn!(why, "what reviews are due could not be written down");
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = looking => {}
    }
}

/// What is due, by the trail.
async fn due(all: &[Watched], now: Timestamp) -> Vec<(String, String)> {
    let mut due = Vec::new();
    for one in all {
        let Ok(reviewed) = &one.reviewed else { continue };
        // One that does not answer is told by everything else that needs it.
        let Ok(duty) = one.duty(EVERY, now).await else { continue };
        if let Some(what) = words(&reviewed.trail, &duty, now) {
            due.push((reviewed.trail.clone(), what));
        }
    }
    due
}

/// What there is to tell of a trail.
fn words(trail: &str, duty: &Duty, now: Timestamp) -> Option<String> {
    let command =
        |month| format!("`amanah audit review --month {month} --database {trail} --by NAME`");
    if let Some(fault) = duty.faults.first() {
        let more = match duty.faults.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        return Some(format!("a review of the trail is not in order: {fault}{more}"));
    }
    let (month, due) = duty.near(now)?;
    Some(format!(
        "the review of the trail for {month} is due until {}: {} makes the report",
        day(due),
        command(month)
    ))
}

fn announce(data: &Data, told: &[Told]) -> anyhow::Result<()> {
    data.folder(trail::FOLDER)?;
    data.replace(Path::new(TOLD), &serde_json::to_vec_pretty(told)?)
}

/// What a running process has told last.
pub(crate) fn told(data: &Data) -> Vec<Told> {
    let told = std::fs::read(data.root().join(TOLD)).ok();
    told.and_then(|told| serde_json::from_slice(&told).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use audit::review::{Duty, Fault, Month};

    use super::words;

    #[test]
    fn it_is_told_a_week_before_and_when_it_is_late() {
        let month: Month = "2026-10".parse().unwrap();
        let due = "2026-12-01T00:00:00Z".parse().unwrap();
        let duty = Duty { next: Some((month, due)), ..Duty::default() };
        let told = |at: &str| words("shop", &duty, at.parse().unwrap());
        assert_eq!(told("2026-11-23T23:59:59Z"), None);
        let near = told("2026-11-24T00:00:00Z").unwrap();
        assert!(near.starts_with("the review of the trail for 2026-10 is due until 2026-11-30: "));
        assert!(near.contains("--month 2026-10 --database shop"), "{near}");
        let late = Duty { faults: vec![Fault::Overdue(month, due)], ..Duty::default() };
        let late = words("shop", &late, due).unwrap();
        assert!(
            late.ends_with(
                "nobody has signed the review of 2026-10, which was due until 2026-11-30"
            )
        );
    }
}
