//! A flood of sign-ins beside people who are signed in: a whole Amanah with its sample application.
//!
//! A thousand wrong passwords come in each second, from 64 neighbourhoods of addresses at once. The
//! signed-in person asks for a page a hundred times a second, whether the last answer has come or
//! not, so that an answer that is late makes no question fewer. Both sides, the program, its
//! database and the application share the machine. What is compared is the same house in peace.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gateway::{AUTHORITY_FILE, SESSION_COOKIE};
use reqwest::{Certificate, Client, redirect};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::spread;

/// How long a first start may take, with its first proof.
const START: Duration = Duration::from_mins(2);
/// How long a round lasts, of peace or of flood.
const ROUND: Duration = Duration::from_secs(6);
/// Rounds of each.
const ROUNDS: usize = 5;
/// Wrong passwords in each second, and from how many neighbourhoods.
const FLOOD: u32 = 1_000;
const PLACES: u8 = 64;
/// Pages in each second.
const PAGES: u32 = 100;
/// The most that the flood may make the slowest hundredth of answers slower.
const WANTED: f64 = 2.0;
/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(20);
const SIGN_IN: &str = "/_amanah/sign-in";
const FORM_COOKIE: &str = "__Host-amanah-csrf";
const PERSON: &str = "sari@sinar.example";
const PAGE: &str = "---\ntitle: Bench\nlanguage: en\n---\n# Bench\n\n\
                    > Context: a house that is measured.\n";

/// Measures it.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let house = House::start().await?;
    let result = house.rounds().await;
    house.stop().await?;
    result
}

/// What a round was like.
#[derive(Default)]
struct Round {
    /// How long each answer to the signed-in person took, in milliseconds.
    took: Vec<f64>,
    /// How many answers of each status the flood got.
    statuses: BTreeMap<u16, usize>,
    /// The most memory of the program, in MiB.
    memory: f64,
}

struct House {
    _dir: tempfile::TempDir,
    up: Child,
    site: String,
    authority: Certificate,
    /// The cookie of somebody who is signed in.
    session: String,
}

impl House {
    async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("amanah-bench-").tempdir()?;
        let config = furnish(dir.path())?;
        let data = dir.path().join("data");
        let mut up = Command::new(program()?)
            .args(["up", "--demo", "--json", "--listen", "127.0.0.1:0"])
            .args(["--keys-listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let out = up.stdout.take().context("its output")?;
        let mut line = String::new();
        let told = timeout(START, BufReader::new(out).read_line(&mut line)).await;
        told.context("amanah up takes too long")??;
        let told: Value = serde_json::from_str(&line).context("amanah up said nothing")?;
        let site = told.get("address").and_then(Value::as_str).context("its address")?.to_owned();
        let pem = std::fs::read(data.join("tls").join(AUTHORITY_FILE))?;
        let authority = Certificate::from_pem(&pem)?;
        let password = std::fs::read_to_string(data.join("secrets/demo-people.password"))?;
        let mut house = Self { _dir: dir, up, site, authority, session: String::new() };
        house.session = house.sign_in(password.trim()).await?;
        Ok(house)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        timeout(START, self.up.wait()).await.context("amanah does not stop")??;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<String> {
        Ok(self.up.id().context("amanah has ended")?.to_string())
    }

    /// Somebody who asks from `place`.
    fn client(&self, place: Ipv4Addr) -> anyhow::Result<Client> {
        let client = Client::builder()
            .tls_certs_only([self.authority.clone()])
            .redirect(redirect::Policy::none())
            .local_address(IpAddr::V4(place))
            .timeout(ANSWER);
        Ok(client.build()?)
    }

    /// The cookie of the sample's person, once signed in.
    async fn sign_in(&self, password: &str) -> anyhow::Result<String> {
        let client = self.client(Ipv4Addr::LOCALHOST)?;
        let answer = guess(&client, &self.site, PERSON, password).await?;
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let opened = format!("{SESSION_COOKIE}=");
        let session = cookies.find(|cookie| cookie.starts_with(&opened));
        Ok(session.context("nobody was signed in")?.to_owned())
    }

    async fn rounds(&self) -> anyhow::Result<Vec<String>> {
        let (mut peace, mut flood) = (Vec::new(), Vec::new());
        // What is asked for the first time is slower.
        self.round(false).await?;
        for _ in 0..ROUNDS {
            peace.push(self.round(false).await?);
            flood.push(self.round(true).await?);
        }
        let mut statuses = BTreeMap::new();
        for (status, count) in flood.iter().flat_map(|round| &round.statuses) {
            *statuses.entry(*status).or_insert(0) += count;
        }
        let refused: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let most = |rounds: &[Round]| rounds.iter().map(|r| r.memory).fold(0.0, f64::max);
        Ok(vec![
            line("half of all answers", &flood, &peace, 0.5),
            line("99 of 100 answers", &flood, &peace, 0.99),
            format!(
                "| sign-in flood: memory of the program at most | {:.0} MiB | the same in peace: \
                 {:.0} MiB | {:.2}, room |",
                most(&flood),
                most(&peace),
                most(&flood) / most(&peace)
            ),
            format!("| sign-in flood: what it was answered | {} | – | – |", refused.join(", ")),
        ])
    }

    async fn round(&self, flooded: bool) -> anyhow::Result<Round> {
        let begun = Instant::now();
        let mut flood = JoinSet::new();
        let statuses = Arc::new(Mutex::new(BTreeMap::new()));
        for place in (0..PLACES).filter(|_| flooded) {
            let client = self.client(Ipv4Addr::new(127, 1, place, 1))?;
            let (site, statuses) = (self.site.clone(), Arc::clone(&statuses));
            flood.spawn(pour(client, site, place, begun, statuses));
        }
        let watching = memory(self.pid()?, begun);
        let (took, memory) = tokio::join!(self.visit(begun), watching);
        while let Some(poured) = flood.join_next().await {
            poured??;
        }
        let statuses = statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Round { took: took?, statuses, memory: memory? })
    }

    /// Asks for a page again and again, at set times.
    async fn visit(&self, begun: Instant) -> anyhow::Result<Vec<f64>> {
        let client = self.client(Ipv4Addr::LOCALHOST)?;
        let mut asked = JoinSet::new();
        let mut at = begun;
        while at < begun + ROUND {
            sleep_until(at).await;
            let request = client.get(format!("{}/", self.site)).header("cookie", &self.session);
            asked.spawn(async move {
                let answer = request.send().await?;
                ensure!(answer.status().is_success(), "a page was answered {}", answer.status());
                answer.bytes().await?;
                anyhow::Ok(at.elapsed().as_secs_f64() * 1e3)
            });
            at += Duration::from_secs(1) / PAGES;
        }
        let mut took = Vec::new();
        while let Some(one) = asked.join_next().await {
            took.push(one??);
        }
        Ok(took)
    }
}

/// The program, beside this one.
fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("amanah");
    ensure!(program.exists(), "{} is not built; scripts/bench builds it", program.display());
    Ok(program)
}

