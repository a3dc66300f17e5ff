//! One synthetic tenant goes for the files of another: through the API with a good token of its own,
//! and as somebody who can write to the store, or who has the engine's login.

mod asks;
mod store;
mod wire;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use kernel::{Condition, FileName, Fut, Secret, TenantFiles, TenantId, random_hex};

use super::Files;
use asks::{ASKS, As, Ask, Wants};
use wire::{Answer, Asked, encoded};

/// The files of the attacked tenant. Their names say nothing that stands elsewhere by chance.
const FILE: &str = "ledger-of-canary-b.csv";
const SECOND: &str = "contract-of-canary-b.txt";
/// The attacker's own.
const OWN: &str = "notes-of-canary-a.txt";
/// One that nobody has.
const NONE: &str = "there-is-none";
/// How often the mark stands in a file: long enough to be cut in the middle.
const REPEATS: usize = 64;

/// A listener of its own for the attacks, as programs are served.
pub trait Doors: Send + Sync {
    /// Serves `files` on loopback until what comes back is dropped, to a client for each of two
    /// tenants. With `loose`, the first one's token reaches the second tenant too: a violation, for
    /// the bite.
    ///
    /// # Errors
    /// When it cannot be served; the text says why.
    fn open<'a>(
        &'a self,
        files: Arc<dyn TenantFiles>,
        tenants: [&'a TenantId; 2],
        loose: bool,
    ) -> Fut<'a, Result<Door, String>>;
}

/// An open listener.
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// The tokens of the two tenants' clients.
    pub tokens: [Secret; 2],
    /// Ends it when dropped.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// What came of the attacks.
