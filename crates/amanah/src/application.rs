//! The sample application: its database, its people, its keys, and its process.

mod keys;

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ::keys::Keys;
use anyhow::{Context, bail};
use kernel::{Rng, Secret, TenantId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use store::{DatabaseUrl, Db};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::data::Data;
use crate::ground::Ground;
use crate::{out, rights};
pub(crate) use keys::{Access, admit};

/// The sample application's database.
pub(crate) const DATABASE: &str = "demo";
/// The role that owns its tables.
const OWNER: &str = "demo_owner";
/// The role that it logs in as.
pub(crate) const APP_ROLE: &str = "demo_app";
/// Who may connect to its database: the application, and whoever reads the trail there.
const ADMITTED: [&str; 3] = [APP_ROLE, "amanah_admin", "amanah_auditor"];
/// The column that names the tenant in its tables.
pub(crate) const TENANT_COLUMN: &str = "tenant_id";
/// The paths that its pages have.
const PATHS: &str = include_str!("../../../demo/routes.txt");
const SCHEMA: &str = include_str!("../../../demo/sql/schema.sql");
const SEED: &str = include_str!("../../../demo/sql/seed.sql");
/// How long the process may take until it listens.
const START: Duration = Duration::from_secs(20);

const SINAR: &str = "11111111-1111-4111-8111-111111111111";
const BINTANG: &str = "22222222-2222-4222-8222-222222222222";
const GULF: &str = "33333333-3333-4333-8333-333333333333";

/// Who can sign in to the sample application: e-mail, name, tenant, role.
const PEOPLE: [(&str, &str, &str, &str); 6] = [
    ("sari@sinar.example", "Sari Wulandari", SINAR, "editor"),
    ("dewi@sinar.example", "Dewi Lestari", SINAR, "approver"),
    ("budi@bintang.example", "Budi Santoso", BINTANG, "editor"),
    ("rudi@bintang.example", "Rudi Hartono", BINTANG, "approver"),
    ("amal@gulf.example", "Amal Haddad", GULF, "editor"),
    ("huda@gulf.example", "Huda Nasser", GULF, "approver"),
];

/// The sample application as a running process. It ends when this is dropped, unless another process has
/// its input too: whoever has is the house that it belongs to.
pub(crate) struct Application {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    outside: Outside,
    process: Process,
}

/// A process that need not be our child.
struct Process {
    /// It ends when nobody holds this any more.
    input: OwnedFd,
    /// Can be read once the process has ended.
    ended: OwnedFd,
}

/// What it is given through its environment.
pub(crate) struct Outside {
    /// Its database.
    pub(crate) url: DatabaseUrl,
    /// Its keys, when they are served.
    pub(crate) access: Option<Access>,
}

/// The paths of its pages, for the proofs that ask them.
pub(crate) fn paths() -> Vec<String> {
    let lines = PATHS.lines().map(str::trim);
    lines.filter(|l| l.starts_with('/')).map(str::to_owned).collect()
}

/// Makes its database and its rows, unless they are there. Returns the owner's login.
pub(crate) async fn database(
    ground: &Ground,
    data: &Data,
    keys: &Keys,
    rng: &dyn Rng,
) -> anyhow::Result<Db> {
    let maker = ground.maker()?;
    let password = data.password(OWNER, rng)?;
    maker.ensure_login(OWNER, &password).await?;
    maker.ensure_login(APP_ROLE, &data.password(APP_ROLE, rng)?).await?;
    if ground.cluster.is_none() {
        // No superuser makes the sandboxes then, and only a member of a role can give it a
        // database.
        maker.allow_databases(OWNER).await?;
        maker.grant_role(OWNER, &ground.owner.url().user).await?;
    }
    maker.ensure_database(DATABASE, OWNER).await?;
    maker.close_database(DATABASE, &ADMITTED).await?;
    let owner = Db::connect(&ground.login(OWNER, password, DATABASE).unpinned(), 4).await?;
    let tx = owner.operator().await?;
    let made = tx.query_one("SELECT to_regclass('public.tenants') IS NOT NULL", &[]).await?;
    keys::prepare(keys, &[SINAR, BINTANG, GULF]).await?;
    if !made.get::<_, bool>(0) {
        tx.batch(SCHEMA).await.context("the sample application's schema")?;
        tx.batch(SEED).await.context("the sample application's rows")?;
        keys::seal_seed(keys, &tx, rng).await.context("the sample application's secrets")?;
    } else if keys::is_old(&tx).await? {
        out::aside(
            "the sample application's database is of an earlier version: its suppliers have no \
             tokens, and their page does not work. Start with another --data to see it",
        );
    }
    tx.commit().await?;
    Ok(owner)
}

/// Makes the accounts of its people, with one password for all of them, which is returned.
pub(crate) async fn people(
    identities: &identity::Identities,
    access: &access::Access,
    data: &Data,
    rng: &dyn Rng,
) -> anyhow::Result<Secret> {
    let password = data.secret("demo-people.password", || Ok(kernel::random_hex(rng, 6)?))?;
    for (email, name, tenant, role) in PEOPLE {
        let account = identity::NewAccount {
            email: identity::Email::new(email)?,
            name: name.to_owned(),
            tenant: TenantId::new(tenant)?,
            password: password.clone(),
        };
        let made = match identities.create_account(&account).await {
            Ok(id) => Some(id),
            // Whatever roles they have by now are somebody's decision.
            Err(identity::Error::Taken) => None,
            Err(error) => return Err(error).context(format!("the account of {email}")),
        };
        if let Some(id) = made {
            rights::ensure(access, &id, &account.tenant, role).await?;
        }
    }
    Ok(password)
}

impl Application {
    /// Starts the process on a free port.
    pub(crate) async fn start(outside: Outside) -> anyhow::Result<Self> {
        let (process, address) = spawn(&outside, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        Ok(Self { address, outside, process })
    }

    /// Goes on with the one at `address`, by its input and its process.
    pub(crate) fn adopt(
        address: SocketAddr,
        outside: Outside,
        (input, process): (OwnedFd, OwnedFd),
    ) -> Self {
        Self { address, outside, process: Process { input, ended: process } }
    }

    /// What another process needs to go on with it.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.process.input.as_fd(), self.process.ended.as_fd()]
    }

    /// Starts it again, where the gateway knows it.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        (self.process, self.address) = spawn(&self.outside, self.address).await?;
        Ok(())
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        !ends(&self.process.ended, Some(&Timespec::default())).unwrap_or(false)
    }

    /// Lets it finish its requests.
    pub(crate) async fn stop(self) {
        let Process { input, ended } = self.process;
        drop(input);
        let waited = tokio::task::spawn_blocking(move || ends(&ended, None)).await;
        if let Ok(Err(error)) = waited {
            out::aside(&format!("the sample application did not stop: {error}"));
        }
    }
}

