//! Gateways whose bait is silent, or goes on feeding, or refuses too much.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Cx, Finding, Fut, Outcome, Population, Proof, Secret, random_hex};

use super::super::stand::Stand;
use super::super::{BaitBook, BaitTarget};
use super::attack;
use crate::{BaitHit, BaitSettings, LocalAuthority, SHIPPED_BAIT, Trap};

/// So many passwords may be wrong as there are: nothing is tried here.
const WRONG: u32 = 1;
/// More hits than there are.
const NEVER: u32 = 1_000_000;
/// How many baits a scratch gateway lays out.
const LAID_OUT: usize = 3;

/// What is wrong with a gateway, and what the attack must say of it.
const FAULTS: [(Fault, &str); 3] = [
    (Fault::Silent, "taken and not written down"),
    (Fault::Deaf, "is heard as before"),
    (Fault::Harsh, "is refused after one hit"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Nothing is written down.
    Silent,
    /// Whoever takes bait is heard as before.
    Deaf,
    /// One hit is enough, also where people are.
    Harsh,
}

pub(super) async fn seed(cx: &Cx) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let clock = Arc::clone(&cx.clock);
    let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
    let intact = attacked(cx, &authority, Fault::None).await?;
    if intact.outcome() != Outcome::Holds {
        return Err(format!("a scratch gateway without fault does not pass: {}", intact.detail()));
    }
    let (mut findings, mut overlooked) = (Vec::new(), Vec::new());
    for (fault, says) in FAULTS {
        let proof = attacked(cx, &authority, fault).await?;
        let found = !proof.findings().is_empty()
            && proof.findings().iter().all(|finding| finding.what == says);
        if found {
            findings.push(Finding::new(format!("bait whose taker {says}"), "seeded and found"));
        } else {
            overlooked.push(says);
        }
    }
    let all = FAULTS.len();
    let population = Population::new(findings.len(), all, "faults of bait");
    if !overlooked.is_empty() {
        let why = format!("seeded and not found: {}", overlooked.join(", "));
        return Ok(Proof::missed(observed_at, population, why));
    }
    let measured = format!("{} of {all} faults found", findings.len());
    Ok(Proof::weigh(observed_at, population, measured, format!("{all} of {all}"), findings))
}

/// The same attack on a gateway with this fault.
async fn attacked(cx: &Cx, authority: &Arc<LocalAuthority>, fault: Fault) -> Result<Proof, String> {
    let book = Arc::<Book>::default();
    let trap: Arc<dyn Trap> = Arc::<Book>::clone(&book);
    let text = random_hex(cx.rng.as_ref(), 24).map_err(|error| error.to_string())?;
    let key = Secret::new(format!("amk_{text}"));
    let routes: Vec<String> =
        SHIPPED_BAIT.iter().take(LAID_OUT).map(|route| (*route).to_owned()).collect();
    let mut settings = BaitSettings {
        routes: routes.clone(),
        key: Some(key.clone()),
        trap: (fault != Fault::Silent).then_some(trap),
        ..BaitSettings::default()
    };
    match fault {
        Fault::Deaf => (settings.alone, settings.shared) = (NEVER, NEVER),
        Fault::Harsh => settings.shared = 1,
        Fault::None | Fault::Silent => {}
    }
    let stand = Stand::start(cx, authority, WRONG, |all| all.bait = settings).await?;
    let bait = BaitTarget { routes, key, book };
    attack(cx, &stand.visitors, &bait, Some(&stand.token)).await
}

/// Written down in memory.
#[derive(Default)]
struct Book(Mutex<Vec<BaitHit>>);

impl Trap for Book {
    fn caught(&self, hit: BaitHit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(hit);
    }
}

impl BaitBook for Book {
    fn taken(&self, source: Ipv4Addr) -> Fut<'_, Result<Vec<String>, String>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.iter().filter(|hit| hit.source == IpAddr::V4(source));
        let taken = own.map(|hit| hit.bait.clone()).collect();
        Box::pin(async move { Ok(taken) })
    }
}
