//! `password.argon2id`: every stored password is Argon2id at the floor or above, and a refused
//! sign-in takes the same time whether or not the account exists.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kernel::{
    Card, Control, Cx, Finding, Fut, Params, Population, Proof, SYNTHETIC_TENANTS, Secret, TenantId,
};
use store::{Db, Programs};

use super::hashes::{Scan, scan};
use super::timing::{CANARY, Comparison, Gap, InProcess, SignInProbe, Times, compare};
use crate::stored::{Cost, FLOOR, OUTPUT_BYTES, SALT_BYTES, Stored};
use crate::{Email, Error, Identities, NewAccount, Pool, Result, sql};

static CARD: Card = Card {
    id: "password.argon2id",
    title: "Passwords are stored as Argon2id",
    attack: "Reads every stored hash and judges its scheme and cost, then signs in with wrong \
             passwords as a known and as unknown addresses and compares the answers and their \
             times.",
    bite: "Accounts with cheap, old, foreign and clear-text passwords in a copy of the control \
           database, and a sign-in that skips the hash for unknown addresses.",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "passwords that the application behind Amanah keeps by itself",
        "whether a password is easy to guess",
        "differences in time of less than half a hash",
        "accounts whose hash is dearer than new ones are by now: a refusal takes longer for them \
         until they sign in again",
    ],
};

const OF: &str = "stored hashes";
/// How many series of sign-ins the bite measures at most: a machine that is busy can be too noisy for one.
const SERIES: usize = 3;

/// The control.
pub(crate) struct Argon2id {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) probe: Option<Arc<dyn SignInProbe>>,
}

impl Control for Argon2id {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            match self.attack().await {
                Ok((scan, times)) => {
                    let in_process = self.probe.is_none();
                    weigh(observed_at, scan, times, in_process)
                }
                Err(error) => Proof::unknown(observed_at, error.to_string()),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let scratch = match self.owner.scratch(&self.programs, &*cx.rng).await {
                Ok(scratch) => scratch,
                Err(error) => {
                    return Proof::unknown(observed_at, format!("no sandbox: {error}"));
                }
            };
            let bitten = seed_and_find(scratch.db(), cx).await;
            let left = scratch.remove().await.err();
            let proof = match bitten {
                Ok((seeded, findings, missed)) if missed.is_empty() => Proof::weigh(
                    observed_at,
                    Population::new(seeded, seeded, "seeded violations"),
                    format!("{seeded} of {seeded} found"),
                    "all found",
                    findings,
                ),
                Ok((seeded, _, missed)) => Proof::missed(
                    observed_at,
                    Population::new(
                        seeded.saturating_sub(missed.len()),
                        seeded,
                        "seeded violations",
                    ),
                    format!("not found: {}", missed.join(", ")),
                ),
                Err(error) => Proof::unknown(observed_at, error.to_string()),
            };
            match left {
                Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
                None => proof,
            }
        })
    }
}

impl Argon2id {
    async fn attack(&self) -> Result<(Scan, Times)> {
        let canary = ensure_canary(&self.identities).await?;
        let scan = scan(self.identities.db()).await?;
        if !canary {
            let why = "the canary's account cannot sign in (disabled, or its hash is of another \
                       scheme), so nothing can be compared with it; remove it and it is made anew";
            return Ok((scan, Err(why.to_owned())));
        }
        let times = match &self.probe {
            Some(probe) => compare(&**probe, &self.identities).await,
            None => compare(&InProcess(&self.identities), &self.identities).await,
        };
        Ok((scan, times))
    }
}

fn weigh(observed_at: jiff::Timestamp, scan: Scan, times: Times, in_process: bool) -> Proof {
    let mut findings = scan.findings;
    let weakest =
        scan.weakest.map_or_else(|| "none at the floor".to_owned(), |cost| cost.to_string());
    let mut measured = format!("weakest {weakest}");
    let mut unclear = None;
    match times {
        Ok(times) => {
            // Writing to a `String` cannot fail.
            let _ = write!(
                measured,
                "; refusals took {} ms for a known and {} ms for unknown addresses (medians of {} \
                 pairs)",
                tenths(times.known),
                tenths(times.unknown),
                times.pairs
            );
            if let Gap::Noisy = times.gap {
                unclear = Some("the machine is too busy to compare the times of sign-ins".into());
            }
            findings.extend(timing_finding(&times));
        }
        Err(why) => unclear = Some(format!("the times could not be compared: {why}")),
    }
    let threshold = format!(
        "Argon2id version 19 at {FLOOR} or an equivalent; the same answer, less than half a \
         hash apart"
    );
    let note = if in_process {
        "times were measured inside the program, since no gateway was running to sign in through"
    } else {
        ""
    };
    match unclear {
        Some(why) if findings.is_empty() => Proof::unknown(observed_at, why).note(note),
        unclear => Proof::weigh(
            observed_at,
            Population::new(scan.checked, scan.total, OF),
            measured,
            threshold,
            findings,
        )
        .note(unclear.as_deref().unwrap_or_default())
        .note(note),
    }
}