/// A page and a configuration of its own, so that few proofs run meanwhile.
fn furnish(dir: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    // The server's user has to get in.
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    let (pages, config) = (dir.join("pages"), dir.join("amanah.toml"));
    std::fs::create_dir(&pages)?;
    std::fs::write(pages.join("bench.md"), PAGE)?;
    let told =
        format!("[pages]\ndirectory = {:?}\nprimary = \"bench\"\n", pages.display().to_string());
    std::fs::write(&config, told)?;
    Ok(config)
}

/// One place's share of the flood.
async fn pour(
    client: Client,
    site: String,
    place: u8,
    begun: Instant,
    statuses: Arc<Mutex<BTreeMap<u16, usize>>>,
) -> anyhow::Result<()> {
    let every = Duration::from_secs(1) * u32::from(PLACES) / FLOOD;
    let mut tries = JoinSet::new();
    let mut at = begun + every * u32::from(place) / u32::from(PLACES);
    let mut number = 0_u32;
    while at < begun + ROUND {
        sleep_until(at).await;
        number += 1;
        let (client, site, statuses) = (client.clone(), site.clone(), Arc::clone(&statuses));
        tries.spawn(async move {
            let email = format!("person{place}-{number}@elsewhere.example");
            let status = guess(&client, &site, &email, "a wrong password").await?.status();
            let mut statuses = statuses.lock().unwrap_or_else(PoisonError::into_inner);
            *statuses.entry(status.as_u16()).or_insert(0) += 1;
            anyhow::Ok(())
        });
        at += every;
    }
    while let Some(tried) = tries.join_next().await {
        tried??;
    }
    Ok(())
}

/// Sends the form of the sign-in, as a browser does.
async fn guess(
    client: &Client,
    site: &str,
    email: &str,
    password: &str,
) -> anyhow::Result<reqwest::Response> {
    // Whoever sends it may choose it: it only has to be the same in both places.
    let token = "0".repeat(64);
    let body =
        format!("token={token}&next=%2F&email={email}&password={}", password.replace(' ', "+"));
    let request = client
        .post(format!("{site}{SIGN_IN}"))
        .header("cookie", format!("{FORM_COOKIE}={token}"))
        .header("origin", site)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Ok(request.send().await?)
}

/// The most memory of the process over a round, in MiB.
async fn memory(pid: String, begun: Instant) -> anyhow::Result<f64> {
    let mut most: f64 = 0.0;
    let mut at = begun;
    while at < begun + ROUND {
        sleep_until(at).await;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
        most = most.max(kib.parse::<f64>()? / 1024.0);
        at += Duration::from_millis(100);
    }
    Ok(most)
}

/// One line of the table: how much longer `part` of the answers took in each round.
fn line(what: &str, flood: &[Round], peace: &[Round], part: f64) -> String {
    let slowest = |rounds: &[Round]| -> Vec<f64> {
        rounds.iter().map(|round| quantile(&round.took, part)).collect()
    };
    let (flood, peace) = (slowest(flood), slowest(peace));
    let ratios: Vec<f64> = flood.iter().zip(&peace).map(|(a, b)| a / b).collect();
    let (least, middle, most) = spread(&ratios);
    format!(
        "| sign-in flood, 1,000 /s: {what} to somebody signed in within | {:.1} ms | the same in \
         peace: {:.1} ms; wanted: {WANTED} times | {least:.2} / {middle:.2} / {most:.2}, cost |",
        spread(&flood).1,
        spread(&peace).1
    )
}

/// The value that this `part` of them does not exceed.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some hundreds of values"
)]
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}
