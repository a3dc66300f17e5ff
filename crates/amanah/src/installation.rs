//! One installation, put together: its ground, its rooms, and the engine that proves them.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use access::Access;
use anyhow::Context;
use arc_swap::ArcSwap;
use claims::{Engine, Evidence, Page};
use directory::Directory;
use gateway::controls::{ProbeSession, Target};
use gateway::{AUTHORITY_FILE, Own as _};
use identity::{
    Cost, Custodian, EdgeProbe, Email, FormProbe, Identities, LinkCustodian, Mailroom, NewAccount,
    Pool, SignInProbe, TokenProbe,
};
use kernel::{Control, Cx, Secret, SystemClock, SystemRng, TenantId, random_hex};
use keys::{Disks, Keeper, Strongbox};
use monitor::Scan;
use store::DatabaseUrl;
use tenancy::{Caches, FileGuard, Files, Fleet, Guarded, Life};

use crate::bait::{self, Pen};
use crate::bridge::OwnPages;
use crate::cli::Place;
use crate::config::Config;
use crate::consent::{self, Door};
use crate::data::{Data, Running};
use crate::door::FileDoors;
use crate::edge::Faces;
use crate::exit::Usage;
use crate::following::Behind;
use crate::ground::{Ground, Stay};
use crate::keyring::{self, Ring};
use crate::known::{DatabaseAt, Known};
use crate::probe::{Authority, CanarySession, Edge};
use crate::provisioning::{self, People};
use crate::rights;
use crate::roots::{self, ROOT_SECRET};
use crate::shared_limits::Carried;
use crate::tokens::TokenPen;
use crate::unseen::unseen;
use crate::vault::KeyVault;
use crate::visits::Visits;
use crate::watched::watched;
use crate::{
    environment, factor_probe, files, fleet, limit_probe, lost, mail, pages, protection, redis,
};

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
    pub(crate) ring: Ring,
    /// The house's own secrets, sealed.
    pub(crate) strongbox: Strongbox,
    /// What its proofs show where there is a limit.
    pub(crate) proof: Secret,
    pub(crate) identities: Arc<Identities>,
    /// What they may do.
    pub(crate) access: Arc<Access>,
    /// Letters, resets and invitations.
    pub(crate) mailroom: Arc<Mailroom>,
    /// The directories of tenants.
    pub(crate) directory: Arc<Directory>,
    /// Tenants with a database of their own.
    pub(crate) fleet: Fleet,
    /// Tenants' files.
    pub(crate) files: Files,
    /// Tenants' places on Redis.
    pub(crate) caches: Caches,
    /// The protected databases; a running `amanah up` follows what others protect.
    known: ArcSwap<Known>,
    /// Where the one behind the gateway is.
    pub(crate) behind: Behind,
    /// Whether this process is the one that serves.
    pub(crate) starts: bool,
    /// Where hits on bait wait, and switches of under-attack mode.
    pub(crate) pen: Arc<Pen>,
    pub(crate) carried: Arc<Carried>,
}

/// Where the gateway is, for the proofs that ask it.
#[derive(Clone)]
pub(crate) struct EdgeAt {
    pub(crate) address: SocketAddr,
    pub(crate) upstream_paths: Vec<String>,
    /// How it shows itself.
    pub(crate) faces: Faces,
    /// Whether it runs, as far as this process knows.
    pub(crate) runs: bool,
}

impl EdgeAt {
    /// A gateway that does not run, where it would be.
    pub(crate) fn absent(config: &Config) -> Self {
        let upstream_paths = config.upstream_paths();
        let faces = Faces::default();
        Self { address: config.gateway.listen, upstream_paths, faces, runs: false }
    }
}

/// How much hashing this machine is for.
///
/// A hash costs what the running program has it cost: a proof by command compares its refusals with those of
/// accounts that the command hashes.
fn pool(config: &Config, running: Option<&Running>) -> Pool {
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let there = running.and_then(|running| Cost::tuned(running.argon2.as_ref()?).ok());
    Pool::of_cores(cores, there.unwrap_or_else(|| config.identity.argon2()))
}