impl Process {
    /// Our child, which is not waited for yet, so that its number is still its own.
    fn of_child(child: &mut Child) -> anyhow::Result<Self> {
        let input = child.stdin.take().context("the sample application has no input")?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.context("the sample application ended at once")?;
        let ended = pidfd_open(id, PidfdFlags::empty()).context("it cannot be watched")?;
        Ok(Self { input: input.into_owned_fd()?, ended })
    }
}

/// Whether a process has ended, once that is so or the time is over.
fn ends(process: &OwnedFd, within: Option<&Timespec>) -> std::io::Result<bool> {
    let mut looked = [PollFd::new(process, PollFlags::IN)];
    loop {
        match poll(&mut looked, within) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The process finds its secrets in its environment, and stops when its standard input closes, so
/// that it cannot outlive us.
async fn spawn(outside: &Outside, listen: SocketAddr) -> anyhow::Result<(Process, SocketAddr)> {
    let program = program()?;
    let mut command = store::unprivileged(&program).await?;
    command
        .env_clear()
        .env("DATABASE_URL", outside.url.expose().expose())
        .env("DEMO_LISTEN", listen.to_string());
    if let Some(access) = &outside.access {
        command.env("AMANAH_KEYS_URL", &access.url);
        command.env("AMANAH_KEYS_TOKEN", access.token.expose());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // It belongs to whoever has its input, and that may be another process by the time that we end.
        .kill_on_drop(false)
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))?;
    let process = Process::of_child(&mut child)?;
    let output = child.stdout.take().context("the sample application has no output")?;
    let mut lines = BufReader::new(output).lines();
    let first = tokio::time::timeout(START, lines.next_line())
        .await
        .context("the sample application did not say where it listens")??;
    let Some(address) = first.as_deref().and_then(|l| l.strip_prefix("listening on ")) else {
        bail!("the sample application ended at once: {}", first.unwrap_or_default());
    };
    Ok((process, address.parse().context("the sample application's address")?))
}

/// The program lies beside ours.
fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("our own program cannot be found")?;
    let beside = own.with_file_name("demo");
    if !beside.exists() {
        bail!("{} is missing. Build it: cargo build -p demo", beside.display());
    }
    Ok(beside)
}
