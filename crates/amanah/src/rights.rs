//! Rights, as the binary has to do with them: which routes count, the roles of its own accounts,
//! and what was used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::{Access, By, Catalogue, NewGrant, Routes};
use anyhow::Context;
use gateway::controls::Target;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use tenancy::Guarded;

use crate::callers::{RoleCanaries, ScratchGateways};
use crate::exit::Usage;
use crate::installation::Installation;

/// The routes of the sample application.
const DEMO: &str = include_str!("../../../demo/routes.toml");
/// A file of routes larger than this, in bytes, is a mistake.
const MAX_BYTES: u64 = 4 << 20;
/// How often it is written down what was used.
const WRITE_EVERY: Duration = Duration::from_mins(1);
/// How often it is removed what proofs left behind: so many times less often.
const SWEEP_EACH: u32 = 60;

/// Whoever may run a command here may do everything, and is written down so; who it was, the system's own
/// logs say.
pub(crate) const OPERATOR: &str = "the operator, by command";

/// The same, as whoever changes rights.
pub(crate) fn operator() -> anyhow::Result<By> {
    Ok(By::operator(OPERATOR)?)
}

/// Where the routes of the application behind the gateway are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoutesAt {
    /// Those of the sample application.
    Demo,
    /// In this file, by its absolute path.
    File(PathBuf),
}

impl RoutesAt {
    /// The file that the configuration names.
    pub(crate) fn file(path: &Path) -> anyhow::Result<Self> {
        let words = || Usage(format!("access.routes: {} is not there", path.display()));
        Ok(Self::File(path.canonicalize().with_context(words)?))
    }

    pub(crate) fn read(&self) -> anyhow::Result<Routes> {
        let catalogue = Catalogue::shipped()?;
        let Self::File(path) = self else {
            return Ok(Routes::read(DEMO, catalogue)?);
        };
        let what = || format!("access.routes: {} cannot be read", path.display());
        if std::fs::metadata(path).with_context(what)?.len() > MAX_BYTES {
            return Err(Usage(format!("access.routes: {} is too large", path.display())).into());
        }
        let text = std::fs::read_to_string(path).with_context(what)?;
        let routes = Routes::read(&text, catalogue);
        routes.with_context(|| path.display().to_string())
    }
}

/// From now on requests are decided by the routes that are told at `at`.
pub(crate) fn guard(access: &Access, at: Option<&RoutesAt>) -> anyhow::Result<()> {
    if let Some(at) = at
        && access.routes().is_none()
    {
        access.guard(at.read()?);
    }
    Ok(())
}

/// Gives a role to an account of our own, unless it has it.
pub(crate) async fn ensure(
    access: &Access,
    account: &str,
    tenant: &TenantId,
    role: &str,
) -> anyhow::Result<()> {
    let grant = NewGrant {
        account: account.to_owned(),
        tenant: tenant.clone(),
        role: role.to_owned(),
        reason: "made by Amanah itself".to_owned(),
        until: None,
    };
    match access.grant(&By::operator("amanah")?, &grant).await {
        Ok(_) | Err(access::Error::Held(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Installation {
    /// What the claims about rights look at, with the application's database `behind` the gateway.
    pub(crate) fn rights(
        &self,
        behind: Option<&Guarded>,
        target: &Target,
        runs: bool,
    ) -> anyhow::Result<access::controls::House> {
        guard(&self.access, self.routes()?.as_ref())?;
        let tenants = behind.map(|guarded| guarded.protected.canaries.clone());
        let canaries = tenants.iter().flat_map(|(one, other)| [one.clone(), other.clone()]);
        let canaries = canaries.collect();
        let door = tenants.filter(|_| runs).map(|tenants| {
            let canaries = RoleCanaries {
                identities: Arc::clone(&self.identities),
                access: Arc::clone(&self.access),
                owner: self.ground.owner.clone(),
                cx: self.cx.clone(),
                address: target.address,
                authority: target.authority.clone(),
                tenants,
                known: tokio::sync::Mutex::default(),
            };
            Arc::new(canaries) as Arc<dyn access::controls::Door>
        });
        Ok(access::controls::House {
            access: Arc::clone(&self.access),
            owner: self.ground.owner.clone(),
            programs: self.ground.programs.clone(),
            door,
            scratch: Arc::new(ScratchGateways(self.cx.clone())),
            canaries,
        })
    }

    /// Where the application's routes are told. What `up` was started with counts for later
    /// commands too.
    pub(crate) fn routes(&self) -> anyhow::Result<Option<RoutesAt>> {
        if let Some(last) = self.data.last_run().filter(|_| !self.starts) {
            return Ok(last.routes);
        }
        self.config.access.routes().map(RoutesAt::file).transpose()
    }
}

/// Writes down what was used, every minute and once more at the end; and each hour removes what proofs
/// left behind of synthetic people.
pub(crate) async fn keep(installation: &Installation, end: impl Future<Output = ()>) {
    let access = &installation.access;
    let mut tick = tokio::time::interval(WRITE_EVERY);
    let mut end = std::pin::pin!(end);
    let mut round = 0_u32;
    loop {
        let over = tokio::select! {
            () = &mut end => true,
            _ = tick.tick() => false,
        };
        if let Err(error) = access.write_uses().await {
            tracing::warn!(%error, "what was used is not written down yet; it is kept in memory");
        }
        if !over && round.is_multiple_of(SWEEP_EACH) {
            match access::sweep(&installation.ground.owner).await {
                Ok(0) => {}
                Ok(gone) => {
                    tracing::info!(gone, "what proofs left of synthetic people was removed");
                }
                Err(error) => tracing::warn!(%error, "what proofs left could not be removed"),
            }
        }
        round = round.wrapping_add(1);
        if over {
            return;
        }
    }
}
