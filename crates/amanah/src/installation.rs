//! One installation, put together: its ground, its rooms, and the engine that proves them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use claims::{Engine, Evidence, Page};
use gateway::controls::{ProbeSession, Target};
use gateway::{AUTHORITY_FILE, Own as _};
use identity::{Email, Identities, NewAccount, Pool, SignInProbe};
use kernel::{Control, Cx, SystemClock, SystemRng, TenantId, random_hex};
use monitor::Scan;
use tenancy::Guarded;

use crate::bridge::OwnPages;
use crate::cli::Place;
use crate::config::Config;
use crate::data::Data;
use crate::ground::Ground;
use crate::probe::{CanarySession, Edge};
use crate::{pages, protection};

/// The canary that looks at the application's pages. The domain is reserved and can never be
/// anybody's.
const CANARY: &str = "canary@amanah.invalid";

/// Everything that a command works with.
pub(crate) struct Installation {
    pub(crate) ground: Ground,
    pub(crate) data: Data,
    pub(crate) config: Config,
    config_file: Option<PathBuf>,
    pub(crate) cx: Cx,
    pub(crate) identities: Arc<Identities>,
    pub(crate) guarded: Vec<Guarded>,
}

/// Where the gateway is, for the proofs that ask it.
pub(crate) struct EdgeAt {
    pub(crate) address: SocketAddr,
    pub(crate) upstream_paths: Vec<String>,
    /// Whether it runs, as far as this process knows.
    pub(crate) runs: bool,
}

/// Time and randomness of the real world.
pub(crate) fn world() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

impl Installation {
    /// Opens the installation that `place` names.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        let (config, cx) = (Config::load(place.config.as_deref())?, world());
        let data = Data::open(&place.data)?;
        let ground = Ground::open(place, &config, &data, &*cx.rng).await?;
        let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
        let identities = Identities::new(ground.engine.clone(), clock, rng, Pool::default())?;
        let guarded = protection::all(&ground, &data, &*cx.rng).await?;
        Ok(Self {
            ground,
            data,
            config,
            config_file: place.config.clone(),
            cx,
            identities: Arc::new(identities),
            guarded,
        })
    }

    /// The pages of the configuration.
    pub(crate) fn pages(&self) -> anyhow::Result<Vec<Arc<Page>>> {
        let all = pages::load_all(&self.config.pages.directory)?;
        Ok(all.into_iter().map(Arc::new).collect())
    }

    /// The engine with every control of the house.
    pub(crate) async fn engine(&self, own: &OwnPages, edge: EdgeAt) -> anyhow::Result<Engine> {
        let authority = self.data.folder("tls")?.join(AUTHORITY_FILE);
        let probe = edge.runs.then(|| {
            let (address, authority) = (edge.address, authority.clone());
            Arc::new(Edge { address, authority }) as Arc<dyn SignInProbe>
        });
        let target = Target {
            address: edge.address,
            authority,
            own: own.paths(),
            upstream_paths: edge.upstream_paths,
            session: self.canary().await?,
        };
        let (owner, programs) = (self.ground.owner.clone(), self.ground.programs.clone());
        let databases = Arc::new(RwLock::new(self.guarded.clone()));
        let mut controls: Vec<Arc<dyn Control>> = tenancy::controls(&databases);
        controls.extend(audit::controls(protection::watched(&self.guarded, &self.cx.clock)));
        controls.extend(identity::controls(Arc::clone(&self.identities), owner, programs, probe));
        controls.extend(gateway::controls::controls(target));
        controls.extend(monitor::controls(self.scan()?)?);
        let evidence = Evidence::new(self.ground.engine.clone());
        Ok(Engine::new(controls, evidence, self.cx.clone())?)
    }

    /// Stops what this process started.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match &self.ground.cluster {
            Some(cluster) if self.ground.started => Ok(cluster.stop().await?),
            _ => Ok(()),
        }
    }

    /// A session of the canary tenant, when there is an application to look at.
    async fn canary(&self) -> anyhow::Result<Option<Arc<dyn ProbeSession>>> {
        let Some(guarded) = self.guarded.first() else {
            return Ok(None);
        };
        let tenant: TenantId = guarded.protected.canaries.0.clone();
        let rng = &*self.cx.rng;
        let password = self.data.secret("canary.password", || Ok(random_hex(rng, 24)?))?;
        let account = NewAccount {
            email: Email::new(CANARY)?,
            name: "Canary".to_owned(),
            tenant,
            role: "canary".to_owned(),
            password: password.clone(),
        };
        match self.identities.create_account(&account).await {
            Ok(_) | Err(identity::Error::Taken) => {}
            Err(error) => return Err(error.into()),
        }
        let identities = Arc::clone(&self.identities);
        let session = CanarySession::new(identities, CANARY.to_owned(), password);
        Ok(Some(Arc::new(session)))
    }

    /// What secrets.environment looks at.
    fn scan(&self) -> anyhow::Result<Scan> {
        let mut in_use = protection::secrets(&self.data)?;
        for file in self.data.private_files() {
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(".password") {
                in_use.extend(self.data.read_secret(name)?);
            }
        }
        Ok(Scan {
            configs: self.config_file.iter().cloned().collect(),
            roots: self.config.secrets.scan.clone(),
            skip: vec![self.data.root().to_owned()],
            private: vec![self.data.root().join("secrets")],
            in_use,
            scratch: self.data.folder("scratch")?,
        })
    }
}