/// Time and randomness of the real world.
pub(crate) fn world() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

impl Installation {
    /// Opens the installation that `place` names.
    pub(crate) async fn open(place: &Place, stay: Stay) -> anyhow::Result<Self> {
        let starts = stay != Stay::Visit;
        let (config, cx) = (Config::load(place.config.as_deref())?, world());
        let data = Data::of(place)?;
        let turn = data.turn().await?;
        let proof = data.password("proof", &*cx.rng)?;
        let ground = Ground::open(place, &config, &data, &*cx.rng).await?;
        let rooms = async {
            let ring = keyring::open(&ground, &data, &config, &cx).await?;
            let strongbox = Strongbox::new(ring.keys.clone(), ground.engine.clone());
            let (clock, random) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
            let engine = ground.engine.clone();
            let pool = pool(&config, data.running().filter(|_| !starts).as_ref());
            let access = Arc::new(consent::rights(&engine, &config, &cx)?);
            let standings = Arc::<Access>::clone(&access);
            let identities = Identities::new(engine, clock, random, pool, standings)?;
            let identities = identities.with_vault(Arc::new(KeyVault::new(ring.keys.clone())));
            let identities = identities.with_lifetime(config.identity.lifetime());
            let issuer = format!("amanah:{}", data.installation(&*cx.rng)?.expose());
            let identities = identities.with_tokens(Arc::new(TokenPen::known(&ring.keys)?), issuer);
            let protected =
                Known::read(&ground, &data, &strongbox, &*cx.rng, &Known::default()).await?;
            let fleet = fleet::open(&ground, &data, &strongbox, &cx).await?;
            let files = files::open(&ground, &data, &config, &ring.keys, &cx)?;
            let caches = redis::open(&ground, &config, &data, &cx)?;
            let identities = Arc::new(identities);
            anyhow::Ok((ring, strongbox, identities, access, fleet, files, caches, protected))
        };
        let (ring, strongbox, identities, access, fleet, files, caches, protected) =
            match rooms.await {
                Ok(rooms) => rooms,
                Err(error) => {
                    drop(turn);
                    ground.abandon(&data, stay).await?;
                    return Err(error);
                }
            };
        let config_file = place.config.clone();
        let behind = Behind::default();
        // It is the running one's, for later commands too, as with its folders below.
        if let Some(settled) = data.last_run().filter(|_| !starts).and_then(|last| last.behind) {
            behind.settle(settled);
        }
        let mailroom = mail::waiting_room(&identities, &cx);
        let people = People::of(&access, &identities, &mailroom, &cx);
        let directory = provisioning::open(people, &ground.engine, "");
        Ok(Self {
            ground,
            data,
            config,
            config_file,
            cx,
            ring,
            strongbox,
            proof,
            identities,
            access,
            mailroom,
            directory,
            fleet,
            files,
            caches,
            known: ArcSwap::from_pointee(protected),
            behind,
            starts,
            pen: Arc::default(),
            carried: Arc::default(),
        })
    }

    /// Opens the installation for one piece of work, and closes it again however that ends.
    pub(crate) async fn with<T>(
        place: &Place,
        work: impl AsyncFnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut installation = Self::open(place, Stay::Visit).await?;
        let result = work(&mut installation).await;
        let left = installation.ground.leave(&installation.data).await;
        let value = result?;
        left?;
        Ok(value)
    }

    /// Accounts and roles, as the directories of tenants make and end them.
    pub(crate) fn people(&self) -> People {
        People::of(&self.access, &self.identities, &self.mailroom, &self.cx)
    }

    /// The life of tenants, over all that is kept for them.
    pub(crate) fn life(&self) -> Life {
        let (fleet, caches) = (self.fleet.clone(), self.caches.clone());
        Life { fleet, caches, files: Arc::new(self.files.clone()) }
    }

    /// The protected databases, as they are known at this moment.
    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// From now on it is these.
    pub(crate) fn learn(&self, known: Known) {
        self.known.store(Arc::new(known));
    }

