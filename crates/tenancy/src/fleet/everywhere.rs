//! What is done on every cell: the battery, and looking into the tenants' databases.

use futures_util::{StreamExt as _, stream};
use kernel::Finding;
use store::{DatabaseUrl, Db};

use super::attack::{self, Target};
use super::cell::{Cell, CellCard};
use super::{Fleet, HOME, MIN_TELLING_BYTES, Place, Tenant, place};
use crate::Result;
use crate::report::Report;

/// How many cells are attacked at one time: each battery waits for its own server.
const AT_ONCE: usize = 4;

const SILENT: &str = "its cell could not be attacked; `amanah cell list` says why";

/// One that does not answer: its name, and why not.
type Silent = (String, String);

impl Fleet {
    /// Attacks on each cell: one canary the other, every other database of the server, and the other
    /// cells. What cannot be reached counts, and was not attacked.
    pub(crate) async fn attack(&self, tenants: &[Tenant]) -> Result<Report> {
        let (cells, mut silent) = self.split().await?;
        let mut pairs = Vec::new();
        for cell in cells {
            match self.ensure_pair(&cell).await {
                Ok(pair) => pairs.push((cell, pair)),
                Err(error) if cell.name == HOME => return Err(error),
                Err(error) => silent.push((cell.name, error.to_string())),
            }
        }
        // The canary that each would be taken for elsewhere.
        let doors: Vec<(String, DatabaseUrl)> = pairs
            .iter()
            .map(|(cell, [_, b])| (cell.name.clone(), cell.owner.database(b.place.name())))
            .collect();
        let batteries = pairs.iter().map(|(cell, [a, b])| {
            let target = Target {
                pair: (&a.place, &b.place),
                names: names(tenants, &pairs),
                prefixes: vec![format!("amt_{}_", self.settings.installation)],
                places: living_on(tenants, &cell.name).map(|t| t.place.clone()).collect(),
                abroad: doors.iter().filter(|(name, _)| *name != cell.name).cloned().collect(),
            };
            async move { (cell.name.clone(), attack::beside_others(cell, &target).await) }
        });
        let batteries: Vec<_> = batteries.collect();
        let done: Vec<_> = stream::iter(batteries).buffer_unordered(AT_ONCE).collect().await;
        let mut all = Report::default();
        for (cell, report) in done {
            match report {
                Ok(report) => all.add(&cell, report),
                Err(error) if cell == HOME => return Err(error),
                Err(error) => silent.push((cell, error.to_string())),
            }
        }
        for (cell, why) in silent {
            // Addresses and logins are in these words, and what a proof says is published.
            tracing::warn!(cell, why, "a cell could not be attacked");
            let template = Place::template(&self.home());
            let there = living_on(tenants, &cell).map(|tenant| tenant.place.name());
            for name in there.chain([template.name()]) {
                all.total += 1;
                all.missed.push((format!("{cell}/{name}"), SILENT.to_owned()));
            }
        }
        Ok(all)
    }

    /// The database of every tenant that has one, by its name on the server, as the owner of its
    /// tables: for proofs of other promises, which change nothing there. Those of a cell that does
    /// not answer are one entry, which does not answer either.
    ///
    /// # Errors
    /// When the registry cannot be read, or it is not known how to log in on a cell.
    pub async fn databases(&self) -> Result<Vec<(String, Db)>> {
        let tenants = self.list().await?;
        let (cells, silent) = self.split().await?;
        let mut all = Vec::new();
        for cell in cells {
            for tenant in living_on(&tenants, &cell.name) {
                all.push((tenant.place.name().to_owned(), tenant.place.owner(&cell)?));
            }
        }
        for (name, _) in silent {
            let cell = self.unasked(&name).await?;
            let mut there = living_on(&tenants, &name);
            if let Some(first) = there.next() {
                let label = format!("{} and {} more on {name}", first.place.name(), there.count());
                all.push((label, first.place.owner(&cell)?));
            }
        }
        Ok(all)
    }

    /// Removes logins whose time is over, and what moves have left behind. Their sessions go on. On
    /// a cell that does not answer, it is for another time.
    ///
    /// # Errors
    /// When the registry or a catalogue cannot be read.
    pub async fn sweep(&self) -> Result<usize> {
        let mut swept = self.sweep_leftovers().await?;
        for cell in self.split().await?.0 {
            swept += place::sweep(&cell).await?;
        }
        Ok(swept)
    }

    /// The cells that answer, and those that do not. One that was never added to its end is
    /// neither.
    pub(super) async fn split(&self) -> Result<(Vec<Cell>, Vec<Silent>)> {
        let (mut cells, mut silent) = (Vec::new(), Vec::new());
        for (card, cell) in self.survey().await? {
            match cell {
                _ if !card.is_whole() => {}
                Ok((cell, _)) => cells.push(cell),
                Err(why) => silent.push((card.name, why)),
            }
        }
        Ok((cells, silent))
    }
}

impl Report {
    /// Adds what was found on a cell. What is on another than the first one says so.
    fn add(&mut self, cell: &str, other: Self) {
        let label = |name: String| if cell == HOME { name } else { format!("{cell}/{name}") };
        self.total += other.total;
        self.attacked += other.attacked;
        self.strikes += other.strikes;
        self.through += other.through;
        self.missed.extend(other.missed.into_iter().map(|(name, why)| (label(name), why)));
        self.findings.extend(other.findings.into_iter().map(|finding| {
            let object = label(finding.object.clone());
            Finding { object, ..finding }
        }));
        for (name, word) in other.matrix {
            match self.matrix.iter_mut().find(|(known, _)| *known == name) {
                // The worst word counts.
                Some((_, known)) if *known == "LEAKED" || word == "held" => {}
                Some((_, known)) => *known = word,
                None => self.matrix.push((name, word)),
            }
        }
    }
}

impl CellCard {
    /// Whether it was added to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.state != super::CellState::Making
    }
}

/// The tenants of a cell whose database is whole.
fn living_on<'a>(tenants: &'a [Tenant], cell: &'a str) -> impl Iterator<Item = &'a Tenant> {
    tenants.iter().filter(move |tenant| tenant.cell == cell && tenant.is_living())
}

/// The names that must stand nowhere on a server. Short ones are left out: they would be found by
/// chance in others.
fn names(tenants: &[Tenant], pairs: &[(Cell, [Tenant; 2])]) -> Vec<String> {
    let canaries = pairs.iter().map(|(_, [_, b])| &b.id);
    let ids = tenants.iter().map(|tenant| &tenant.id).chain(canaries);
    let long = ids.map(ToString::to_string).filter(|id| id.len() >= MIN_TELLING_BYTES);
    long.collect()
}