fn timing_finding(times: &Comparison) -> Option<Finding> {
    let what = match (&times.answers, times.gap) {
        (Some(answers), _) => answers.clone(),
        (None, Gap::Differs) => format!(
            "a refusal takes {} ms for a known address and {} ms for an unknown one, so it tells \
             who has an account",
            tenths(times.known),
            tenths(times.unknown)
        ),
        (None, Gap::Same | Gap::Noisy) => return None,
    };
    Some(Finding::new("sign-in", what).fix("Answer both alike, after the same hash"))
}

/// Milliseconds with one decimal.
fn tenths(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

/// Makes the canary's account if it is not there, with a password that nobody knows. Says whether
/// it can be signed in to, so that its refusals are those of a real account.
pub(crate) async fn ensure_canary(identities: &Identities) -> Result<bool> {
    let mut random = [0; 32];
    identities.rng().fill(&mut random)?;
    let canary = Email::new(CANARY)?;
    let password = Secret::new(STANDARD_NO_PAD.encode(random));
    let usable = |hash: &str| Stored::read(hash).is_ok();
    if let Some((id, hash)) = identities.find(&canary).await? {
        let Ok(stored) = Stored::read(&hash) else { return Ok(false) };
        // Nobody signs in as the canary, so nothing else would renew its hash when the cost changes.
        if stored.is_other_than(identities.hasher().cost()) {
            let new = identities.hash(&password).await?.to_string();
            let tx = identities.db().operator().await?;
            tx.execute(sql::REHASH, &[&id, &hash, &new]).await?;
            tx.commit().await?;
        }
        return Ok(true);
    }
    let new = NewAccount {
        email: canary.clone(),
        name: "Canary".to_owned(),
        tenant: TenantId::new(SYNTHETIC_TENANTS)
            .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?,
        password,
    };
    match identities.create_synthetic(&new).await {
        Ok(_) => Ok(true),
        // Somebody was faster, or it is there and disabled.
        Err(Error::Taken) => {
            Ok(identities.find(&canary).await?.is_some_and(|(_, hash)| usable(&hash)))
        }
        Err(error) => Err(error),
    }
}

/// Seeds every violation in `db`, a sandbox, and runs the attack. Returns how many were seeded,
/// what was found, and the names of those that were missed.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<&'static str>)> {
    let leaky = Identities::new(
        db.clone(),
        Arc::clone(&cx.clock),
        Arc::clone(&cx.rng),
        Pool::default(),
        Arc::new(kernel::NoStandings),
    )?
    .without_decoy();
    ensure_canary(&leaky).await?;
    let seeds = seeds(cx)?;
    let mut ids = Vec::new();
    let tx = db.operator().await?;
    tx.batch(sql::DROP_SCHEME_CHECK).await?;
    for (n, (name, hash)) in seeds.iter().enumerate() {
        let email = format!("weak-{n}@amanah.invalid");
        let row = tx
            .query_one(
                sql::ADD_ACCOUNT,
                &[&email, &"Weak", &SYNTHETIC_TENANTS, hash, &cx.clock.now(), &true],
            )
            .await?;
        ids.push((*name, format!("account {}", row.get::<_, String>(0))));
    }
    tx.commit().await?;

    let mut found = scan(db).await?.findings;
    let mut missed: Vec<&'static str> = ids
        .iter()
        .filter(|(_, id)| !found.iter().any(|f| f.object == *id))
        .map(|(name, _)| *name)
        .collect();
    if found.len() > ids.len() {
        // Then it finds whatever there is, and its findings mean nothing.
        missed.push("the difference between weak and strong");
    }
    let mut told = None;
    for _ in 0..SERIES {
        let times = compare(&InProcess(&leaky), &leaky).await;
        told = times.ok().as_ref().and_then(timing_finding);
        if told.is_some() {
            break;
        }
    }
    match told {
        Some(finding) => found.push(finding),
        None => missed.push("a sign-in that skips the hash"),
    }
    Ok((ids.len() + 1, found, missed))
}

fn seeds(cx: &Cx) -> Result<[(&'static str, String); 7]> {
    let (mut salt, mut output) = (vec![0; SALT_BYTES], vec![0; OUTPUT_BYTES]);
    cx.rng.fill(&mut salt)?;
    cx.rng.fill(&mut output)?;
    let with = |cost| Stored { cost, salt: salt.clone(), output: output.clone() }.to_string();
    let good = with(FLOOR);
    let bcrypt = STANDARD_NO_PAD.encode(&output).replace('+', ".");
    Ok([
        ("Argon2id with 1 MiB", with(Cost::new(1_024, 2))),
        ("Argon2id with one pass", with(Cost::new(19_456, 1))),
        ("Argon2i", good.replace("$argon2id$", "$argon2i$")),
        ("Argon2 version 16", good.replace("v=19", "v=16")),
        ("bcrypt", format!("$2b$12${bcrypt}")),
        ("a password in clear", kernel::random_hex(&*cx.rng, 6)?),
        ("no hash at all", String::new()),
    ])
}