    /// The one of `known` that the application behind the gateway works on. One that could not be
    /// opened counts: another is not taken in its place.
    ///
    /// # Errors
    /// When it cannot be told which it is.
    pub(crate) fn behind<'a>(&self, known: &'a Known) -> anyhow::Result<Option<&'a Guarded>> {
        if let Some(settled) = self.behind.settled() {
            return Ok(known.guarded.iter().find(|guarded| DatabaseAt::of(guarded) == settled));
        }
        let wanted = &self.config.upstream.database;
        if !wanted.is_empty() {
            let found = known.guarded.iter().find(|guarded| guarded.protected.name == *wanted);
            if found.is_none() && !known.lost.iter().any(|lost| lost.kept.database == *wanted) {
                return Err(Usage(format!("upstream.database: {wanted} is not protected")).into());
            }
            return Ok(found);
        }
        if known.guarded.len() + known.lost.len() > 1 {
            if self.config.upstream.url.is_empty() {
                return Ok(None);
            }
            let words = "several databases are protected: say in upstream.database which one the \
                         application works on";
            return Err(Usage(words.to_owned()).into());
        }
        Ok(known.guarded.first())
    }

    /// Removes the sandboxes of a run that was killed. Only the process that holds the lock may:
    /// another one's sandbox would look like a leftover in the moment before it is used.
    pub(crate) async fn sweep(&self) {
        let maker = self.ground.maker().map(|db| vec![db]).unwrap_or_default();
        let known = self.known();
        let protected = known.guarded.iter().map(|guarded| {
            let protected = &guarded.protected;
            protected.superuser.as_ref().unwrap_or(&protected.owner).clone()
        });
        for db in maker.into_iter().chain(protected) {
            match db.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "sandboxes of an earlier run were removed"),
                Err(error) => tracing::warn!(%error, "leftover sandboxes could not be looked for"),
            }
        }
        // After them: a sandbox's roles can go when its database is gone.
        for swept in [self.fleet.sweep_sandboxes().await, self.fleet.sweep().await] {
            if let Err(error) = swept {
                tracing::warn!(%error, "roles of an earlier run could not be removed");
            }
        }
    }

    /// The pages of the configuration.
    pub(crate) fn pages(&self) -> anyhow::Result<Vec<Arc<Page>>> {
        let all = pages::load_all(&self.config.pages.directory)?;
        Ok(all.into_iter().map(Arc::new).collect())
    }

    /// The engine with every control of the house.
    pub(crate) async fn engine(&self, own: &OwnPages, edge: EdgeAt) -> anyhow::Result<Engine> {
        let known = self.known();
        let controls = self.controls(&known, self.behind(&known)?, own, edge).await?;
        let evidence = Evidence::new(self.ground.engine.clone());
        Ok(Engine::new(controls, evidence, self.cx.clone())?)
    }

    /// Every control of the house, about `known` databases, of which one is `behind` the gateway.
    pub(crate) async fn controls(
        &self,
        known: &Known,
        behind: Option<&Guarded>,
        own: &OwnPages,
        edge: EdgeAt,
    ) -> anyhow::Result<Vec<Arc<dyn Control>>> {
        let authority = self.data.folder("tls")?.join(AUTHORITY_FILE);
        let probe = edge.runs.then(|| {
            let (address, authority) = (edge.address, Authority::File(authority.clone()));
            Arc::new(Edge { address, authority, proof: Some(self.proof.clone()) })
        });
        let tokens = probe.clone().map(|edge| edge as Arc<dyn TokenProbe>);
        let forms = probe.clone().map(|edge| edge as Arc<dyn FormProbe>);
        let probe = probe.map(|edge| edge as Arc<dyn SignInProbe>);
        let factors = edge.runs.then(|| {
            let authority = Authority::File(authority.clone());
            Edge { address: edge.address, authority, proof: Some(self.proof.clone()) }
        });
        let visits = edge.runs.then(|| {
            let (address, authority) = (edge.address, Authority::File(authority.clone()));
            let own = own.paths().into_iter().map(|one| (one.method.to_string(), one.path));
            let tenant = behind.map(|guarded| guarded.protected.canaries.0.clone());
            let upstream = edge.upstream_paths.clone();
            let edge = Edge { address, authority, proof: Some(self.proof.clone()) };
            let visits = Visits::new(edge, own.collect(), upstream, tenant);
            Arc::new(visits) as Arc<dyn EdgeProbe>
        });
        let (names, certificates, clear) = edge.faces.parts();
        let target = Target {
            address: edge.address,
            authority,
            own: own.paths(),
            upstream_paths: edge.upstream_paths,
            session: self.canary(behind).await?,
            names,
            certificates,
            clear,
            limits: edge.runs.then(|| limit_probe::target(self, edge.address)).transpose()?,
            bait: if edge.runs { Some(bait::target(self)?) } else { None },
            attack: self.config.attack.mode(),
        };
        let rights = self.rights(behind, &target, edge.runs)?;
        let door = Door { target: &target, runs: edge.runs };
        let support = consent::controls(self, behind, &door)?;
        let keys = keys::controls(self.house(known)?);
        let (owner, programs) = (self.ground.owner.clone(), self.ground.programs.clone());
        let mut controls: Vec<Arc<dyn Control>> = tenancy::controls(known.guarded.clone());
        controls.push(self.fleet.control());
        controls.push(self.file_guard()?.control());
        controls.extend(self.caches.controls());
        controls.extend(audit::controls(watched(self, known)));
        let guard = factor_probe::guard(self, factors);
        let roles = Arc::clone(&guard.roles);
        controls.extend(guard.controls());
        let sessions = (Arc::clone(&self.identities), owner.clone(), programs.clone());
        let edge = (visits, tokens.clone());
        controls.extend(identity::session_controls(sessions, edge, roles));
        let room = Arc::clone(&self.mailroom);
        controls.extend(identity::mail_controls(room, owner.clone(), programs.clone(), forms));
        let identities = Arc::clone(&self.identities);
        controls.extend(identity::controls(identities, owner, programs, probe, tokens));
        controls.extend(access::controls::controls(rights));
        controls.extend(support);
        controls.extend(gateway::controls::controls(target));
        controls.extend(monitor::controls(self.scan(known)?)?);
        controls.extend(keys);
        Ok(lost::told(controls, known, &self.data))
    }

    /// Who has contents of trails erased.
    pub(crate) fn erasing(&self) -> audit::erasing::Erasing {
        audit::erasing::Erasing::new(self.ground.owner.clone(), Arc::clone(&self.cx.clock))
    }

    /// What the claim about tenants' files attacks.
    fn file_guard(&self) -> anyhow::Result<FileGuard> {
        let (keys, strongbox) = (self.ring.keys.clone(), self.strongbox.clone());
        Ok(FileGuard {
            files: self.files.clone(),
            registry: self.ground.owner.clone(),
            doors: Arc::new(FileDoors { keys, strongbox, cx: self.cx.clone() }),
            programs: self.ground.programs.clone(),
            scratch: self.data.folder("scratch")?,
        })
    }

    /// What the claims about keys and about data at rest look at.
    fn house(&self, known: &Known) -> anyhow::Result<keys::House> {
        let Ground { owner, engine, programs, cluster, .. } = &self.ground;
        let keeper = Keeper::new(self.ring.keys.clone(), engine.clone());
        let custodian = Custodian::new(Arc::clone(&self.identities), owner.clone());
        let links = LinkCustodian::new(Arc::clone(&self.mailroom), owner.clone());
        let mut folders = vec![("the data directory", self.data.root().to_owned())];
        folders.extend(cluster.as_ref().map(|cluster| ("PostgreSQL", cluster.dir().to_owned())));
        if self.config.keys.ring.is_empty() {
            folders.push(("the key ring", self.data.folder("keys/ring")?));
        }
        let managed = cluster.is_some().then(|| owner.url());
        // Those that could not be opened count too: where they lie is known.
        let mut elsewhere = Vec::new();
        for kept in &known.kept {
            if let Some(address) = &kept.address {
                elsewhere.push((kept.database.as_str(), DatabaseUrl::parse(address)?));
            }
        }
        let named = elsewhere.iter().map(|(name, url)| (*name, url));
        let mut unseen = unseen(managed, named, !self.config.keys.ring.is_empty());
        if !self.config.files.store.is_empty() {
            unseen.push("the bucket of tenants' files".to_owned());
        }
        Ok(keys::House {
            keys: self.ring.keys.clone(),
            root: Arc::clone(&self.ring.root),
            root_files: vec![roots::root_file(&self.data)],
            disks: Disks::here(folders, unseen),
            owner: owner.clone(),
            programs: programs.clone(),
            custodians: vec![Arc::new(keeper), Arc::new(custodian), Arc::new(links)],
            protected: known.guarded.iter().map(|one| one.protected.clone()).collect(),
            tenants: Arc::new(fleet::Databases(self.fleet.clone())),
            scratch: self.data.folder("scratch")?,
        })
    }

    /// A session of the canary tenant, when there is an application to look at, with its database
    /// `behind` the gateway.
    async fn canary(
        &self,
        behind: Option<&Guarded>,
    ) -> anyhow::Result<Option<Arc<dyn ProbeSession>>> {
        let Some(guarded) = behind else {
            return Ok(None);
        };
        let tenant: TenantId = guarded.protected.canaries.0.clone();
        let rng = &*self.cx.rng;
        let password = self.data.secret("canary.password", || Ok(random_hex(rng, 24)?))?;
        let account = NewAccount {
            email: Email::new(CANARY)?,
            name: "Canary".to_owned(),
            tenant,
            password: password.clone(),
        };
        // Looked for first: making one hashes its password before anything else.
        let id = match self.identities.account_of(&account.email).await? {
            Some((id, _)) => id,
            None => self.identities.create_synthetic(&account).await?,
        };
        rights::ensure(&self.access, &id, &account.tenant, "canary").await?;
        let identities = Arc::clone(&self.identities);
        let session = CanarySession::new(identities, CANARY.to_owned(), password);
        Ok(Some(Arc::new(session)))
    }

    /// The folders that are scanned for secrets. What `up` was started with counts for later
    /// commands too, from wherever they are called: another folder would prove something else.
    pub(crate) fn scan_roots(&self) -> anyhow::Result<Vec<PathBuf>> {
        if let Some(last) = self.data.last_run().filter(|_| !self.starts) {
            return Ok(last.scan);
        }
        let absolute = |root: &PathBuf| {
            let words = || Usage(format!("secrets.scan: {} is not there", root.display()));
            root.canonicalize().with_context(words)
        };
        self.config.secrets.scan.iter().map(absolute).collect()
    }

    /// The configuration that counts, likewise.
    pub(crate) fn config_file(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(last) = self.data.last_run().filter(|_| !self.starts) {
            return Ok(last.config);
        }
        let absolute = self.config_file.as_ref().map(|file| file.canonicalize());
        Ok(absolute.transpose()?)
    }

    /// What secrets.environment looks at.
    fn scan(&self, known: &Known) -> anyhow::Result<Scan> {
        let mut in_use = protection::secrets(&known.guarded);
        in_use.extend(environment::secret(ROOT_SECRET)?);
        in_use.extend(environment::secret(redis::PASSWORD)?);
        in_use.extend(environment::secret(mail::PASSWORD)?);
        for file in self.data.private_files()? {
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(".password") {
                in_use.extend(self.data.read_secret(name)?);
            }
        }
        Ok(Scan {
            configs: self.config_file()?.into_iter().collect(),
            roots: self.scan_roots()?,
            skip: vec![self.data.root().to_owned()],
            private: vec![self.data.root().join("secrets"), self.data.folder("keys")?],
            in_use,
            scratch: self.data.folder("scratch")?,
        })
    }
}