#[derive(Debug, Default)]
pub struct Struck {
    /// Each attack by its name, with what got through, if something did.
    pub outcomes: Vec<(&'static str, Option<String>)>,
    /// Those that could not be made, with the reason.
    pub missed: Vec<(&'static str, String)>,
}

impl Struck {
    /// How many got through.
    pub fn through(&self) -> usize {
        self.outcomes.iter().filter(|(_, through)| through.is_some()).count()
    }

    fn note(&mut self, name: &'static str, outcome: Result<Option<String>, String>) {
        match outcome {
            Ok(through) => self.outcomes.push((name, through)),
            Err(why) => self.missed.push((name, why)),
        }
    }
}

/// Two tenants, the store as it is served, and what is known of the files that are gone for.
struct Field<'a> {
    /// The rows and the objects behind what is served.
    files: &'a Files,
    served: &'a dyn TenantFiles,
    door: &'a Door,
    tenants: [&'a TenantId; 2],
    /// Stands in the attacked files and nowhere else.
    mark: String,
    etag: String,
    sha256: String,
    cursor: String,
    /// Where the first file lies, as somebody knows who has looked into the store.
    prefix: String,
    object: String,
    /// What a file of one's own gets that is not there: by GET and by HEAD.
    missing: [Answer; 2],
}

/// Attacks `served` on behalf of the first tenant, for the files of the second. Both are synthetic:
/// whatever files they have are removed before and after. `only` names the attacks to make; none
/// stands for all.
///
/// # Errors
/// When the files to be attacked cannot be placed.
pub(crate) async fn run(
    files: &Files,
    served: &Arc<dyn TenantFiles>,
    (doors, loose): (&dyn Doors, bool),
    tenants: [&TenantId; 2],
    only: &[&str],
) -> Result<Struck, String> {
    let door = doors.open(Arc::clone(served), tenants, loose).await?;
    clear(&**served, tenants).await?;
    let field = Field::prepare(files, &**served, &door, tenants).await?;
    let mut struck = Struck::default();
    let wanted = |name: &str| only.is_empty() || only.contains(&name);
    for ask in ASKS.iter().filter(|ask| wanted(ask.name)) {
        struck.note(ask.name, field.ask(ask).await);
    }
    store::strike(&field, &mut struck, wanted).await;
    clear(&**served, tenants).await?;
    Ok(struck)
}

/// Removes every file of both.
async fn clear(served: &dyn TenantFiles, tenants: [&TenantId; 2]) -> Result<(), String> {
    for tenant in tenants {
        loop {
            let listing = kernel::Listing { limit: 1000, ..kernel::Listing::default() };
            let page = served.list(tenant, listing).await.map_err(|error| error.to_string())?;
            let mut removed = false;
            for card in page.files {
                removed |= served.remove(tenant, &card.name, &Condition::None).await.is_ok();
            }
            if !removed {
                break;
            }
        }
    }
    Ok(())
}

impl<'a> Field<'a> {
    async fn prepare(
        files: &'a Files,
        served: &'a dyn TenantFiles,
        door: &'a Door,
        tenants: [&'a TenantId; 2],
    ) -> Result<Field<'a>, String> {
        let mark = random_hex(&*files.rng, 12).map_err(|error| error.to_string())?;
        let mut field = Self {
            files,
            served,
            door,
            tenants,
            mark,
            etag: String::new(),
            sha256: String::new(),
            cursor: String::new(),
            prefix: "0".repeat(32),
            object: "0".repeat(32),
            missing: [Answer::default(), Answer::default()],
        };
        let content = field.mark.repeat(REPEATS);
        for (who, name) in [(1, FILE), (1, SECOND), (0, OWN)] {
            // The attacker's own file is as long as the attacked one, so that nothing else than what
            // seals them tells them apart in the store.
            let text = if who == 1 { content.clone() } else { "a".repeat(content.len()) };
            let put = field.by(who, "PUT", &field.path(who, name), &[], text.as_bytes()).await?;
            if !matches!(put.status, 200 | 201) {
                return Err(format!("a canary file could not be placed: {}", put.status));
            }
        }
        let listing = kernel::Listing { limit: 1, ..kernel::Listing::default() };
        let page = served.list(tenants[1], listing).await.map_err(|error| error.to_string())?;
        field.cursor = page.next.unwrap_or_default();
        let name = FileName::new(FILE).map_err(|error| error.to_string())?;
        let card = served.find(tenants[1], &name).await.map_err(|error| error.to_string())?;
        (field.etag, field.sha256) = (card.etag, card.sha256);
        // Where the store that is served is another one, there is no such row.
        if let Ok(filed) = files.filed(tenants[1], &name).await {
            (field.prefix, field.object) = (filed.spot.prefix, filed.spot.object);
        }
        let none = field.path(0, NONE);
        field.missing = [
            field.by(0, "GET", &none, &[], b"").await?,
            field.by(0, "HEAD", &none, &[], b"").await?,
        ];
        if field.missing.iter().any(|answer| answer.status != 404) {
            return Err("a file that is not there was not answered with 404".to_owned());
        }
        Ok(field)
    }

    fn path(&self, who: usize, name: &str) -> String {
        let tenant = self.tenants.get(who).map_or("", |tenant| tenant.as_str());
        format!("/api/v1/tenants/{}/files/{}", encoded(tenant), encoded(name))
    }

    async fn by(
        &self,
        who: usize,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let token = self.door.tokens.get(who);
        Asked { token, method, target, headers, body }.send(self.door.address).await
    }

    /// Makes one attack. What got through, if something did.
    async fn ask(&self, ask: &Ask) -> Result<Option<String>, String> {
        let target = self.filled(ask.target);
        let headers: Vec<(String, String)> = ask
            .header
            .iter()
            .map(|(name, value)| ((*name).to_owned(), self.filled(value)))
            .collect();
        let writes = matches!(ask.method, "PUT" | "DELETE");
        let body: &[u8] = if ask.method == "PUT" { b"planted by canary a" } else { b"" };
        let stranger = Secret::new(format!("amk_{}", "A".repeat(43)));
        let token = match ask.who {
            As::Attacker => self.door.tokens.first(),
            As::Nobody => None,
            As::Stranger => Some(&stranger),
        };
        let asked = Asked { token, method: ask.method, target: &target, headers: &headers, body };
        let answer = asked.send(self.door.address).await?;
        if let Some(told) = self.told(ask, &answer) {
            return Ok(Some(told));
        }
        if writes && let Some(changed) = self.changed().await? {
            return Ok(Some(changed));
        }
        Ok(None)
    }

    /// What an answer tells that it must not.
    fn told(&self, ask: &Ask, answer: &Answer) -> Option<String> {
        let status = answer.status;
        let name = if ask.wants == Wants::Own && ask.method == "GET" { FILE } else { "" };
        for (what, secret) in
            [("content", self.mark.as_str()), ("digest", &self.sha256), ("name", name)]
        {
            if answer.holds(secret) {
                return Some(format!("the answer {status} holds the other tenant's {what}"));
            }
        }
        let [get, head] = &self.missing;
        let missing = if ask.method == "HEAD" { head } else { get };
        let is_refusal = (400..500).contains(&status);
        match ask.wants {
            Wants::Missing if !answer.is_like(missing) => {
                Some(format!("the answer {status} is not that of a file that is not there"))
            }
            Wants::Refusal if !is_refusal => Some(format!("it was answered with {status}")),
            Wants::Own if !is_refusal && !(200..300).contains(&status) => {
                Some(format!("it was answered with {status}"))
            }
            _ => None,
        }
    }

    /// What has become of the attacked tenant's files, unless they are as they were.
    async fn changed(&self) -> Result<Option<String>, String> {
        let read = self.by(1, "GET", &self.path(1, FILE), &[], b"").await?;
        if read.status != 200 || read.body != self.mark.repeat(REPEATS).as_bytes() {
            return Ok(Some(format!(
                "the other tenant's file is another one now ({})",
                read.status
            )));
        }
        let listing = kernel::Listing { limit: 1000, ..kernel::Listing::default() };
        let page = self.served.list(self.tenants[1], listing).await;
        let page = page.map_err(|error| error.to_string())?;
        let names: Vec<&str> = page.files.iter().map(|card| card.name.as_str()).collect();
        if names == [SECOND, FILE] {
            return Ok(None);
        }
        Ok(Some(format!("the other tenant has {} files now", names.len())))
    }

    fn filled(&self, text: &str) -> String {
        let [a, b] = self.tenants.map(|tenant| encoded(tenant.as_str()));
        text.replace("{a}", &a)
            .replace("{b}", &b)
            .replace("{f}", &encoded(FILE))
            .replace("{etag}", &self.etag)
            .replace("{prefix}", &self.prefix)
            .replace("{object}", &self.object)
            .replace("{cursor}", &self.cursor)
    }
}
