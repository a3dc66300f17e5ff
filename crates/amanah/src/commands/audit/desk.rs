//! The login by which this installation reads a trail: that of an auditor, so that each reading leaves
//! its row there first.

use ::audit::Shown;
use ::audit::archive::Beyond;
use anyhow::Context as _;
use store::Db;

use crate::archived;
use crate::auditor;
use crate::cli::Place;
use crate::cli::audit::Asked;
use crate::columns;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::Log;

/// Pages come one after the other.
const CONNECTIONS: usize = 2;

/// Whoever reads, and why, as the row about it will say.
pub(super) struct Desk {
    pub(super) login: Db,
    pub(super) purpose: String,
    /// Whether encrypted values are opened.
    pub(super) reveal: bool,
    /// How they are shown.
    pub(super) shown: Shown,
    /// Where the months lie that are no longer in the database.
    pub(super) beyond: Beyond,
}

/// Who reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Person,
    Program,
}

impl Reader {
    /// Whoever reads what `place` asks for.
    pub(super) const fn of(place: &Place) -> Self {
        if place.json { Self::Program } else { Self::Person }
    }
}

impl Desk {
    /// The auditor of a database.
    ///
    /// # Errors
    /// When no superuser guards its trail, nobody says who reads and why, or the keys cannot be read.
    pub(super) async fn of(
        house: &Installation,
        named: &Named<'_>,
        asked: &Asked,
        reader: Reader,
    ) -> anyhow::Result<Self> {
        let (by, why) = (asked.by.trim(), asked.purpose.trim());
        if by.is_empty() || why.is_empty() {
            return Err(Usage("say with --by who reads, and with --purpose why".to_owned()).into());
        }
        let login = login(house, named).await?;
        let login = login.with_context(|| {
            format!(
                "no superuser guards the trail of {}, so a reading of it could not be recorded; see \
                 --superuser-url of `amanah protect`",
                named.name
            )
        })?;
        let reveal = asked.reveal;
        let shown = match (reveal, reader) {
            (true, _) => Shown::Clear(columns::known(&house.strongbox, named.kept).await?),
            (false, Reader::Person) => Shown::Short,
            (false, Reader::Program) => Shown::Recorded,
        };
        let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
        let (purpose, beyond) = (format!("{why} ({by})"), archived::beyond(house, &log)?);
        Ok(Self { login, purpose, reveal, shown, beyond })
    }
}

/// A login of our own that may ask, and nothing else; none where no superuser guards the trail.
pub(super) async fn login(house: &Installation, named: &Named<'_>) -> anyhow::Result<Option<Db>> {
    let Some(url) = auditor::login(house, named).await? else { return Ok(None) };
    Ok(Some(Db::lazy(&url, CONNECTIONS)?))
}
