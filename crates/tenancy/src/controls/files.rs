//! The claim `isolation.files`: one tenant cannot reach another's files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, TenantFiles, TenantId};
use store::{Db, Programs};

use super::bitten;
use super::inhabited::{self, Inhabited};
use crate::files::{self, Doors, Files, StandingFiles, Struck, Survey};
use crate::fleet::CANARIES;
use crate::report::Report;

static CARD: Card = Card {
    id: "isolation.files",
    title: "Files of tenants, each sealed by its tenant's key",
    attack: "A synthetic tenant's client, with a good token of its own, goes for another synthetic \
             tenant's files through the API: by names, paths, ranges, etags, conditions, cursors, \
             lists, overwriting, removing; then as somebody who exchanges, copies, changes and cuts \
             objects in the store, looks into it, and has the engine's login. For every other tenant \
             with files, its rows are compared with what lies in the store",
    bite: "In a scratch store, one at a time: a token that reaches another tenant, files, lists, \
           cursors, writing and removing without their tenant, answers that tell of another's \
           files, no quota, room that is not taken in advance, names taken for paths, bytes in \
           clear or changeable, one key for all tenants or for all files of one, rows without \
           row-level security, an engine that sets quotas, places in the store that tell whose \
           they are or are shared",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "Whoever runs Amanah, holds its keys, or is the owner of the control database",
        "Names, types, lengths and times of files, which stand in clear in the control database",
        "How many objects a tenant has, how long they are and when they were written: the store \
         shows it to whoever can look into it",
        "How long an answer takes: a refusal takes the look that a missing file takes, and is not \
         measured",
        "A client that is admitted for several tenants and mixes them up by itself",
        "Removing objects from the store: the files are lost then, and told to be",
        "The bytes of customers' files, which are not opened; their objects' number and length are \
         compared",
        "The bite's store is a folder, also where files lie in a bucket",
        "Whether what a tenant keeps is harmless to whoever opens it",
    ],
};

/// What the claim is proven with.
pub struct FileGuard {
    /// The files.
    pub files: Files,
    /// The control database, which knows who is let in.
    pub registry: Db,
    /// Serves them to the attacks.
    pub doors: Arc<dyn Doors>,
    /// PostgreSQL's programs.
    pub programs: Programs,
    /// A folder of this installation that nobody else can enter.
    pub scratch: PathBuf,
}

impl FileGuard {
    /// The control. Where no customer has files, it is unknown.
    pub fn control(self) -> Arc<dyn Control> {
        Arc::new(Guarded(self))
    }

    /// Attacks the store as it is, on behalf of one synthetic tenant.
    ///
    /// # Errors
    /// When the files that are to be attacked cannot be placed; the text says why.
    pub async fn attack(&self) -> Result<Struck, String> {
        let [a, b] = canaries()?;
        // Two attacks at a time would change the store under each other.
        let turn = self.files.attack_turn().await.map_err(|error| error.to_string())?;
        // As programs are served: by way of whoever asks whether the tenant is let in.
        let standing = StandingFiles::new(self.files.clone(), self.registry.clone());
        let served: Arc<dyn TenantFiles> = Arc::new(standing);
        let struck =
            files::attack(&self.files, &served, (&*self.doors, false), [&a, &b], &[]).await;
        turn.rollback().await.map_err(|error| error.to_string())?;
        struck
    }
}

/// The control over the files of all tenants.
struct Guarded(FileGuard);

impl Control for Guarded {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(inhabited::prove(self, cx))
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(inhabited::bite(self, cx))
    }
}

impl Inhabited for Guarded {
    type Customers = Survey;

    const NOBODY: &'static str = "no tenant has files; `amanah file put` makes one";

    async fn customers(&self) -> Result<Option<Survey>, String> {
        let survey = self.0.files.survey().await.map_err(|error| error.to_string())?;
        Ok(Some(survey).filter(|survey| survey.total > 0))
    }

    async fn attack(&self, now: Timestamp, survey: Survey) -> Result<Proof, String> {
        let report = reported(survey, self.0.attack().await?)?;
        Ok(report.weigh(now, "tenants with files"))
    }

    async fn seed(&self, now: Timestamp) -> Result<Proof, String> {
        let FileGuard { files, doors, programs, scratch, .. } = &self.0;
        let bites = async {
            let [a, b] = canaries()?;
            files::bite(files, &**doors, programs, scratch, [&a, &b]).await
        };
        let bites =
            bites.await.map_err(|why: String| format!("the scratch store failed: {why}"))?;
        Ok(bitten(now, bites))
    }
}

fn canaries() -> Result<[TenantId; 2], String> {
    let [a, b] = CANARIES.map(TenantId::new);
    let known = |id: Result<TenantId, kernel::IdError>| id.map_err(|error| error.to_string());
    Ok([known(a)?, known(b)?])
}

/// The attacks beside what is known of everybody's files.
///
/// # Errors
/// When an attack could not be made and nothing gave way; the text says why.
fn reported(survey: Survey, struck: Struck) -> Result<Report, String> {
    let (through, strikes) = (struck.through(), struck.outcomes.len());
    let mut findings = survey.findings;
    findings.extend(struck.outcomes.into_iter().filter_map(|(name, through)| {
        Some(Finding::new("files of a synthetic tenant", format!("{} ({name})", through?)))
    }));
    if let Some((name, why)) = struck.missed.first()
        && findings.is_empty()
    {
        return Err(format!("{} attacks could not be made: {name}: {why}", struck.missed.len()));
    }
    let Survey { checked: attacked, total, missed, .. } = survey;
    Ok(Report { total, attacked, missed, strikes, through, findings, ..Report::default() })
}
