//! The battery in a sandbox where something is wrong, once for each thing that can be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kernel::{Cx, Finding, Fut, NoStandings, Population, Proof, Secret, SessionToken};
use serde_json::Value;
use store::Db;

use super::TokenProbe;
use super::attack::Battery;
use super::ground::{Ground, InProcess};
use crate::access_token::Claims;
use crate::signing::memory::MemoryKeys;
use crate::sql::tokens as sql;
use crate::{Identities, Pair, Pool, api_key};

/// How long is waited for something to die that does not; longer than decisions are kept.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// The sandbox's issuer.
const ISSUER: &str = "amanah:sandbox";
const OF: &str = "seeded violations";

/// What a bite found.
pub(super) struct Bitten {
    seeded: usize,
    findings: Vec<Finding>,
    missed: Vec<&'static str>,
}

impl Bitten {
    pub(super) fn proof(self, observed_at: Timestamp) -> Proof {
        let Self { seeded, findings, missed } = self;
        let found = seeded.saturating_sub(missed.len());
        let population = Population::new(found, seeded, OF);
        if missed.is_empty() {
            let measured = format!("{seeded} of {seeded} found");
            Proof::weigh(observed_at, population, measured, "all found", findings)
        } else {
            Proof::missed(observed_at, population, format!("not found: {}", missed.join(", ")))
        }
    }
}

/// Seeds every violation in `db`, a sandbox, one after the other, and runs the same battery over
/// each.
///
/// # Errors
/// When the battery cannot be run there, or finds something where nothing was seeded.
pub(super) async fn seed_and_find(db: &Db, cx: &Cx) -> Result<Bitten, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let keys = Arc::new(MemoryKeys::default());
    keys.rotate(&*cx.rng, cx.clock.now())?;
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let identities =
        Identities::new(db.clone(), clock, rng, Pool::default(), Arc::new(NoStandings));
    let identities = identities.map_err(|e| words(&e))?.with_tokens(keys, ISSUER.to_owned());
    let sound = InProcess(&identities);
    let run = async |probe: &dyn TokenProbe| -> Result<Battery, String> {
        let (identities, made) = (&identities, Mutex::default());
        let ground = Ground { probe, identities, owner: db, cx, patience: PATIENCE, made };
        ground.attack().await
    };
    let clean = run(&sound).await?;
    if let Some(finding) = clean.findings.first() {
        // Then it finds whatever there is, and its findings mean nothing.
        return Err(format!("the sandbox has a fault before one is seeded: {finding}"));
    }
    let mut bitten = Bitten { seeded: 0, findings: Vec::new(), missed: Vec::new() };
    let mut judge = |name: &'static str, expected: &str, battery: Battery| {
        bitten.seeded += 1;
        match battery.findings.into_iter().find(|finding| finding.object == expected) {
            Some(finding) => bitten.findings.push(finding),
            None => bitten.missed.push(name),
        }
    };
    for (name, table, body, expected) in sql::SEEDS {
        change(db, &sql::seed(table, body)).await?;
        let battery = run(&sound).await;
        change(db, &sql::unseed(table)).await?;
        judge(name, expected, battery?);
    }
    for (name, blind, expected) in [
        ("a signature that is not looked at", Blind::Signature, "an access token with alg none"),
        (
            "a secret that is not compared",
            Blind::Secret,
            "a key with a known name and another secret",
        ),
    ] {
        let battery = run(&Credulous { sound: &sound, blind }).await?;
        judge(name, expected, battery);
    }
    Ok(bitten)
}

async fn change(db: &Db, sql: &str) -> Result<(), String> {
    let tx = db.operator().await.map_err(|e| e.to_string())?;
    tx.batch(sql).await.map_err(|e| e.to_string())?;
    tx.commit().await.map_err(|e| e.to_string())
}

/// What a door does not look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blind {
    Signature,
    Secret,
}

/// A door that believes what a token says of itself.
struct Credulous<'s> {
    sound: &'s InProcess<'s>,
    blind: Blind,
}

impl TokenProbe for Credulous<'_> {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Option<Pair>, String>> {
        self.sound.exchange(session)
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Option<Pair>, String>> {
        self.sound.refresh(token)
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        self.sound.revoke(token)
    }

    fn accepts<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            let text = bearer.expose();
            let believed = match self.blind {
                Blind::Signature => says_somebody(text),
                Blind::Secret => api_key::read(text).is_some(),
            };
            Ok(believed || self.sound.accepts(bearer).await?)
        })
    }
}

/// Whether `text` asks to be believed without a signature, and has claims.
fn says_somebody(text: &str) -> bool {
    let mut parts = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    let header: Option<Value> = parts.next().and_then(|part| serde_json::from_slice(&part).ok());
    let claims: Option<Claims> = parts.next().and_then(|part| serde_json::from_slice(&part).ok());
    let alg = header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str);
    alg == Some("none") && claims.is_some()
}
